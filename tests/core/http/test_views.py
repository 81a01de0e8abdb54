"""What every endpoint does by itself: roles, methods, parameters, bodies."""

import json
import time

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from core.http import parser
from core.http.views import Access, ApiView
from core.models import Organization, User
from tests.core.http.test_parser import REFUSED
from tests.factories import callers

pytestmark = pytest.mark.django_db


# --- who -------------------------------------------------------------------------------------
def test_roles_include_those_below(trial, acme):
    may = {
        role: [callers.member(acme.pk, role).call(method, "/guarded").status_code for method in
               ("GET", "POST", "PUT", "DELETE", "PATCH")]
        for role in ("viewer", "manager", "owner")
    }  # fmt: skip
    assert may == {
        "viewer": [200, 403, 403, 403, 403],
        "manager": [200, 200, 403, 403, 403],
        "owner": [200, 200, 200, 403, 403],
    }


def test_a_persons_own_token_has_no_role(trial):
    asks = callers.person()
    found = [asks.call(method, "/guarded") for method in ("GET", "POST", "PUT", "DELETE", "PATCH")]
    assert [one.status_code for one in found] == [403, 403, 403, 403, 200]
    assert found[0].json()["code"] == "missing_scope"


def test_a_scope_is_asked_for(trial, acme):
    for scopes, status in ((["org"], 200), (["wallet"], 403)):
        assert callers.member(acme.pk, "owner", scopes).get("/guarded").status_code == status
    assert callers.person(["earnings"]).patch("/guarded", {}).json()["code"] == "missing_scope"


def test_staff_is_staff(trial, ada, asks):
    assert asks.delete("/guarded").json()["code"] == "missing_role"
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    asks.delete("/guarded", expect=200)


def test_a_public_place_takes_no_token_and_minds_none(trial, django_assert_num_queries):
    with django_assert_num_queries(0):
        found = callers.Caller().get("/open", expect=200)
        callers.Caller("pw_" + "x" * 43).get("/open", expect=200)
    assert found.json() == {"amount_micros": 38500, "currency": "USD", "display": "0.0385 USD"}


def test_a_method_that_says_not_who_may_call_it_stops_the_start():
    class Forgotten(ApiView):
        access = {"GET": Access(scope=None, role="user")}

        def get(self, request): ...

        def post(self, request): ...

    with pytest.raises(ImproperlyConfigured, match="Forgotten does not say who may post it"):
        Forgotten.as_view()

    class Keyed(ApiView):
        access = {"POST": Access(scope=None, role="public", idempotency="ordinary")}

        def post(self, request): ...

    with pytest.raises(ImproperlyConfigured, match="caller"):
        Keyed.as_view()


# --- methods ---------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "POST", "LINK", "PROPFIND"])
def test_other_methods_are_told_which_there_are(asks, method):
    answer = asks.call(method, "/empty")
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD, OPTIONS"
    assert answer.json()["code"] == "method_not_allowed"


def test_head_is_get_without_its_body(asks):
    answer = asks.call("HEAD", "/empty")
    assert (answer.status_code, answer.content) == (200, b"")
    assert callers.Caller().call("HEAD", "/empty").status_code == 401
    assert asks.call("HEAD", "/action").status_code == 405


def test_options_names_the_methods_to_anybody(trial):
    answer = callers.Caller().call("OPTIONS", "/things")
    assert (answer.status_code, answer["Allow"]) == (204, "GET, POST, PUT, HEAD, OPTIONS")


def test_no_header_changes_the_method(asks):
    answer = asks.client.get(
        "/api/v1/guarded", headers={"X-HTTP-Method-Override": "DELETE"}, **asks.headers
    )
    assert answer.json()["code"] == "missing_scope"


def test_answers_are_json_whatever_is_accepted_and_are_not_kept(asks):
    for accept in ("text/html", "application/xml", "*/*", "", "x" * 5000):
        answer = asks.get("/empty", accept=accept, expect=200)
        assert answer["Content-Type"] == "application/json"
        assert answer["Cache-Control"] == "no-store"


