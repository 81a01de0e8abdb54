"""What no client should send, sent to every endpoint: refused with a reason, and nothing is written.

The lists are those of a plain framework's failures: bodies that break parsers, values of the wrong
type, ids that are none, parameters that do not exist.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from rest_framework import serializers

from core.http.serializers import (
    StrictBoolean,
    StrictDecimal,
    StrictInteger,
    StrictJSON,
    StrictString,
)
from core.services import tokens
from tests.factories import marketplace as make
from tests.factories import world as worlds
from tests.factories.endpoints import BODIES, PUBLIC, RULES, SIGNED, ids_of, names_of, routes
from tests.factories.world import World

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

DEEP = 100_000
#: Bodies that are refused wherever a body of JSON is read.
BROKEN: dict[str, bytes] = {
    "null": b"null",
    "list": b"[]",
    "number": b"5",
    "text": b'"x"',
    "trailing bytes": b"{} x",
    "two documents": b"{}{}",
    "truncated": b'{"name": "x',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "very deep": b"[" * DEEP + b"]" * DEEP,
    "900 deep": b'{"name": ' + b"[" * 900 + b"]" * 900 + b"}",
    "5000 deep object": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "NUL": b'{"name": "a\\u0000b"}',
    "raw NUL": b'{"name": "a\x00b"}',
    "lone surrogate": b'{"name": "\\ud800"}',
    "NaN": b'{"name": NaN}',
    "infinity": b'{"name": -Infinity}',
    "1e999": b'{"name": 1e999}',
    "5000 digits": b'{"name": ' + b"9" * 5000 + b"}",
    "beyond 64 bits": b'{"name": 18446744073709551616}',
    "duplicate keys": b'{"name": 1, "name": 2}',
    "unknown field": b'{"is_admin": true}',
    "one name in two forms": '{"\u00e9": 1, "e\u0301": 2}'.encode(),
    "read-only field": b'{"id": "x", "created_at": "now"}',
    "10 MB of text": b'{"name": "' + b"x" * 10_000_000 + b'"}',
    "100,000 keys": json.dumps({f"k{n}": n for n in range(100_000)}).encode(),
}
#: Values that a field of a type refuses.
TEXTS = [5, True, None, [], {}, "a\u202eb", "zero\u200bwidth", "lone\rreturn", "x" * 200_000, ""]
NUMBERS = ["5", "", True, None, [], {}, 1.5, 2**31 * 2**31, -(2**62), "\u0665", "5 "]
BOOLEANS = ["true", 1, 0, None, [], {}]
DECIMALS = ["", "x", "1e5", True, None, [], {}, "\u0665", 1e300, "NaN", -1e18]
JSONS: list[Any] = [None, [[[[[[]]]]]], {"$": {"a": 5}}, "text", -1, True, {"choice": ["yes"]}]
#: Ids that are none of ours.
IDS = ["0", "-1", str(2**63), "9" * 25, "abc", "1%00", "%F0%9F%98%80", "..%2F1", "a%2Fb", "%20"]
QUERIES = [
    "after=abc", "after=%00", "after=" + "A" * 5000, "after=AAAAAAAAAAAAAAAAAAAAAAAA", "limit=-1",
    "limit=1000000000", "limit=abc", "limit=%D9%A5", "limit=1&limit=2", "unknown=1", "format=api",
    "ordering=user__password", "user__password__startswith=a", "a[]=1", "state=%00", "state=nothing",
]  # fmt: skip


@pytest.fixture
def world(db, settings) -> World:
    settings.THROTTLE_RATES = dict.fromkeys(
        ("token", "public", "sign_up", "log_in_address", "log_in_account", "log_in_both",
         "token_issue"), 0,
    )  # fmt: skip
    return worlds.build()


def token_for(world: World, rule: str) -> str | None:
    role, _, scope = rule.partition(" ")
    if role == PUBLIC:
        return None
    if role == "user" and scope in ("work", "earnings"):
        return world.ours.tokens["worker"]
    return world.ours.tokens["owner"]


def send(
    method: str,
    path: str,
    token: str | None,
    raw: bytes = b"",
    content_type: str = "application/json",
) -> Any:
    """One call that leaves nothing behind.

    The answer says its CPU time in `seconds`, and in `written` the tables that it changed.
    """
    headers = {"idempotency-key": f"trial-{uuid4()}"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    tried = attempts()
    with transaction.atomic():
        began = time.thread_time()
        answer: Any = Client(raise_request_exception=False).generic(
            method, path, raw, content_type=content_type, headers=headers
        )
        answer.seconds = time.thread_time() - began
        touched = [table for table, count in attempts().items() if count != tried.get(table)]
        after = contents(touched)
        transaction.set_rollback(True)
    before = contents(touched)
    answer.written = [table for table in touched if after[table] != before[table]]
    return answer


def attempts() -> dict[str, int]:
    """Rows written in this transaction so far, by table; what was taken back counts too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables"
            " WHERE n_tup_ins + n_tup_upd + n_tup_del > 0"
        )
        return dict(cursor.fetchall())


