"""Notices on their way to a real server on loopback: signed, tried again, never lost."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.db import connection
from standardwebhooks import Webhook, WebhookVerificationError

from core import clock
from core.ids import new_id
from marketplace.gateways import outbound
from marketplace.models import WebhookDelivery, WebhookEndpoint
from marketplace.services import deliveries, webhooks
from tests.factories import delivery as make
from tests.fakes.receiver import Receiver, drip, receiver

pytestmark = pytest.mark.django_db(transaction=True)

Answer = Callable[[int, BaseHTTPRequestHandler], int | None]


def queue(url: str, count: int = 1) -> WebhookEndpoint:
    ours = make.organization()
    endpoint = make.endpoint(ours.id, url)
    webhooks.queue(
        organization_id=ours.id,
        event_type="task.resolved",
        payloads=[{"task": str(n), "name": "é\u2028"} for n in range(count)],
    )
    return endpoint


def due_now() -> None:
    WebhookDelivery.objects.filter(state="pending").update(next_attempt_at=clock.now())


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as started:
        yield started


def test_a_notice_arrives_signed_and_is_delivered(there: Receiver) -> None:
    endpoint = queue(there.url)
    assert deliveries.sweep() == 1
    (got,) = there.received
    event = Webhook(endpoint.secret).verify(got.body, got.headers)
    row = WebhookDelivery.objects.get()
    assert event == row.payload
    assert event["data"] == {"task": "0", "name": "é\u2028"}
    assert got.headers["webhook-id"] == str(row.id)
    assert (row.state, row.attempts, row.last_status) == ("delivered", 1, 200)
    assert row.delivered_at is not None
    assert [(entry["status"], entry["error"]) for entry in row.log] == [(200, "")]
    assert deliveries.sweep() == 0
    assert len(there.received) == 1


def test_another_secret_or_another_body_does_not_verify(there: Receiver) -> None:
    endpoint = queue(there.url)
    deliveries.sweep()
    (got,) = there.received
    with pytest.raises(WebhookVerificationError):
        Webhook(make.endpoint(endpoint.organization_id).secret).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint.secret).verify(got.body + b" ", got.headers)


def test_during_a_rotation_both_secrets_verify(there: Receiver) -> None:
    old = queue(there.url)
    new = webhooks.rotate(endpoint=old, by=new_id())
    deliveries.sweep()
    (got,) = there.received
    for secret in (old.secret, new.secret):
        assert Webhook(secret).verify(got.body, got.headers)["type"] == "task.resolved"


def test_a_failed_try_is_tried_again_under_the_same_id_and_body() -> None:
    def flaky(count: int, _handler: BaseHTTPRequestHandler) -> int:
        return 500 if count < 3 else 204

    with receiver(flaky) as there:
        queue(there.url)
        for attempt in (1, 2):
            before = clock.now()
            assert deliveries.sweep() == 1
            row = WebhookDelivery.objects.get()
            waits = (row.next_attempt_at - before).total_seconds()
            assert (row.state, row.attempts, row.last_error) == ("pending", attempt, "status")
            assert 0.8 * 5 * 4 ** (attempt - 1) <= waits <= 1.2 * 5 * 4 ** (attempt - 1) + 1
            assert deliveries.sweep() == 0, "it is not due yet"
            due_now()
        assert deliveries.sweep() == 1
    row = WebhookDelivery.objects.get()
    assert row.state == "delivered"
    assert [entry["status"] for entry in row.log] == [500, 500, 204]
    assert len(set(there.ids())) == 1
    assert len({got.body for got in there.received}) == 1


def redirect(_count: int, handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("location", "/elsewhere")
    handler.send_header("content-length", "0")
    handler.end_headers()


def hang_up(_count: int, handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (redirect, 302, "redirected"),
        (hang_up, None, "no_answer"),
        (drip(0.02, head=b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1000), None, "timed_out"),
        (lambda _count, _handler: 404, 404, "status"),
    ],
)
def test_what_goes_wrong_is_in_the_log(
    answer: Answer, status: int | None, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = outbound.post
    monkeypatch.setattr(outbound, "post", lambda url, **given: call(url, **given, seconds=0.3))
    with receiver(answer) as there:
        queue(there.url)
        deliveries.sweep()
        assert len(there.received) == 1, "a redirect is not followed"
    row = WebhookDelivery.objects.get()
    assert (row.state, row.last_status, row.last_error) == ("pending", status, error)


def test_a_private_address_is_refused_at_the_call_too(there: Receiver, settings: Any) -> None:
    queue(there.url.replace("127.0.0.1", "localhost"))
    settings.WEBHOOKS_ALLOW_PRIVATE = False
    WebhookEndpoint.objects.update(url=f"https://localhost:{there.port}/")
    deliveries.sweep()
    assert WebhookDelivery.objects.get().last_error == "address_not_public"
    assert there.received == []


def test_a_mistake_of_ours_in_one_call_costs_no_other(
    there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(there.url, count=2)
    call = outbound.post

    def sometimes(url: str, *, body: bytes, headers: Any) -> int:
        if json.loads(body)["data"]["task"] == "0":
            raise RuntimeError("oops")
        return call(url, body=body, headers=headers)

    monkeypatch.setattr(outbound, "post", sometimes)
    assert deliveries.sweep() == 2
    by_task = {row.payload["data"]["task"]: row for row in WebhookDelivery.objects.all()}
    assert by_task["1"].state == "delivered"
    assert (by_task["0"].state, by_task["0"].last_error) == ("pending", "internal")


def test_no_transaction_is_open_during_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []

    def look(_count: int, _handler: BaseHTTPRequestHandler) -> int:
        with connection.cursor() as cursor:  # the receiver's thread has its own connection
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND state <> 'idle'"
            )
            (count,) = cursor.fetchone()
            seen.append(("open", count))
        connection.close()
        return 200

    with receiver(look) as there:
        queue(there.url)
        deliveries.sweep()
    assert seen == [("open", 0)]


def test_a_row_given_up_on_after_three_days_fails_and_can_be_replayed() -> None:
    with receiver(lambda count, _handler: 503 if count == 1 else 200) as there:
        queue(there.url)
        WebhookDelivery.objects.update(give_up_at=clock.now())
        deliveries.sweep()
        row = WebhookDelivery.objects.get()
        assert (row.state, row.attempts) == ("failed", 1)
        assert deliveries.sweep() == 0

        again = deliveries.replay(delivery=row, by=new_id())
        assert (again.state, again.attempts, again.id) == ("pending", 0, row.id)
        assert again.give_up_at > clock.now() + timedelta(days=2)
        deliveries.sweep()
        row.refresh_from_db()
        assert row.state == "delivered"
        assert len(row.log) == 2

        deliveries.replay(delivery=row, by=new_id())
        deliveries.sweep()
        assert there.ids() == [str(row.id)] * 3


def test_the_last_try_is_when_the_three_days_are_over() -> None:
    with receiver(lambda _count, _handler: 500) as there:
        queue(there.url)
        end = clock.now() + timedelta(seconds=2)
        WebhookDelivery.objects.update(give_up_at=end, attempts=9)
        deliveries.sweep()
        assert WebhookDelivery.objects.get().next_attempt_at == end


def test_gone_switches_the_endpoint_off() -> None:
    with receiver(lambda _count, _handler: 410) as there:
        queue(there.url)
        deliveries.sweep()
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.is_enabled, endpoint.disabled_reason) == (False, "gone")
    assert WebhookDelivery.objects.get().state == "failed"


def test_what_waits_for_an_endpoint_that_is_off_goes_when_it_is_on(there: Receiver) -> None:
    endpoint = queue(there.url)
    webhooks.change(endpoint=endpoint, by=new_id(), is_enabled=False)
    assert deliveries.sweep() == 0
    webhooks.change(endpoint=endpoint, by=new_id(), is_enabled=True)
    assert deliveries.sweep() == 1


def test_who_dies_between_call_and_commit_sends_it_twice_and_loses_nothing(
    there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(there.url, count=3)

    class Killed(BaseException):
        pass

    def die(*_args: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(deliveries, "_record", die)
        with pytest.raises(Killed):
            deliveries.sweep()
    first = sorted(there.ids())
    assert len(first) == 3
    assert {row.state for row in WebhookDelivery.objects.all()} == {"pending"}
    assert deliveries.sweep() == 0, "the lease still runs"
    due_now()  # the lease is over
    assert deliveries.sweep() == 3
    assert {row.state for row in WebhookDelivery.objects.all()} == {"delivered"}
    assert sorted(there.ids()) == sorted(first * 2)


def test_an_outcome_that_comes_after_the_lease_is_not_written(there: Receiver) -> None:
    """The row was taken over: what the slow one found must not undo what the other wrote."""
    queue(there.url)
    (slow,) = deliveries._take()
    due_now()
    assert deliveries.sweep() == 1
    deliveries._record(slow, deliveries._Outcome(500, "status", 1))
    row = WebhookDelivery.objects.get()
    assert (row.state, len(row.log)) == ("delivered", 1)


def test_one_slow_endpoint_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    call = outbound.post
    monkeypatch.setattr(outbound, "post", lambda url, **given: call(url, **given, seconds=0.5))

    def slow(_count: int, _handler: BaseHTTPRequestHandler) -> int:
        time.sleep(0.6)
        return 200

    with receiver(slow) as bad, receiver() as good:
        queue(bad.url, count=100)
        queue(good.url, count=10)
        deliveries.sweep()
        assert len(good.received) == 10
        # A turn each: the hundred that time out are not waited for.
        assert len(bad.received) <= deliveries.PER_ENDPOINT


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 5), (2, 20), (3, 80), (7, 20480), (8, 43200), (300, 43200)]
)
def test_delays_grow_and_are_spread(attempts: int, seconds: float) -> None:
    drawn = [deliveries.delay(attempts) for _ in range(200)]
    assert min(drawn) >= 0.8 * seconds
    assert max(drawn) <= 1.2 * seconds
    assert max(drawn) - min(drawn) > 0.1 * seconds