# --- parameters ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "query",
    ["x=1", "format=json", "format=api", "ordering=user__password", "kind=a&kind=a",
     "user__password__startswith=a", "kind[]=a", "a[]=1", "limit=1&limit=2", "%00=1", "kind=c",
     "kind=", "kind=a%00", "count=05", "count=11", "count=%D9%A5", "count=1.0", "count=abc",
     "is_on=1", "is_on=True", "limit=0", "limit=-1", "limit=201", "limit=1000000000", "limit=1e2",
     "limit=9223372036854775808", "limit=", "after=", "after=abc", "after=%00", "after=%ff",
     "after=" + "A" * 5000, "after=" + "A" * 100, "%ff=1", "=1", "?=1"],
)  # fmt: skip
def test_parameters_are_known_and_said_once(asks, query):
    answer = asks.get(f"/things?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_known_parameters_are_taken(asks):
    asks.get("/things?kind=a&count=5&is_on=true&limit=200", expect=200)
    asks.get("/things?", expect=200)


def test_a_place_without_parameters_takes_none(asks):
    for method, path in (("GET", "/empty?limit=1"), ("POST", "/naturals?x=1"), ("GET", "/open?a")):
        assert asks.call(method, path).status_code == 400


@pytest.mark.parametrize(
    "place",
    ["0", "-1", "9223372036854775808", "1" + "0" * 25, "abc", "1%00", "%F0%9F%92%A5", "../1",
     "..%2F1", "%2e%2e", "00000000-0000-0000-0000-00000000000", "'", "%ff"],
)  # fmt: skip
def test_an_id_that_is_none_is_not_found(asks, place):
    answer = asks.get(f"/own/{place}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


# --- bodies ----------------------------------------------------------------------------------
BODIES = {
    **REFUSED,
    "null": b"null", "array": b"[]", "number": b"5", "text": b'"x"', "true": b"true",
    "nothing": b"{}",
    "unknown field": b'{"name": "x", "colour": 1}',
    "read-only field": b'{"name": "x", "made_at": "2026-01-01T00:00:00Z"}',
    "prototype": b'{"name": "x", "__proto__": {}}',
    "wrong type": b'{"name": {"a": 1}}', "nest of the wrong type": b'{"name": "x", "part": []}',
    "null for text": b'{"name": null}', "blank": b'{"name": " "}', "number for text": b'{"name": 5}',
    "text for int": b'{"name": "x", "count": "5"}', "float for int": b'{"name": "x", "count": 1.5}',
    "5.0 for int": b'{"name": "x", "count": 5.0}', "true for int": b'{"name": "x", "count": true}',
    "Arabic digits in text": '{"name": "x", "count": "٥"}'.encode(),
    "-1": b'{"name": "x", "count": -1}', "2^31": b'{"name": "x", "count": 2147483648}',
    "2^63 - 1": b'{"name": "x", "count": 9223372036854775807}',
    "1 for true": b'{"name": "x", "is_on": 1}', "text for true": b'{"name": "x", "is_on": "true"}',
    "0.0001 of 0.001": b'{"name": "x", "factor": 0.0001}', "negative": b'{"name": "x", "factor": -1}',
    "unknown choice": b'{"name": "x", "kind": "c"}', "list as choice": b'{"name": "x", "kind": []}',
    "object as choice": b'{"name": "x", "kind": {}}', "true as choice": b'{"name": "x", "kind": true}',
    "too many": b'{"name": "x", "tags": ["a", "b", "c", "d"]}',
    "text for a list": b'{"name": "x", "tags": "abc"}', "object for a list": b'{"name": "x", "tags": {}}',
    "too long": b'{"name": "' + b"x" * 101 + b'"}',
    "bidi override": '{"name": "a\u202eb"}'.encode(), "zero width": '{"name": "a\u200bb"}'.encode(),
    "lone carriage return": b'{"name": "a\\rb"}', "escape": b'{"name": "\\u001b[31m"}',
    "unknown field inside": b'{"name": "x", "part": {"label": "y", "z": 1}}',
}  # fmt: skip


@pytest.mark.parametrize("path", ["/things", "/naturals"])
@pytest.mark.parametrize("raw", BODIES.values(), ids=BODIES)
def test_a_bad_body_is_told_and_changes_nothing(asks, raw, path):
    started = time.process_time()
    answer = asks.send("POST", path, raw, "application/json", key="k-1")
    assert answer.status_code == 400, answer.content
    assert time.process_time() - started < 1
    problem = answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "code", "detail"} <= problem.keys()
    assert len(answer.content) < 3000
    assert not Organization.objects.exists()


def test_a_body_of_10_mb_is_too_large(asks):
    for path in ("/things", "/naturals", "/action"):
        answer = asks.send("POST", path, b'{"name": "' + b"x" * 10**7 + b'"}', "application/json")
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    just = b'{"name": "x"' + b" " * (parser.SIZE - 13) + b"}"
    assert asks.send("POST", "/naturals", just, "application/json").status_code == 200
    assert asks.send("POST", "/naturals", just + b" ", "application/json").status_code == 413


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("application/json", 200), ("Application/JSON; charset=UTF-8", 200),
     ('application/json;charset="utf-8"', 200), ("application/json; charset=utf-16", 415),
     ("application/json; charset=utf-99", 415), ("application/json; charset=latin-1", 415),
     ("text/plain", 415), ("text/json", 415), ("application/x-www-form-urlencoded", 415),
     ("multipart/form-data", 415), ("multipart/form-data; boundary=x", 415), ("x", 415),
     ("application/octet-stream", 415), ("application/merge-patch+json", 415), ("/", 415)],
)  # fmt: skip
def test_a_body_says_that_it_is_json_in_utf8(asks, content_type, status):
    assert asks.send("POST", "/naturals", b'{"name": "x"}', content_type).status_code == status


