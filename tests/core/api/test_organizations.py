import pytest

from core.api.organizations import MemberView
from core.models import Membership, Organization, User
from core.services import accounts
from tests.factories import callers

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return accounts.create_user(email="ada@example.org", password=None, name="Ada")


@pytest.fixture
def bob():
    return accounts.create_user(email="bob@example.org", password=None, name="Bob")


@pytest.fixture
def acme(ada):
    return accounts.create_organization(name="Acme", by=ada.pk)


@pytest.fixture
def owner(ada, acme):
    return callers.of(ada.pk, acme.pk)


def place(organization, *rest):
    return "/".join([f"/organizations/{organization.pk}", *map(str, rest)])


def test_who_makes_an_organization_owns_it(ada):
    asks = callers.of(ada.pk, None)
    made = asks.post("/organizations", {"name": " Acme "}, key="k", expect=201).json()
    assert (made["name"], made["role"]) == ("Acme", "owner")
    again = asks.post("/organizations", {"name": " Acme "}, key="k", expect=201)
    assert (again.json(), again["Idempotent-Replay"]) == (made, "true")
    assert Organization.objects.count() == 1
    assert asks.get("/organizations").json()["data"] == [made]


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "  "}, {"name": "x" * 201},
                                  {"name": 5}, {"name": "x", "id": 1}])  # fmt: skip
def test_an_organization_has_a_name(ada, body):
    assert callers.of(ada.pk, None).post("/organizations", body).status_code == 400


def test_a_token_for_one_organization_sees_and_makes_no_other(ada, acme, owner):
    bolt = accounts.create_organization(name="Bolt", by=ada.pk)
    assert owner.post("/organizations", {"name": "x"}).status_code == 403
    assert [one["name"] for one in owner.get("/organizations").json()["data"]] == ["Acme"]
    assert owner.get(place(acme), expect=200).json()["name"] == "Acme"
    for method, rest in (("GET", ()), ("GET", ("members",)), ("POST", ("members",)),
                         ("PATCH", ("members", ada.pk)), ("DELETE", ("members", ada.pk))):  # fmt: skip
        body = {"email": "bob@example.org", "role": "owner"} if method == "POST" else None
        assert owner.call(method, place(bolt, *rest), body).status_code == 404


def test_an_owner_says_who_acts_for_it(ada, bob, acme, owner, django_assert_num_queries):
    added = owner.post(
        place(acme, "members"), {"email": "Bob@example.org", "role": "viewer"}, expect=200
    ).json()
    assert (added["user"], added["role"]) == (str(bob.pk), "viewer")
    asks = callers.of(bob.pk, acme.pk)
    with django_assert_num_queries(2):
        members = asks.get(place(acme, "members"), expect=200).json()["data"]
    assert [one["email"] for one in members] == ["ada@example.org", "bob@example.org"]
    changed = owner.patch(place(acme, "members", bob.pk), {"role": "manager"}, expect=200).json()
    assert changed["role"] == "manager"
    owner.delete(place(acme, "members", bob.pk), expect=204)
    assert asks.get(place(acme)).status_code == 401
    assert owner.delete(place(acme, "members", bob.pk)).status_code == 404


def test_only_an_owner_does(ada, bob, acme):
    for role in ("viewer", "manager"):
        asks = callers.member(acme.pk, role)
        asks.get(place(acme, "members"), expect=200)
        body = {"email": bob.email, "role": "owner"}
        for method, where, sent in (("POST", place(acme, "members"), body),
                                    ("PATCH", place(acme, "members", ada.pk), {"role": "viewer"}),
                                    ("DELETE", place(acme, "members", ada.pk), None)):  # fmt: skip
            answer = asks.call(method, where, sent)
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_role")
    assert Membership.objects.get(user=ada).role == "owner"


def test_the_last_owner_stays(ada, acme, owner):
    for answer in (owner.delete(place(acme, "members", ada.pk)),
                   owner.patch(place(acme, "members", ada.pk), {"role": "viewer"})):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")


def test_a_member_has_an_account_and_a_role_there_is(acme, owner):
    for body, field in (({"email": "no@example.org", "role": "viewer"}, "email"),
                        ({"email": "ada@example.org", "role": "king"}, "role"),
                        ({"email": "ada@example.org"}, "role")):  # fmt: skip
        answer = owner.post(place(acme, "members"), body)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_looking_for_people_by_address_is_slow(acme, owner, settings):
    settings.THROTTLE_RATES = {"members": 2}
    body = {"email": "no@example.org", "role": "viewer"}
    statuses = [owner.post(place(acme, "members"), body).status_code for _ in range(3)]
    assert statuses == [400, 400, 429]


def test_making_organizations_does_not_help_to_look_for_people(ada, settings):
    settings.THROTTLE_RATES = {"members": 2}
    body = {"email": "no@example.org", "role": "viewer"}
    statuses = []
    for name in ("a", "b", "c"):
        made = accounts.create_organization(name=name, by=ada.pk)
        statuses.append(callers.of(ada.pk, made.pk).post(place(made, "members"), body).status_code)
    assert statuses == [400, 400, 429]


@pytest.mark.parametrize("role", ["viewer", "manager", "owner"])
def test_a_member_can_leave(ada, bob, acme, role):
    accounts.set_member(organization_id=acme.pk, email=bob.email, role=role, by=ada.pk)
    asks = callers.of(bob.pk, acme.pk)
    asks.delete(place(acme, "members", bob.pk), expect=204)
    assert asks.get(place(acme)).status_code == 401
    assert [row.user_id for row in Membership.objects.all()] == [ada.pk]


def test_leaving_takes_a_token_for_that_organization(ada, bob, acme):
    bolt = accounts.create_organization(name="Bolt", by=ada.pk)
    for one in (acme, bolt):
        accounts.set_member(organization_id=one.pk, email=bob.email, role="viewer", by=ada.pk)
    asks = callers.of(bob.pk, acme.pk)
    assert asks.delete(place(bolt, "members", bob.pk)).status_code == 404
    assert callers.of(bob.pk, None).delete(place(acme, "members", bob.pk)).status_code == 403
    # Leaving is not changing: a viewer makes nobody a manager, least of all themselves.
    own = place(acme, "members", bob.pk)
    assert asks.patch(own, {"role": "manager"}).json()["code"] == "missing_role"
    assert Membership.objects.filter(user=bob, role="viewer").count() == 2


def test_a_change_that_comes_too_late_lets_nobody_in_again(ada, bob, acme, owner, monkeypatch):
    accounts.set_member(organization_id=acme.pk, email=bob.email, role="viewer", by=ada.pk)
    looked_up = MemberView.member

    def removed_meanwhile(self, *args):
        found = looked_up(self, *args)
        accounts.remove_member(organization_id=acme.pk, user_id=bob.pk, by=ada.pk)
        return found

    monkeypatch.setattr(MemberView, "member", removed_meanwhile)
    answer = owner.patch(place(acme, "members", bob.pk), {"role": "owner"})
    assert (answer.status_code, Membership.objects.count()) == (404, 1)


def test_an_owner_who_cannot_log_in_is_no_other_owner(ada, bob, acme, owner):
    accounts.set_member(organization_id=acme.pk, email=bob.email, role="owner", by=ada.pk)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    for answer in (owner.delete(place(acme, "members", ada.pk)),
                   owner.patch(place(acme, "members", ada.pk), {"role": "viewer"})):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")
    owner.patch(place(acme, "members", bob.pk), {"role": "viewer"}, expect=200)
    owner.delete(place(acme, "members", bob.pk), expect=204)
