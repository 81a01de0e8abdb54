"""Twins under one key: one effect, whoever comes first, whatever dies."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.http import HttpResponse

from core.http import idempotency
from core.http.idempotency import InProgress, Key
from core.ids import new_id
from core.models import IdempotencyKey, Organization
from core.services import accounts, tokens
from tests.factories import callers

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

THREADS = 16


@pytest.fixture
def ada(settings):
    settings.ROOT_URLCONF = "tests.core.http.trial"
    return accounts.create_user(email="ada@example.org", password=None)


def together(run, count=THREADS):
    """Run in so many threads that start at the same moment; what each returned."""
    start = threading.Barrier(count, timeout=20)

    def one(number):
        try:
            start.wait()
            return run(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_many_twins_make_one_thing(ada):
    text = tokens.issue(user_id=ada.pk, organization_id=None, name="t").text
    for turn in range(10):
        answers = together(
            lambda _, turn=turn: callers.Caller(text).post("/things", {"name": "x"}, key=f"k{turn}")
        )
        assert {answer.status_code for answer in answers} <= {201, 409}
        given = {answer.content for answer in answers if answer.status_code == 201}
        assert len(given) == 1
        refused = {answer.json()["code"] for answer in answers if answer.status_code == 409}
        assert refused <= {"idempotency_in_progress"}
        assert Organization.objects.count() == turn + 1


def test_who_tries_again_until_it_is_done_gets_the_one_answer(ada):
    text = tokens.issue(user_id=ada.pk, organization_id=None, name="t").text

    def patient(_):
        while True:
            answer = callers.Caller(text).post("/things", {"name": "x"}, key="k")
            if answer.status_code != 409:
                return answer.status_code, answer.content

    assert len(set(together(patient))) == 1
    assert Organization.objects.count() == 1


def key_of(ada, text="k"):
    return Key(ada.pk, new_id(), text, "POST", "/x", b"h" * 32)


@pytest.mark.parametrize("kind", [idempotency.ordinary, idempotency.external])
def test_a_twin_is_refused_while_the_first_runs_and_answered_after(ada, kind):
    key, inside, go_on = key_of(ada), threading.Event(), threading.Event()

    def slow():
        inside.set()
        assert go_on.wait(10)
        return HttpResponse(b"first")

    def first():
        try:
            return kind(key, slow).content
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(first)
        assert inside.wait(10)
        with pytest.raises(InProgress):
            kind(key, lambda: pytest.fail("ran twice"))
        other = Key(key.user_id, key.acting_for, "other", "POST", "/x", b"h" * 32)
        assert kind(other, lambda: HttpResponse(b"other")).content == b"other"
        go_on.set()
        assert running.result(10) == b"first"
    assert kind(key, lambda: pytest.fail("ran twice")).content == b"first"


@pytest.mark.parametrize("kind", [idempotency.ordinary, idempotency.external])
def test_a_first_that_died_blocks_nobody(ada, kind):
    """The connection of a process that is killed takes its locks along."""
    key = key_of(ada)

    def dies(_):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pid = cursor.fetchone()[0]

        def cut():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
            return HttpResponse(b"never")

        with pytest.raises(Exception, match=r"terminating|closed|lost"):
            kind(key, cut)

    together(dies, 1)
    calls = []

    def run():
        calls.append(1)
        return HttpResponse(b"done")

    assert kind(key, run).content == b"done"
    assert kind(key, run).content == b"done"
    assert calls == [1]
    assert IdempotencyKey.objects.get().status == 200


def test_an_effect_and_its_key_are_seen_together_or_not_at_all(ada):
    key, inside, go_on = key_of(ada), threading.Event(), threading.Event()

    def effect():
        accounts.create_organization(name="x", by=ada.pk)
        inside.set()
        assert go_on.wait(10)
        return HttpResponse(b"done")

    def first():
        try:
            return idempotency.ordinary(key, effect)
        finally:
            connection.close()

    def seen():
        with transaction.atomic():
            return Organization.objects.count(), IdempotencyKey.objects.count()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(first)
        assert inside.wait(10)
        assert seen() == (0, 0)
        go_on.set()
        running.result(10)
    assert seen() == (1, 1)
