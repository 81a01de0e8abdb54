"""Every exception that is the client's, or the database's, has an answer; ours have none."""

import threading
import time

import psycopg
import pytest
from django.core import exceptions as django_errors
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions as drf

from core import errors
from core.http import errors as http_errors
from core.models import Membership, Organization, User
from core.services import accounts
from tests.core.http.trial import Sql
from tests.factories import callers


def told(problem):
    answer = http_errors.respond(problem)
    assert answer is not None
    assert answer["Content-Type"] == "application/problem+json"
    return answer, __import__("json").loads(answer.content)


def test_a_problem_says_what_the_service_said():
    class Short(errors.Conflict):
        code = "short_of_funds"

    answer, body = told(Short("Not enough.", errors={"amount": ["Too much."]}, missing=5))
    assert answer.status_code == 409
    assert body == {
        "type": "about:blank", "title": "Conflict", "status": 409, "code": "short_of_funds",
        "detail": "Not enough.", "errors": {"amount": ["Too much."]}, "missing": 5,
    }  # fmt: skip


def test_what_a_problem_adds_cannot_change_what_is_fixed():
    _, body = told(errors.Conflict("No.", title="x", type="y", code="z", extra="kept"))
    assert (body["title"], body["type"], body["code"]) == ("Conflict", "about:blank", "conflict")
    assert body["extra"] == "kept"


def test_who_must_wait_is_told_how_long():
    for problem, status in ((errors.TooMany("x", retry_after=7), 429), (errors.Unavailable(), 503)):
        answer, body = told(problem)
        assert (answer.status_code, body["status"]) == (status, status)
        assert answer["Retry-After"] == str(problem.retry_after)


@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        (Http404("secret"), 404, "not_found"),
        (django_errors.PermissionDenied("secret"), 403, "forbidden"),
        (django_errors.RequestDataTooBig("secret"), 413, "too_large"),
        (django_errors.SuspiciousOperation("secret"), 400, "bad_request"),
        (django_errors.ValidationError("Said."), 400, "invalid"),
        (django_errors.ValidationError({"name": ["Said."]}), 400, "invalid"),
        (UnreadablePostError("secret"), 400, "incomplete"),
        (drf.NotAuthenticated(), 401, "unauthenticated"),
        (drf.AuthenticationFailed(), 401, "unauthenticated"),
        (drf.PermissionDenied(), 403, "forbidden"),
        (drf.NotFound(), 404, "not_found"),
        (drf.Throttled(wait=3), 429, "too_many_requests"),
        (drf.ParseError("Bad."), 400, "parse_error"),
        (drf.UnsupportedMediaType("text/x"), 415, "unsupported_media_type"),
        (drf.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (errors.NotFound(), 404, "not_found"),
        (IntegrityError("secret"), 409, "conflict"),
    ],
)
def test_known_exceptions_have_answers_without_secrets(problem, status, code):
    answer, body = told(problem)
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert b"secret" not in answer.content
    assert body["title"]


def test_failures_of_ours_have_none():
    for problem in (RuntimeError("x"), KeyError("x"), DatabaseError("x"), AssertionError()):
        assert http_errors.respond(problem) is None


def test_fields_are_named_by_their_paths():
    refused = drf.ValidationError(
        {
            "name": ["Too long."],
            "part": {"label": ["Required."], "non_field_errors": ["Odd."]},
            "parts": [{}, {"label": ["Required."]}],
            "tags": {1: ["Not text."]},
            "non_field_errors": ["All wrong."],
        }
    )
    _, body = told(refused)
    assert body["errors"] == {
        "name": ["Too long."], "part.label": ["Required."], "part": ["Odd."],
        "parts.1.label": ["Required."], "tags.1": ["Not text."], "body": ["All wrong."],
    }  # fmt: skip
    assert told(drf.ValidationError("Said."))[1]["errors"] == {"body": ["Said."]}


