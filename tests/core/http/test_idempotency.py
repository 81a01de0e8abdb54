"""One effect and one answer for a request that comes twice under one key."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.http import HttpResponse
from rest_framework import exceptions as drf

from core import audit, errors
from core.http import idempotency
from core.http.auth import Caller
from core.http.idempotency import Key, Mismatch
from core.ids import new_id
from core.models import IdempotencyKey, Organization
from core.services import accounts, keys, tokens
from tests.factories import callers

pytestmark = pytest.mark.django_db


def made():
    return Organization.objects.count()


def test_the_same_request_again_gives_the_same_answer_again(asks):
    first = asks.post("/things", {"name": "x"}, key="k", expect=201)
    again = asks.post("/things", {"name": "x"}, key="k", expect=201)
    assert again.content == first.content
    assert again["Content-Type"] == first["Content-Type"] == "application/json"
    assert again["Idempotent-Replay"] == "true"
    assert "Idempotent-Replay" not in first
    assert made() == 1


def test_without_a_key_every_request_is_its_own(asks):
    answers = [asks.post("/things", {"name": "x"}, expect=201) for _ in range(2)]
    assert len({answer.content for answer in answers}) == made() == 2
    assert not IdempotencyKey.objects.exists()


def test_a_key_stands_for_one_request(asks):
    asks.post("/things", {"name": "x"}, key="k", expect=201)
    others = [
        asks.post("/things", {"name": "y"}, key="k"),
        asks.send("POST", "/things", b'{"name":"x"} ', callers.JSON, key="k"),
        asks.call("PUT", "/things", {"name": "x"}, key="k"),
    ]
    for answer in others:
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert made() == 1


def test_a_request_that_fails_leaves_its_key_free(asks):
    for body, status in (
        ({"name": "refuse"}, 409),
        ({"name": "answer 400"}, 400),
        ({"name": 5}, 400),
        ({"name": "x"}, 201),
    ):
        assert asks.post("/things", body, key="k").status_code == status
    assert (made(), IdempotencyKey.objects.count()) == (1, 1)


def test_a_key_belongs_to_its_owner_and_whom_they_act_for(trial, ada):
    acme, bolt = (accounts.create_organization(name=n, by=ada.pk) for n in ("Acme", "Bolt"))
    everybody = [callers.of(ada.pk, None), callers.of(ada.pk, acme.pk), callers.of(ada.pk, bolt.pk),
                 callers.person()]  # fmt: skip
    answers = [one.post("/things", {"name": "x"}, key="k", expect=201) for one in everybody]
    assert len({answer.content for answer in answers}) == 4
    # Another token of the same person is the same owner.
    again = callers.of(ada.pk, None).post("/things", {"name": "x"}, key="k")
    assert again.content == answers[0].content


def test_a_replay_is_for_who_may_ask(trial, ada):
    issued = tokens.issue(user_id=ada.pk, organization_id=None, name="t")
    asks = callers.Caller(issued.text)
    asks.post("/things", {"name": "x"}, key="k", expect=201)
    tokens.revoke(token_id=issued.token.pk, user_id=ada.pk)
    assert asks.post("/things", {"name": "x"}, key="k").status_code == 401


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\tb", "é", " x", "x ", "\x7f"])
def test_a_key_is_1_to_255_plain_characters(asks, key):
    for path in ("/things", "/naturals"):
        answer = asks.post(path, {"name": "x"}, key=key)
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")
    assert made() == 0


def test_the_longest_key_is_kept(asks):
    for _ in range(2):
        asks.post("/things", {"name": "x"}, key="k" * 255, expect=201)
    assert made() == 1


def test_a_key_can_be_obligatory(asks):
    answer = asks.call("PUT", "/things", {"name": "x"})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")
    asks.call("PUT", "/things", {"name": "x"}, key="k", expect=201)


def test_where_the_row_itself_tells_the_key_is_not_looked_at(asks):
    for name in ("x", "y"):
        asks.post("/naturals", {"name": name}, key="k", expect=200)
    asks.get("/things", key="", expect=200)
    assert not IdempotencyKey.objects.exists()


def test_a_key_costs_two_statements(asks, django_assert_num_queries):
    with django_assert_num_queries(2):
        asks.post("/things", {"name": "x"}, expect=201)
    with django_assert_num_queries(6):  # and a savepoint, which outside of tests is a BEGIN
        asks.post("/things", {"name": "x"}, key="k", expect=201)
    with django_assert_num_queries(5):
        asks.post("/things", {"name": "x"}, key="k", expect=201)


def test_keys_are_forgotten_after_a_day(asks):
    for key in ("old", "new"):
        asks.post("/things", {"name": "x"}, key=key, expect=201)
    row = IdempotencyKey.objects.get(key="old")
    IdempotencyKey.objects.filter(pk=row.pk).update(created_at=row.created_at - timedelta(hours=26))
    assert (keys.forget(), keys.forget()) == (1, 0)
    assert [row.key for row in IdempotencyKey.objects.all()] == ["new"]
    asks.post("/things", {"name": "other"}, key="old", expect=201)


def test_the_audit_sees_an_answer_without_its_time(asks):
    asks.post("/things", {"name": "x"}, key="k", expect=201)
    assert audit.check("C2").ok
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "ALTER TABLE core_idempotencykey DROP CONSTRAINT idempotencykey_completed_facts"
        )
        cursor.execute("UPDATE core_idempotencykey SET completed_at = NULL")
    assert audit.check("C2").rows == 1


# --- external: the effect is somewhere else --------------------------------------------------
@pytest.fixture
def key(ada):
    return Key(ada.pk, new_id(), "k", "POST", "/x", b"h" * 32)


def answer(calls, status=200):
    def run():
        calls.append(IdempotencyKey.objects.values_list("status", flat=True).get())
        return HttpResponse(b'{"n": %d}' % len(calls), status=status)

    return run


def test_the_intent_is_stored_before_and_the_answer_after(key):
    calls = []
    first = idempotency.external(key, answer(calls))
    again = idempotency.external(key, answer(calls))
    assert calls == [None]
    assert (first.content, again.content, again["Idempotent-Replay"]) == (
        b'{"n": 1}', b'{"n": 1}', "true",
    )  # fmt: skip


def test_a_request_that_broke_off_goes_on_under_its_key(key):
    def dies():
        raise RuntimeError("the machine lost its power")

    calls = []
    with pytest.raises(RuntimeError):
        idempotency.external(key, dies)
    with pytest.raises(Mismatch):
        idempotency.external(
            Key(key.user_id, key.acting_for, "k", "POST", "/x", b"o" * 32), answer(calls)
        )
    assert idempotency.external(key, answer(calls)).content == b'{"n": 1}'
    assert calls == [None]


def test_a_refusal_is_not_kept(key):
    calls = []
    assert idempotency.external(key, answer(calls, 402)).status_code == 402
    with pytest.raises(errors.Conflict):
        idempotency.external(key, lambda: (_ for _ in ()).throw(errors.Conflict("no")))
    assert idempotency.external(key, answer(calls)).status_code == 200
    assert len(calls) == 2


def refusing(problem):
    def run():
        raise problem

    return run


@pytest.mark.parametrize("refused", [
    refusing(errors.Invalid("no")),
    refusing(drf.ValidationError("no")),
    lambda: HttpResponse(status=402),
])  # fmt: skip
def test_a_refused_request_leaves_its_key_to_the_corrected_one(key, refused):
    with suppress(errors.Problem, drf.APIException):
        idempotency.external(key, refused)
    assert not IdempotencyKey.objects.exists()
    corrected = replace(key, request_hash=b"c" * 32)
    assert idempotency.external(corrected, answer([])).status_code == 200


@pytest.mark.parametrize("failed", [
    refusing(errors.Unavailable("no")),
    refusing(drf.APIException("no")),
    refusing(RuntimeError("no")),
    lambda: HttpResponse(status=503),
])  # fmt: skip
def test_a_failed_request_keeps_its_key_for_what_it_may_have_begun(key, failed):
    with suppress(errors.Problem, drf.APIException, RuntimeError):
        idempotency.external(key, failed)
    assert IdempotencyKey.objects.get().status is None
    # A refusal on the second go does not undo what the first one began.
    with pytest.raises(errors.Invalid):
        idempotency.external(key, refusing(errors.Invalid("no")))
    with pytest.raises(Mismatch):
        idempotency.external(replace(key, request_hash=b"c" * 32), answer([]))


def test_a_wrong_amount_does_not_cost_the_key(acme):
    asks = callers.member(acme.pk, "manager")
    for body, status in (
        ({"amount_micros": 0, "currency": "XTS"}, 400),
        ({"amount_micros": 10**15 * 9, "currency": "USD"}, 400),
        ({"amount_micros": 5_000_000, "currency": "XTS"}, 201),
        ({"amount_micros": 6_000_000, "currency": "XTS"}, 422),
    ):
        assert asks.post("/wallet/topups", body, key="k").status_code == status, body
    assert IdempotencyKey.objects.get().status == 201


def test_a_key_of_a_person_and_of_their_organization_are_two(ada, acme, rf):
    request = rf.post("/x", headers={"Idempotency-Key": "k"})
    mine = Caller(ada.pk, None, None, frozenset(), False, new_id())
    ours = Caller(ada.pk, acme.pk, "owner", frozenset(), False, new_id())
    found = [
        idempotency.key("k", caller=one, request=request, body=b"") for one in (mine, ours, mine)
    ]
    assert found[0] == found[2]
    assert found[0].lock != found[1].lock
    assert -(2**63) <= found[0].lock < 2**63
