"""Sending what waits in the outbox: at least once, never inside a transaction.

A sweep takes due rows by moving their due time ahead (the lease) and commits, calls the
endpoints with no transaction open, and commits each outcome by itself. Who dies in between
leaves rows that fall due again when the lease ends: the same notice with the same id goes out
once more, and the receiver tells by the id. A row whose lease is no longer ours is left alone.
"""

from __future__ import annotations

import random
import time
from concurrent import futures
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction
from standardwebhooks import Webhook

from core import clock, states
from marketplace.gateways import outbound
from marketplace.models import WebhookDelivery, WebhookEndpoint
from marketplace.services import webhooks

log = structlog.get_logger()

#: Rows one sweep takes, and how many of them may go to one endpoint, so that a slow one
#: does not keep the others waiting.
BATCH = 64
PER_ENDPOINT = 16
THREADS = 16
#: Longer than any batch of calls can take.
LEASE = timedelta(seconds=180)
FIRST_DELAY = 5.0
DELAY_CAP = 12 * 3600.0
LOG_CAP = 50

_TAKE = """
UPDATE marketplace_webhookdelivery AS delivery
   SET attempts = delivery.attempts + 1,
       next_attempt_at = core_now() + %(lease)s
  FROM (SELECT due.id
          FROM (SELECT id FROM marketplace_webhookendpoint
                 WHERE is_enabled ORDER BY random()) AS endpoint
         CROSS JOIN LATERAL
               (SELECT id FROM marketplace_webhookdelivery
                 WHERE endpoint_id = endpoint.id AND state = 'pending'
                   AND next_attempt_at <= core_now()
                 ORDER BY next_attempt_at
                 LIMIT %(per_endpoint)s
                   FOR UPDATE SKIP LOCKED) AS due
         LIMIT %(batch)s) AS taken
 WHERE delivery.id = taken.id
RETURNING delivery.id, delivery.endpoint_id, delivery.next_attempt_at, delivery.payload::text
"""


@dataclass(frozen=True, slots=True)
class _Call:
    """One notice on its way: what is sent where, and the lease under which it is ours."""

    id: UUID
    leased_until: datetime
    url: str
    body: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of a call: a status, or an error code of ours. `ms` is how long it took."""

    status: int | None
    error: str
    ms: int


def sweep() -> int:
    """Send one batch of due notices; answer how many were tried."""
    calls = _take()
    if not calls:
        return 0
    with futures.ThreadPoolExecutor(THREADS, thread_name_prefix="webhooks") as pool:
        running = {pool.submit(_call, one): one for one in calls}
        for done in futures.as_completed(running):
            _record(running[done], done.result())
    return len(calls)


def replay(*, delivery: WebhookDelivery, by: UUID) -> WebhookDelivery:
    """Send a notice again, now and under the same id, whatever became of it; three more days."""
    with transaction.atomic():
        row = WebhookDelivery.objects.select_for_update().get(id=delivery.id)
        now = clock.now()
        facts: dict[str, Any] = {
            "attempts": 0,
            "next_attempt_at": now,
            "give_up_at": now + webhooks.LIFE,
        }
        if row.state == WebhookDelivery.State.PENDING:
            return _save(row, **facts)
        states.move(row, WebhookDelivery.State.PENDING, delivered_at=None, **facts)
        return row


_LATE = """
SELECT extract(epoch FROM core_now() - min(due.at))::float8
FROM marketplace_webhookendpoint e
CROSS JOIN LATERAL (
    SELECT d.next_attempt_at AS at FROM marketplace_webhookdelivery d
    WHERE d.endpoint_id = e.id AND d.state = 'pending' AND d.next_attempt_at <= core_now()
    ORDER BY d.next_attempt_at LIMIT 1
) due
WHERE e.is_enabled
"""


def oldest_due() -> float | None:
    """Age in seconds of the notice that has been due for longest, or None."""
    with connection.cursor() as cursor:
        cursor.execute(_LATE)
        age: float | None = cursor.fetchone()[0]
        return age


def delay(attempts: int) -> float:
    """Seconds to wait after so many attempts: 5, 20, 80, … up to 12 hours, each +-20 %."""
    grown = FIRST_DELAY * 4.0 ** min(attempts - 1, 16)
    return min(grown, DELAY_CAP) * random.uniform(0.8, 1.2)  # noqa: S311 - spread, not secrecy


def _take() -> list[_Call]:
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            lease: Any = LEASE
            cursor.execute(_TAKE, {"lease": lease, "per_endpoint": PER_ENDPOINT, "batch": BATCH})
            taken = cursor.fetchall()
        endpoints = WebhookEndpoint.objects.in_bulk({row[1] for row in taken})
    secrets = {key: tuple(webhooks.signing_secrets(one)) for key, one in endpoints.items()}
    return [
        _Call(delivery_id, leased_until, endpoints[endpoint_id].url, body, secrets[endpoint_id])
        for delivery_id, endpoint_id, leased_until, body in taken
    ]


def _call(one: _Call) -> _Outcome:
    """Send one notice; runs in a thread of its own and touches no database."""
    # The receiver compares with the time of day, not with the clock that deadlines use.
    now = datetime.now(UTC)
    began = time.monotonic()
    status, error = None, ""
    try:
        signatures = [Webhook(secret).sign(str(one.id), now, one.body) for secret in one.secrets]
        headers = {
            "Content-Type": "application/json",
            "webhook-id": str(one.id),
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        status = outbound.post(one.url, body=one.body.encode(), headers=headers)
    except (outbound.Refused, outbound.Failed) as problem:
        error = problem.code
    except Exception:
        # One broken call must not keep the outcomes of the others from being written.
        log.exception("webhook_call_broke", delivery=str(one.id))
        error = "internal"
    if status is not None and not 200 <= status < 300:
        error = "redirected" if 300 <= status < 400 else "status"
    return _Outcome(status, error, round((time.monotonic() - began) * 1000))


def _record(one: _Call, outcome: _Outcome) -> None:
    with transaction.atomic(durable=True):
        row = WebhookDelivery.objects.select_for_update().get(id=one.id)
        state = WebhookDelivery.State
        if row.state != state.PENDING or row.next_attempt_at != one.leased_until:
            return  # the lease ran out or somebody asked for a replay: the row is not ours
        now = clock.now()
        entry = {
            "at": now.isoformat().replace("+00:00", "Z"),
            "status": outcome.status,
            "error": outcome.error,
            "ms": outcome.ms,
        }
        facts: dict[str, Any] = {
            "last_status": outcome.status,
            "last_error": outcome.error,
            "log": [*row.log, entry][-LOG_CAP:],
        }
        if not outcome.error:
            states.move(row, state.DELIVERED, delivered_at=now, **facts)
        elif now >= row.give_up_at or outcome.status == 410:
            states.move(row, state.FAILED, **facts)
        else:
            later = now + timedelta(seconds=delay(row.attempts))
            # One last time when the three days are over, not half a day before.
            _save(row, next_attempt_at=min(later, row.give_up_at), **facts)
    if outcome.status == 410:
        # By itself: owners lock an endpoint before its notices, not after.
        webhooks.switch_off(endpoint_id=row.endpoint_id, reason="gone")


def _save(row: WebhookDelivery, **facts: Any) -> WebhookDelivery:
    for name, value in facts.items():
        setattr(row, name, value)
    row.save(update_fields=list(facts))
    return row