# --- what the real database says -------------------------------------------------------------
def sql(text, *params):
    def run():
        with connection.cursor() as cursor:
            cursor.execute(text, params)

    return run


def asked(run):
    Sql.run = staticmethod(run)
    return callers.Caller().get("/sql")


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_takes_too_long_is_a_pause(trial):
    def slow():
        with transaction.atomic():
            sql("SET LOCAL statement_timeout = '50ms'")()
            sql("SELECT pg_sleep(5)")()

    answer = asked(slow)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert "too long" in answer.json()["detail"]
    assert asked(sql("SELECT 1")).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_cut_is_a_pause(trial):
    answer = asked(sql("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    connection.close()  # as the end of a request does outside of tests
    assert asked(sql("SELECT 1")).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_rows_that_somebody_holds_are_a_pause(trial):
    user = accounts.create_user(email="x@example.org", password=None)
    held, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            User.objects.select_for_update().get(pk=user.pk)
            held.set()
            done.wait(10)
        connection.close()

    def want():
        with transaction.atomic():
            sql("SET LOCAL lock_timeout = '50ms'")()
            User.objects.select_for_update().get(pk=user.pk)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(10)
        answer = asked(want)
        assert answer.status_code == 503
        assert "holds" in answer.json()["detail"]
    finally:
        done.set()
        thread.join(10)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_deadlock_is_a_pause_for_one_of_the_two(trial):
    users = [accounts.create_user(email=f"{n}@example.org", password=None) for n in (1, 2)]
    both = threading.Barrier(2, timeout=10)

    def take(first, second):
        with transaction.atomic():
            User.objects.select_for_update().get(pk=first.pk)
            both.wait()
            User.objects.select_for_update().get(pk=second.pk)

    failed = []

    def other():
        try:
            take(users[1], users[0])
        except DatabaseError as problem:
            failed.append(http_errors.respond(problem).status_code)
        finally:
            connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    answer = asked(lambda: take(*users))
    thread.join(10)
    assert sorted([answer.status_code, *failed]) in ([200, 503], [503])
    assert 503 in [answer.status_code, *failed]


@pytest.mark.django_db
def test_a_database_that_is_away_is_a_pause(trial, settings):
    def away():
        with psycopg.connect("host=127.0.0.1 port=1 dbname=x", connect_timeout=1):
            raise AssertionError

    def wrapped():
        with connection.wrap_database_errors:
            away()

    started = time.monotonic()
    assert asked(wrapped).status_code == 503
    assert time.monotonic() - started < 2


@pytest.mark.slow
@pytest.mark.django_db
def test_a_pool_that_is_used_up_is_a_pause(trial):
    from psycopg_pool import ConnectionPool

    source = connection.get_connection_params()
    for name in ("context", "cursor_factory", "prepare_threshold"):
        source.pop(name, None)
    pool = ConnectionPool(kwargs=source, min_size=1, max_size=1, timeout=0.2, open=True)

    def want():
        with connection.wrap_database_errors:
            pool.getconn()

    with pool, pool.connection():
        assert asked(want).status_code == 503


@pytest.mark.django_db
@pytest.mark.parametrize(
    "run",
    [sql("SELECT %s::text", "a\0b"), sql("SELECT 'x'::uuid"), sql("SELECT 2147483648::int"),
     lambda: User.objects.create(email="x" * 300),
     lambda: list(Organization.objects.filter(name="a\0"))],
)  # fmt: skip
def test_a_value_that_cannot_be_stored_is_refused(trial, run):
    with transaction.atomic():
        answer = asked(run)
        transaction.set_rollback(True)
    assert answer.status_code == 400


@pytest.mark.django_db
def test_a_rule_of_the_database_is_a_conflict_without_its_inner_names(trial, acme, ada):
    with transaction.atomic():
        answer = asked(
            lambda: Membership.objects.create(
                organization=acme, user=ada, role="viewer", created_at=acme.created_at
            )
        )
        transaction.set_rollback(True)
    assert answer.status_code == 409
    assert b"membership" not in answer.content