def contents(tables: list[str]) -> dict[str, tuple[int, int]]:
    """What is in the tables now: the number of rows, and a sum over all of them."""
    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT count(*), sum(hashtextextended(t::text, 0)) FROM "{table}" t')
            found[table] = cursor.fetchone()
    return found


def endpoints() -> Iterator[tuple[str, str, str, type]]:
    for name, by in RULES.items():
        for method, rule in by.items():
            yield name, method, rule, routes()[name].callback.view_class


def path_of(world: World, name: str) -> str:
    return reverse(name, kwargs=ids_of(name, world.ours.ids))


def is_problem(answer: Any) -> bool:
    return (
        answer.headers.get("Content-Type") == "application/problem+json"
        and {"status", "code", "detail", "title"} <= answer.json().keys()
    )


def test_broken_bodies(world: World):
    """Every endpoint that reads a body refuses each of them, within a second, and writes nothing."""
    unexpected, count = [], 0
    for name, method, rule, view in endpoints():
        if method not in view.bodies:
            continue
        for what, raw in BROKEN.items():
            answer = send(method, path_of(world, name), token_for(world, rule), raw)
            count += 1
            if not 400 <= answer.status_code < 500 or not is_problem(answer):
                unexpected.append((name, method, what, answer.status_code, answer.content[:100]))
            elif answer.seconds > 1 or answer.written:
                unexpected.append((name, method, what, f"{answer.seconds:.1f} s", answer.written))
    assert not unexpected, "\n".join(map(str, unexpected))
    assert count > 26 * 30


def test_empty_bodies(world: World):
    """Where something must be said, silence is refused."""
    unexpected = []
    for name, method, rule, view in endpoints():
        if method not in view.bodies:
            continue
        fields = view.bodies[method]().fields.values()
        for raw in (b"", b" ", b"{}"):
            answer = send(method, path_of(world, name), token_for(world, rule), raw)
            is_wanting = any(field.required for field in fields)
            if answer.status_code >= 500 or (
                is_wanting and (answer.status_code not in range(400, 500) or answer.written)
            ):
                unexpected.append((name, method, raw, answer.status_code, answer.written))
    assert not unexpected, "\n".join(map(str, unexpected))


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("tasks-list", "application/x-ndjson"), ("tasks-list", "text/csv"),
        ("gold-list", "application/x-ndjson"), ("gold-list", "text/csv"),
        ("predictions-list", "application/x-ndjson"), ("media-list", "audio/wav"),
        ("media-list", "image/png"), ("media-list", "multipart/form-data; boundary=x"),
        ("stripe-webhook", "application/json"),
    ],
)  # fmt: skip
def test_broken_streams_and_files(world: World, name: str, content_type: str):
    """What is read as a stream is refused as a whole: one bad line, and nothing is kept."""
    unexpected = []
    for what, raw in {"nothing": b"", **BROKEN}.items():
        token = token_for(world, RULES[name]["POST"])
        answer = send("POST", path_of(world, name), token, raw, content_type)
        # A table of a header alone is a table without rows.
        low = 200 if content_type == "text/csv" else 400
        if not low <= answer.status_code < 500 or answer.written or answer.seconds > 1:
            unexpected.append((what, answer.status_code, answer.content[:100], answer.written))
    assert not unexpected, "\n".join(map(str, unexpected))


def test_encodings_and_content_types(world: World):
    unexpected = []
    for name, method, rule, view in endpoints():
        if method not in view.bodies or not view.bodies[method]().fields:
            continue
        for content_type in ("", "text/plain", "application/json; charset=utf-99", "x" * 500,
                             "multipart/form-data", "application/xml"):  # fmt: skip
            answer = send(method, path_of(world, name), token_for(world, rule), b"{}", content_type)
            if answer.status_code not in (400, 415):
                unexpected.append((name, method, content_type, answer.status_code))
    assert not unexpected, "\n".join(map(str, unexpected))


def values_for(field: serializers.Field) -> tuple[list[Any], bool]:
    """Values that the field's type refuses, and whether it must refuse all of them."""
    if isinstance(field, StrictString):
        texts = [one for one in TEXTS if one != "" or not field.allow_blank]
        return [one for one in texts if one is not None or not field.allow_null], True
    if isinstance(field, StrictInteger):
        return NUMBERS, True
    if isinstance(field, StrictBoolean):
        return BOOLEANS, True
    if isinstance(field, StrictDecimal):
        return DECIMALS, True
    if isinstance(field, StrictJSON):
        return JSONS, False
    if isinstance(field, serializers.ListField):
        return [5, "x", None, {}, [None], [[]], ["x" * 100_000], list(range(1000))], True
    return [5, None, [], "\u202e"], True


