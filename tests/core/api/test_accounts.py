import pytest

from core.models import User
from core.services import accounts
from tests.factories import callers

pytestmark = pytest.mark.django_db

PASSWORD = "a long enough phrase"
ADA = {"email": "ada@example.org", "password": PASSWORD, "name": "Ada"}


@pytest.fixture
def anybody():
    return callers.Caller()


def log_in(email=ADA["email"], password=PASSWORD, **more):
    return callers.Caller().post("/tokens", {"email": email, "password": password, **more})


def test_signing_up_makes_an_account(anybody):
    answer = anybody.post("/users", {**ADA, "email": " Ada@Example.org"}, expect=201)
    assert answer.json() == {"email": "ada@example.org", "name": "Ada"}
    user = User.objects.get()
    assert (user.email, user.name, user.is_staff) == ("ada@example.org", "Ada", False)
    assert user.check_password(PASSWORD)


def test_nobody_learns_who_has_an_account(anybody):
    first = anybody.post("/users", ADA, expect=201)
    again = anybody.post("/users", {**ADA, "password": "another long phrase"}, expect=201)
    assert again.content == first.content
    assert again.headers.keys() == first.headers.keys()
    assert User.objects.get().check_password(PASSWORD)
    bad = [log_in("nobody@example.org"), log_in(password="another long phrase")]
    bad[0].headers.pop("X-Request-ID"), bad[1].headers.pop("X-Request-ID")
    assert {answer.status_code for answer in bad} == {401}
    assert bad[0].content == bad[1].content
    User.objects.update(is_active=False)
    assert log_in().content == bad[0].content


@pytest.mark.parametrize(
    ("change", "field"),
    [({"email": "nobody"}, "email"), ({"email": ""}, "email"), ({"email": "a" * 255}, "email"),
     ({"email": "a@b\n.example"}, "email"), ({"password": "12345678"}, "password"),
     ({"password": "password"}, "password"), ({"password": ""}, "password"),
     ({"password": "ada@example.org"}, "password"), ({"name": "x" * 201}, "name"),
     ({"name": "a\u202eb"}, "name"), ({"is_staff": True}, "is_staff"), ({"id": 1}, "id"),
     ({"role": "admin"}, "role")],
)  # fmt: skip
def test_what_is_wrong_with_a_sign_up_is_named(anybody, change, field):
    answer = anybody.post("/users", {**ADA, **change})
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]
    assert not User.objects.exists()


def test_signing_up_is_for_people_not_for_programs(anybody, settings):
    settings.THROTTLE_RATES = {"sign_up": 3}
    statuses = [anybody.post("/users", {**ADA, "email": f"p{n}@example.org"}).status_code
                for n in range(5)]  # fmt: skip
    assert statuses == [201, 201, 201, 429, 429]
    assert User.objects.count() == 3


def test_me_tells_who_the_token_stands_for(django_assert_num_queries):
    ada = accounts.create_user(email="ada@example.org", password=None, name="Ada")
    acme, bolt = (accounts.create_organization(name=n, by=ada.pk) for n in ("Acme", "Bolt"))
    own, acting = callers.of(ada.pk, None, ["account"]), callers.of(ada.pk, acme.pk, ["org"])
    with django_assert_num_queries(3):
        found = own.get("/me", expect=200).json()
    assert (found["email"], found["name"], found["scopes"]) == (ada.email, "Ada", ["account"])
    assert found["organization"] is None
    assert [(one["name"], one["role"]) for one in found["organizations"]] == [
        ("Acme", "owner"), ("Bolt", "owner"),
    ]  # fmt: skip
    found = acting.get("/me", expect=200).json()
    assert found["organization"]["id"] == str(acme.pk)
    assert str(bolt.pk) not in str(found)
    assert callers.Caller().get("/me").status_code == 401


# --- tokens ----------------------------------------------------------------------------------
def test_logging_in_gives_a_token_once(anybody):
    anybody.post("/users", ADA, expect=201)
    made = log_in(" ADA@example.org", name="laptop", scopes=["account"], days=1).json()
    assert made["token"].startswith("pw_")
    assert (made["name"], made["scopes"], made["organization"]) == ("laptop", ["account"], None)
    listed = callers.Caller(made["token"]).get("/tokens", expect=200)
    assert made["token"] not in listed.content.decode()
    assert [one["id"] for one in listed.json()["data"]] == [made["id"]]
    assert listed.json()["data"][0]["hint"] == made["token"][-4:]


