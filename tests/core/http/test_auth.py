from datetime import timedelta

import pytest
from django.test import Client

from core import clock
from core.http import auth
from core.models import ApiToken, Membership, User
from core.services import accounts, tokens
from tests.factories import callers

pytestmark = pytest.mark.django_db


def own(user):
    return tokens.issue(user_id=user.pk, organization_id=None, name="t")


def acting(user, organization, scopes=None):
    return tokens.issue(user_id=user.pk, organization_id=organization.pk, name="t", scopes=scopes)


def status(text, path="/empty"):
    return callers.Caller(text).get(path).status_code


def test_a_token_says_who_is_asking(trial, ada, acme):
    issued = acting(ada, acme, ["org"])
    caller = auth.look_up(tokens.digest(issued.text))
    assert caller == auth.Caller(
        ada.pk, acme.pk, "owner", frozenset({"org"}), False, issued.token.pk
    )
    assert callers.Caller(issued.text).get("/empty").json() == {"user": str(ada.pk)}


def test_asking_takes_one_statement(trial, ada, django_assert_num_queries):
    asks = callers.Caller(own(ada).text)
    with django_assert_num_queries(1):
        assert asks.get("/empty").status_code == 200


def test_a_view_may_load_more_in_the_same_statement(trial, ada, acme, django_assert_num_queries):
    asks = callers.Caller(own(ada).text)
    with django_assert_num_queries(1):
        found = asks.get(f"/own/{acme.pk}", expect=200).json()
    assert found == {"name": "Acme", "user": str(ada.pk)}
    asks.get("/own/00000000-0000-0000-0000-000000000000", expect=200)
    assert status("pw_" + "x" * 43, f"/own/{acme.pk}") == 401


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer x", "Basic dXNlcjpwYXNz", "pw_" + "x" * 43,
     "Bearer pw_" + "x" * 43, "Bearer " + "x" * 5000, "Bearer pw_\xff" + "x" * 40,
     "Bearer a b", "Bearer pw_" + "x" * 43 + "\n"],
)  # fmt: skip
def test_without_a_good_token_nobody_is_known(trial, ada, header):
    own(ada)
    answer = Client().get("/api/v1/empty", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthenticated"


def test_a_part_of_a_token_is_none(trial, ada):
    text = own(ada).text
    assert status(text) == 200
    assert [status(other) for other in (text[:-1], text + "x", text.swapcase())] == [401] * 3


def test_the_word_bearer_is_written_as_one_likes(trial, ada):
    text = own(ada).text
    for word in ("bearer", "BEARER", "Bearer "):
        answer = Client().get("/api/v1/empty", headers={"Authorization": f"{word} {text}"})
        assert answer.status_code == 200


def test_a_revoked_token_is_refused_at_once(trial, ada):
    issued = own(ada)
    assert status(issued.text) == 200
    tokens.revoke(token_id=issued.token.pk, user_id=ada.pk)
    assert status(issued.text) == 401


def test_a_token_ends_by_the_databases_clock(trial, ada):
    issued = tokens.issue(user_id=ada.pk, organization_id=None, name="t", days=1)
    clock.shift(timedelta(hours=23, minutes=59))
    assert status(issued.text) == 200
    clock.shift(timedelta(minutes=2))
    assert status(issued.text) == 401


def test_a_deactivated_person_is_refused_at_once(trial, ada):
    text = own(ada).text
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert status(text) == 401


def test_a_removed_member_is_refused_at_once(trial, ada, acme):
    bob = accounts.create_user(email="bob@example.org", password=None)
    accounts.set_member(organization_id=acme.pk, email=bob.email, role="manager", by=ada.pk)
    text, private = acting(bob, acme).text, own(bob).text
    assert status(text, "/guarded") == 200
    accounts.remove_member(organization_id=acme.pk, user_id=bob.pk, by=ada.pk)
    assert status(text, "/guarded") == 401
    assert status(private) == 200


def test_a_role_counts_as_it_is_now(trial, ada, acme):
    bob = accounts.create_user(email="bob@example.org", password=None)
    accounts.set_member(organization_id=acme.pk, email=bob.email, role="viewer", by=ada.pk)
    asks = callers.Caller(acting(bob, acme).text)
    assert asks.post("/guarded").status_code == 403
    Membership.objects.filter(user=bob).update(role="owner")
    assert asks.post("/guarded").status_code == 200


def test_a_session_opens_nothing_here(trial, ada):
    browser = Client()
    browser.force_login(ada)
    assert browser.get("/api/v1/empty").status_code == 401


def test_the_text_of_a_token_is_nowhere_in_the_database(trial, ada):
    text = own(ada).text
    row = ApiToken.objects.values().get()
    assert all(text not in str(value) and text.encode() != value for value in row.values())
