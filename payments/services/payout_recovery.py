"""Finding out what became of payouts whose outcome is not known.

First Stripe is asked for transfers of the payout's group: one that is there is adopted, whatever
key it was made under. Where there is none, and Stripe still knows the key, the same call is made
again under the same key, which makes the transfer or says how the first call ended. Once Stripe
has forgotten the key, the look-up alone decides. Only then does a payout get a new key.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from core import clock
from payments.gateways import facts
from payments.gateways import stripe as gateway
from payments.models import Payout
from payments.services import batches, payout_review, payout_sending, payout_steps

BATCH = 10
LEASE = timedelta(seconds=60)
#: Keys may be forgotten once they are a day old: shortly before, they are used no more, and
#: shortly after, no call under them can be running any more.
KEY_TRUSTED = timedelta(hours=23)
KEY_FORGOTTEN = timedelta(hours=25)

_TAKE = """
UPDATE payments_payout AS payout SET next_attempt_at = core_now() + %(lease)s
  FROM (SELECT id FROM payments_payout
         WHERE state IN ('sending', 'unknown') AND next_attempt_at <= core_now()
         ORDER BY next_attempt_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED) AS due
 WHERE payout.id = due.id
RETURNING payout.id
"""
_BOUNDS: dict[str, Any] = {"lease": LEASE, "batch": BATCH}

State = Payout.State


class Vanished(facts.StripeProblem):
    """Stripe has forgotten the key and knows of no transfer."""


class BrokenOff(facts.StripeProblem):
    """Whoever was sending it is gone."""


def sweep() -> int:
    """Look into payouts whose sender is gone, and into those of unknown outcome."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_TAKE, _BOUNDS)
        taken = [row[0] for row in cursor.fetchall()]
    tried = 0
    for payout_id in batches.in_time(taken):
        resolve(payout_id)
        tried += 1
    return tried


def resolve(payout_id: UUID) -> None:
    """Find out what became of one payout. Outside a transaction; safe at any time."""
    row = Payout.objects.get(pk=payout_id)
    if row.state == State.SENDING:
        payout_sending.lost(row, BrokenOff("the sender is gone", code="broken_off"))
        row.refresh_from_db()
    if row.state != State.UNKNOWN:
        return
    try:
        found = gateway.find_transfers(row.transfer_group)
    except facts.StripeProblem as problem:
        payout_sending.lost(row, problem)
        return
    if found:
        payout_sending.sent(payout_id, found)
        return
    _try_again(row)


def _try_again(row: Payout) -> None:
    assert row.key_used_at is not None
    age = clock.now() - row.key_used_at
    if age >= KEY_FORGOTTEN:
        payout_sending.free(row, Vanished("no transfer after a day", code="vanished"))
    elif age < KEY_TRUSTED:
        payout_sending.call(row)
    else:
        # In between the key is neither to be trusted nor certainly forgotten.
        waits = Vanished("no transfer so far; the key may be forgotten", code="waiting")
        payout_sending.lost(row, waits)


def recheck(*, payout_id: UUID, by: UUID, reason: str) -> Payout:
    """Look at a payout now instead of at its next turn: its account, its risk, or Stripe.

    Outside a transaction. Raises MayNotReview, ReasonNeeded, NoPayout.
    """
    if not payout_review.may_decide(by):
        raise payout_review.MayNotReview("You may not decide about payouts.")
    if not reason.strip():
        raise payout_review.ReasonNeeded("Say why.", errors={"reason": ["Required."]})
    with transaction.atomic():
        row = payout_steps.locked(payout_id)
        payout_steps.note(row, kind="recheck", by=by, reason=reason)
    if row.state in payout_steps.UNDECIDED:
        payout_review.look(payout_id)
    elif row.state == State.UNKNOWN:
        resolve(payout_id)
    return Payout.objects.get(pk=payout_id)
