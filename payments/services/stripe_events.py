"""Stripe's notices: kept at once, worked off by a sweep that reads the objects again.

A notice says only where to look. What is done with an object depends on what Stripe shows of it
at that moment, so notices may come twice, late, in any order or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import F

from core import clock, errors, states
from core.ids import new_id
from core.nudge import nudge
from payments.gateways import facts
from payments.gateways import stripe as gateway
from payments.models import StripeEvent
from payments.services import batches, payees, payout_arrivals, topups

log = structlog.get_logger()

BATCH = 20
LEASE = timedelta(seconds=120)
#: A notice that cannot be worked off is given up after so many tries, some hours later.
TRIES = 12
FIRST_PAUSE = timedelta(seconds=5)
LAST_PAUSE = timedelta(hours=1)
#: A notice of Stripe's is a few kilobytes.
SIZE = 256 * 1024

_TAKE = """
UPDATE payments_stripeevent AS event
   SET next_attempt_at = core_now() + %(lease)s
  FROM (SELECT id FROM payments_stripeevent
         WHERE state = 'received' AND next_attempt_at <= core_now()
         ORDER BY next_attempt_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED) AS due
 WHERE event.id = due.id
RETURNING event.id
"""
_BOUNDS: dict[str, Any] = {"lease": LEASE, "batch": BATCH}

State = StripeEvent.State


class BadSignature(errors.Invalid):
    """It is not from Stripe, or too old, or not of a form that this place takes."""

    code = "bad_signature"


def receive(*, payload: bytes, signature: str) -> bool:
    """Keep a notice, verified by its raw body; False when it was known. Raises BadSignature."""
    if len(payload) > SIZE:
        raise BadSignature("This is no notice of Stripe's.")
    try:
        notice = gateway.read_notice(payload, signature)
    except facts.BadSignature as problem:
        raise BadSignature("The signature does not match.") from problem
    now = clock.now()
    is_ours = notice.livemode == gateway.is_live()
    row = StripeEvent(
        id=new_id(),
        event_id=notice.id,
        type=notice.type,
        account=notice.account,
        object_id=notice.object_id,
        livemode=notice.livemode,
        payload=payload.decode(),
        created_at=notice.created_at,
        received_at=now,
        next_attempt_at=now,
        state=State.RECEIVED if is_ours else State.IGNORED,
        handled_at=None if is_ours else now,
        error="" if is_ours else "of the other mode",
    )
    # A known id changes nothing; the count of inserted rows is not told, so it is looked at.
    StripeEvent.objects.bulk_create([row], ignore_conflicts=True)
    is_new = StripeEvent.objects.filter(pk=row.pk).exists()
    if is_new and is_ours:
        nudge("payments.stripe_events")
    return is_new


def sweep() -> int:
    """Work off due notices; how many were tried."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_TAKE, _BOUNDS)
        taken = [row[0] for row in cursor.fetchall()]
    tried = 0
    for event_id in batches.in_time(taken):
        handle(event_id)
        tried += 1
    return tried


def handle(event_id: UUID) -> None:
    """Work off one notice. Outside a transaction; twice is as once."""
    # Counted before it is made, so that one that kills its worker is given up in the end too; and
    # not when the batch is taken, which need not reach it.
    StripeEvent.objects.filter(pk=event_id, state=State.RECEIVED).update(
        attempts=F("attempts") + 1, next_attempt_at=clock.now() + LEASE
    )
    event = StripeEvent.objects.get(pk=event_id)
    if event.state != State.RECEIVED:
        return
    act = _ACTS.get(event.type)
    try:
        is_ours = act(event) if act is not None else False
    except facts.Missing as problem:
        _done(event, State.FAILED, str(problem))
    except facts.StripeProblem as problem:
        _again(event, f"{problem.code}: {problem}")
    except Exception as problem:
        # One notice that we choke on must not keep the others waiting.
        log.exception("stripe_event_broke", event=event.event_id, type=event.type)
        _again(event, repr(problem))
    else:
        _done(event, State.DONE if is_ours else State.IGNORED, "")


def try_again(*, event_id: UUID) -> None:
    """Put a notice that was given up back into the queue. Raises IllegalTransition."""
    with transaction.atomic():
        event = StripeEvent.objects.select_for_update().get(pk=event_id)
        states.move(event, State.RECEIVED, attempts=0, next_attempt_at=clock.now(), handled_at=None)
        nudge("payments.stripe_events")


def _done(event: StripeEvent, state: str, error: str) -> None:
    with transaction.atomic():
        row = StripeEvent.objects.select_for_update().get(pk=event.pk)
        if row.state == State.RECEIVED:
            states.move(row, state, handled_at=clock.now(), error=error[:500])


def _again(event: StripeEvent, error: str) -> None:
    if event.attempts >= TRIES:
        _done(event, State.FAILED, error)
        return
    pause = min(FIRST_PAUSE * 2**event.attempts, LAST_PAUSE)
    StripeEvent.objects.filter(pk=event.pk, state=State.RECEIVED).update(
        next_attempt_at=clock.now() + pause, error=error[:500]
    )


def _checkout(event: StripeEvent) -> bool:
    return topups.look_at_checkout(event.object_id)


def _account(event: StripeEvent) -> bool:
    return payees.refresh_by_id(event.account or event.object_id)


def _bank_payout(event: StripeEvent) -> bool:
    return payout_arrivals.follow(bank_payout_id=event.object_id, account_id=event.account)


_ACTS: dict[str, Callable[[StripeEvent], Any]] = {
    "checkout.session.completed": _checkout,
    "checkout.session.async_payment_succeeded": _checkout,
    "checkout.session.async_payment_failed": _checkout,
    "checkout.session.expired": _checkout,
    "account.updated": _account,
    "payout.paid": _bank_payout,
    "payout.failed": _bank_payout,
    "payout.updated": _bank_payout,
}
