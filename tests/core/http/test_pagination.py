import base64

import pytest

from core.http import pagination
from core.models import Organization, User
from core.services import accounts
from tests.factories import callers

pytestmark = pytest.mark.django_db


@pytest.fixture
def crowd(ada):
    return [
        ada,
        *(accounts.create_user(email=f"p{n}@example.org", password=None) for n in range(7)),
    ]


def test_pages_are_read_to_the_end(asks, crowd):
    for limit in (1, 2, 3, 7, 8, 9):
        found = asks.pages("/things", limit=limit)
        assert [row["id"] for row in found] == [str(user.pk) for user in crowd]


def test_what_comes_while_one_reads_shifts_nothing(asks, crowd):
    first = asks.get("/things?limit=4").json()
    User.objects.filter(pk=crowd[1].pk).delete()
    late = accounts.create_user(email="late@example.org", password=None)
    rest = asks.get(f"/things?limit=50&after={first['next']}").json()
    assert [row["id"] for row in rest["data"]] == [str(u.pk) for u in [*crowd[4:], late]]
    assert rest["next"] is None


def test_a_page_takes_two_statements_however_long(asks, crowd, django_assert_num_queries):
    for limit in (1, 8):
        with django_assert_num_queries(2):
            asks.get(f"/things?limit={limit}", expect=200)


def changed(cursor, place):
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[place] ^= 1
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def test_a_cursor_can_only_be_ours(asks, crowd):
    cursor = asks.get("/things?limit=2").json()["next"]
    assert asks.get(f"/things?after={cursor}").status_code == 200
    forged = [changed(cursor, place) for place in (0, 5, 11, 12, 20, -1)]
    forged += [cursor[:-4], cursor + "AAAA", cursor[1:], "A" * len(cursor), cursor + "=",
               base64.urlsafe_b64encode(b"\0" * 48).decode(), cursor.replace(cursor[3], "*")]  # fmt: skip
    for other in forged:
        answer = asks.get(f"/things?after={other}")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


def test_a_cursor_is_of_one_list_and_order(ada):
    rows = User.objects.all()
    accounts.create_user(email="b@example.org", password=None)
    made = pagination.page(rows, order="id", limit=1, after=None, place="/a").next
    assert pagination.page(rows, order="id", limit=1, after=made, place="/a").rows
    for order, place in (("-id", "/a"), ("id", "/b"), ("email", "/a")):
        with pytest.raises(pagination.BadCursor):
            pagination.page(rows, order=order, limit=1, after=made, place=place)


def read(rows, order):
    found, after = [], None
    while True:
        page = pagination.page(rows, order=order, limit=2, after=after, place="/x")
        found += page.rows
        if (after := page.next) is None:
            return found


def test_any_unique_field_orders_either_way(crowd):
    assert read(User.objects.all(), "-id") == crowd[::-1]
    assert read(User.objects.all(), "email") == sorted(crowd, key=lambda user: user.email)
    assert [row["id"] for row in read(User.objects.values("id"), "id")] == [u.pk for u in crowd]
    for user in crowd[:3]:
        accounts.create_organization(name="x", by=user.pk)
    members = Organization.objects.get(memberships__user=crowd[0]).memberships.model.objects
    by_key = read(members.all(), "organization_id")
    assert [row.user_id for row in by_key] == [user.pk for user in crowd[:3]]


def test_a_full_last_page_has_no_next(asks, crowd):
    assert asks.get(f"/things?limit={len(crowd)}").json()["next"] is None
    assert callers.shown(asks.get("/things?limit=1"))