def test_fields_of_the_wrong_type(world: World):
    """Each field of each body, with values that are not what it takes."""
    unexpected, count = [], 0
    for name, method, rule, view in endpoints():
        if method not in view.bodies:
            continue
        fields = view.bodies[method]().fields
        for field_name, field in fields.items():
            values, must_refuse = values_for(field)
            for value in values:
                if value is None and field.allow_null:
                    continue
                body = {**BODIES.get(name, {}), field_name: value}
                body = {key: one for key, one in body.items() if key in fields}
                raw = json.dumps(body).encode()
                answer = send(method, path_of(world, name), token_for(world, rule), raw)
                count += 1
                low = 400 if must_refuse else 200
                is_refused = 400 <= answer.status_code < 500
                if not low <= answer.status_code < 500 or (is_refused and answer.written):
                    shown = repr(value)[:40], answer.status_code, answer.written
                    unexpected.append((name, method, field_name, *shown))
    assert not unexpected, "\n".join(map(str, unexpected))
    assert count > 500


def test_ids_that_are_none(world: World):
    unexpected, count = [], 0
    for name, method, rule, _ in endpoints():
        kwargs = ids_of(name, world.ours.ids)
        whole = reverse(name, kwargs=kwargs)
        for own in {str(one) for one in kwargs.values()}:
            for wrong in [*IDS, own.upper() + "0", own[:-1], str(UUID(int=0))]:
                answer = send(method, whole.replace(own, wrong), token_for(world, rule), b"{}")
                count += 1
                allowed = (404, 400) if wrong == str(UUID(int=0)) else (404,)
                if answer.status_code not in allowed or not is_problem(answer) or answer.written:
                    unexpected.append((name, method, wrong, answer.status_code, answer.written))
    assert not unexpected, "\n".join(map(str, unexpected))
    assert count > 600


def test_ids_of_the_wrong_kind(world: World):
    """An id that exists, of another sort of row, is absent here."""
    unexpected = []
    for name, method, rule, view in endpoints():
        kwargs = ids_of(name, world.ours.ids)
        if not kwargs or name in SIGNED:
            continue
        for last in list(kwargs)[-1:]:
            other = {**kwargs, last: world.ours.ids["task" if last != "task" else "job"]}
            body = json.dumps(BODIES.get(name, {})).encode() if method in view.bodies else b""
            answer = send(method, reverse(name, kwargs=other), token_for(world, rule), body)
            if answer.status_code not in (404, 415):
                unexpected.append((name, method, answer.status_code, answer.content[:100]))
    assert not unexpected, "\n".join(map(str, unexpected))


def test_parameters_that_do_not_exist_or_make_no_sense(world: World):
    unexpected, count = [], 0
    for name, method, rule, view in endpoints():
        if name in SIGNED:
            continue
        for query in QUERIES:
            named = query.partition("=")[0]
            serializer = view.queries.get(method)
            if named == "state" and serializer and "state" not in serializer().fields:
                pass  # unknown there: refused all the same
            path = f"{path_of(world, name)}?{query}"
            answer = send(method, path, token_for(world, rule), b"{}" if method != "GET" else b"")
            count += 1
            if answer.status_code != 400 or not is_problem(answer) or answer.written:
                unexpected.append((name, method, query[:40], answer.status_code, answer.written))
    assert not unexpected, "\n".join(map(str, unexpected))
    assert count > 16 * 60


def test_methods_that_a_place_does_not_take(world: World):
    unexpected = []
    for name, by in RULES.items():
        rule = next(iter(by.values()))
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW"):
            if method in by:
                continue
            answer = send(method, path_of(world, name), token_for(world, rule), b"")
            if answer.status_code != 405 or "Allow" not in answer.headers:
                unexpected.append((name, method, answer.status_code))
    assert not unexpected, "\n".join(map(str, unexpected))


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer \u00e9", "Bearer " + "x" * 65_000],
)
def test_credentials_that_are_none(header: str):
    answer = Client(raise_request_exception=False).get(
        "/api/v1/me", headers={"authorization": header} if header else {}
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("key", ["x" * 256, " x", "é", "\x7f"])
def test_idempotency_keys_that_are_none(key: str):
    whose = make.requester()
    token = tokens.issue(
        user_id=whose.user_id, organization_id=whose.organization_id, name="trial"
    ).text
    answer = Client(raise_request_exception=False).post(
        "/api/v1/jobs",
        b"{}",
        content_type="application/json",
        headers={
            "authorization": f"Bearer {token}",
            "idempotency-key": key,
        },
    )
    assert answer.status_code == 400
    assert answer.json()["code"] == "idempotency_key_invalid"


def test_every_route_has_a_place_in_the_world(world: World):
    for name in RULES:
        assert set(names_of(name)) <= {*world.ours.ids, "assignment"}, name