def test_guessing_passwords_is_slow(anybody, settings):
    settings.THROTTLE_RATES = {"log_in_both": 3}
    anybody.post("/users", ADA, expect=201)
    assert [log_in(password=f"guess number {n}").status_code for n in range(4)] == [401] * 3 + [429]
    assert log_in().status_code == 429
    assert log_in("other@example.org").status_code == 401


@pytest.mark.parametrize(
    "body",
    [{"email": "a@example.org"}, {"password": "x"}, {"email": "a@example.org", "password": 5},
     {"email": None, "password": "x"}, {"email": ["a"], "password": "x"},
     {"email": "a@example.org", "password": "x", "days": 0},
     {"email": "a@example.org", "password": "x", "days": 367},
     {"email": "a@example.org", "password": "x", "scopes": []},
     {"email": "a@example.org", "password": "x", "scopes": "work"},
     {"email": "a@example.org", "password": "x", "organization": "x"},
     {"email": "a@example.org", "password": "x", "user": "x"}],
)  # fmt: skip
def test_half_a_log_in_is_refused(anybody, body):
    assert anybody.post("/tokens", body).status_code == 400


def test_without_password_or_token_nobody_gets_a_token(anybody):
    answer = anybody.post("/tokens", {})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.fixture
def ada():
    return accounts.create_user(email="ada@example.org", password=PASSWORD)


def test_a_persons_token_makes_tokens_for_them_and_their_organizations(ada):
    acme = accounts.create_organization(name="Acme", by=ada.pk)
    own = callers.of(ada.pk, None)
    assert own.post("/tokens", {"name": "a", "scopes": ["work"]}, expect=201).json()["token"]
    made = own.post("/tokens", {"organization": str(acme.pk)}, expect=201).json()
    assert (made["organization"], "wallet" in made["scopes"]) == (str(acme.pk), True)
    assert callers.Caller(made["token"]).get("/me").json()["organization"]["role"] == "owner"
    for scopes in (["wallet"], ["nonsense"]):
        assert own.post("/tokens", {"scopes": scopes}).status_code == 400
    strangers = accounts.create_organization(name="B", by=accounts.create_user(
        email="b@example.org", password=None).pk)  # fmt: skip
    assert own.post("/tokens", {"organization": str(strangers.pk)}).status_code == 404


def test_a_token_without_the_scope_account_makes_and_shows_none(ada):
    asks = callers.of(ada.pk, None, ["work"])
    for answer in (asks.post("/tokens", {}), asks.get("/tokens")):
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


def test_an_organizations_token_passes_on_no_more_than_it_has(ada):
    acme, bolt = (accounts.create_organization(name=n, by=ada.pk) for n in ("Acme", "Bolt"))
    asks = callers.of(ada.pk, acme.pk, ["account", "jobs:read"])
    made = asks.post("/tokens", {"name": "x"}, expect=201).json()
    assert (made["organization"], made["scopes"]) == (str(acme.pk), ["account", "jobs:read"])
    assert asks.post("/tokens", {"scopes": ["wallet"]}).status_code == 403
    assert asks.post("/tokens", {"organization": str(bolt.pk)}).status_code == 404
    own = callers.of(ada.pk, None)
    seen = {one["id"] for one in own.pages("/tokens")}
    theirs = {one["id"] for one in asks.pages("/tokens")}
    assert len(theirs) == 2
    assert len(seen) == 3
    other = next(iter(seen - theirs))
    assert asks.delete(f"/tokens/{other}").status_code == 404


def test_a_revoked_token_is_over_at_once_and_twice_is_as_once(ada):
    asks = callers.of(ada.pk, None)
    made = asks.post("/tokens", {"name": "a"}, expect=201).json()
    other = callers.Caller(made["token"])
    other.get("/me", expect=200)
    for _ in range(2):
        asks.delete(f"/tokens/{made['id']}", expect=204)
    assert other.get("/me").status_code == 401
    assert callers.person().delete(f"/tokens/{made['id']}").status_code == 404
    (row,) = [one for one in asks.pages("/tokens") if one["id"] == made["id"]]
    assert row["revoked_at"].endswith("Z")


def test_tokens_are_not_made_without_end(ada, settings):
    settings.THROTTLE_RATES = {"token_issue": 2}
    asks = callers.of(ada.pk, None)
    assert [asks.post("/tokens", {}).status_code for _ in range(3)] == [201, 201, 429]
    settings.THROTTLE_RATES = {}
