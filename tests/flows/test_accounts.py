"""From a stranger to a requester with a colleague, over HTTP alone."""

import pytest
from django.core.cache import cache

from core.http import throttles
from tests.factories import callers

PASSWORD = "a long enough phrase"


@pytest.fixture(autouse=True)
def fresh_counters():
    cache.clear()
    throttles.forget()


def sign_up(email, name):
    stranger = callers.Caller()
    stranger.post("/users", {"email": email, "password": PASSWORD, "name": name}, expect=201)
    made = stranger.post(
        "/tokens", {"email": email, "password": PASSWORD, "name": "laptop"}, expect=201
    ).json()
    return callers.Caller(made["token"]), made


@pytest.mark.django_db
def test_two_people_come_to_run_an_organization_and_one_leaves():
    ada, _ = sign_up("ada@example.org", "Ada")
    bob, bobs = sign_up("bob@example.org", "Bob")
    assert ada.get("/me").json()["organizations"] == []

    acme = ada.post("/organizations", {"name": "Acme"}, key="make-acme", expect=201).json()
    members = f"/organizations/{acme['id']}/members"
    assert ada.get(members).status_code == 403  # her own token acts for nobody
    made = ada.post("/tokens", {"organization": acme["id"], "name": "for Acme"}, expect=201).json()
    owner = callers.Caller(made["token"])
    assert owner.get("/me").json()["organization"]["name"] == "Acme"

    assert bob.post("/tokens", {"organization": acme["id"]}).status_code == 404
    owner.post(members, {"email": "bob@example.org", "role": "manager"}, expect=200)
    made = bob.post("/tokens", {"organization": acme["id"]}, expect=201).json()
    manager = callers.Caller(made["token"])
    manager.get(members, expect=200)
    assert manager.post(members, {"email": "ada@example.org", "role": "viewer"}).status_code == 403

    adas, bobs_id = (one["user"] for one in owner.get(members).json()["data"])
    owner.patch(f"{members}/{bobs_id}", {"role": "owner"}, expect=200)
    manager.patch(f"{members}/{adas}", {"role": "viewer"}, expect=200)
    assert owner.patch(f"{members}/{bobs_id}", {"role": "viewer"}).status_code == 403
    manager.delete(f"{members}/{adas}", expect=204)
    assert owner.get(f"/organizations/{acme['id']}").status_code == 401
    assert manager.delete(f"{members}/{bobs_id}").json()["code"] == "last_owner"

    bob.delete(f"/tokens/{bobs['id']}", expect=204)
    assert bob.get("/me").status_code == 401
    assert ada.get("/me").json()["organizations"] == []