def test_a_body_comes_unpacked(asks):
    for encoding, status in (("gzip", 415), ("br", 415), ("x", 415), ("identity", 200)):
        answer = asks.client.generic(
            "POST", "/api/v1/naturals", b'{"name": "x"}', content_type="application/json",
            headers={"Content-Encoding": encoding}, **asks.headers,
        )  # fmt: skip
        assert answer.status_code == status


def test_an_action_without_fields_may_come_without_a_body(asks):
    assert asks.send("POST", "/action", b"", "").status_code == 204
    assert asks.post("/action", {}).status_code == 204
    assert asks.post("/action", {"x": 1}).status_code == 400
    assert asks.send("POST", "/naturals", b"", "application/json").status_code == 400


def test_a_body_with_a_length_that_is_none(asks):
    answer = asks.client.generic(
        "POST", "/api/v1/naturals", b"{}", CONTENT_LENGTH="٥", **asks.headers
    )
    assert answer.status_code == 400


def test_the_two_ways_to_write_a_letter_stay_two(asks):
    names = ["e\u0301", "\u00e9"]
    assert [asks.post("/naturals", {"name": name}).json()["name"] for name in names] == names


def test_everything_else_of_a_body_is_taken(asks):
    body = {
        "name": "x", "count": 5, "is_on": True, "factor": 4.5, "extra": {"a": [None, 1.5]},
        "kind": "a", "tags": ["a"], "part": {"label": "y", "weight": 1}, "parts": [{"label": "z"}],
    }  # fmt: skip
    found = asks.post("/naturals", body).json()
    assert found == {**body, "factor": "4.500"}


def test_a_hundred_cookies_and_a_long_header_change_nothing(asks):
    cookies = "; ".join(f"c{n}=v" for n in range(100))
    answer = asks.client.get(
        "/api/v1/empty", headers={"Cookie": cookies, "X-Long": "x" * 65536}, **asks.headers
    )
    assert answer.status_code == 200


def test_a_wrong_host_is_refused(trial):
    assert Client().get("/api/v1/open", headers={"Host": "evil.example"}).status_code == 400


def test_a_problem_is_json_for_any_text_in_it(asks):
    answer = asks.send("POST", "/things", json.dumps({"\u2028<script>": 1}).encode(), callers.JSON)
    assert answer.json()["errors"].keys() == {"\u2028<script>", "name"}
