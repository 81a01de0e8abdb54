"""Sending approved payouts, each exactly once, whatever breaks on the way.

The intent (state ``sending``, with the key and what the call is made with) is committed before the
call, and no transaction is open during it. After the call only three things are believed: a
transfer, an error that says nothing happened, or nothing at all; the last is ``unknown`` and is
left only by looking at Stripe, never by time alone (see ``payout_recovery``).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction

from core import clock
from payments.gateways import facts
from payments.gateways import stripe as gateway
from payments.models import ConnectedAccount, Payout
from payments.services import batches, ledger, payees, payout_review, payout_risk, payout_steps

log = structlog.get_logger()

BATCH = 10
#: Longer than reading the account and making the transfer can take together.
LEASE = timedelta(seconds=60)
FIRST_PAUSE = timedelta(seconds=30)
LAST_PAUSE = timedelta(hours=1)

_TAKE = """
UPDATE payments_payout AS payout SET next_attempt_at = core_now() + %(lease)s
  FROM (SELECT id FROM payments_payout
         WHERE state = 'approved' AND next_attempt_at <= core_now()
         ORDER BY next_attempt_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED) AS due
 WHERE payout.id = due.id
RETURNING payout.id
"""
_BOUNDS: dict[str, Any] = {"lease": LEASE, "batch": BATCH}

State = Payout.State


def sweep() -> int:
    """Send the approved payouts that are due, one after the other; how many were tried."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_TAKE, _BOUNDS)
        taken = [row[0] for row in cursor.fetchall()]
    tried = 0
    for payout_id in batches.in_time(taken):
        send(payout_id)
        tried += 1
    return tried


def send(payout_id: UUID) -> None:
    """Try to send one payout. Outside a transaction."""
    account = payees.of(Payout.objects.values_list("worker_id", flat=True).get(pk=payout_id))
    try:
        # A cached "ready" is how restricted accounts get paid: it is read again every time.
        if account is not None and account.stripe_id is not None:
            account = payees.refresh(account)
    except facts.StripeProblem as problem:
        _try_later(payout_id, problem)
        return
    row = _begin(payout_id, account)
    if row is not None:
        call(row)


def call(row: Payout) -> None:
    """Make the transfer of a payout in ``sending`` or ``unknown``, and record what came of it.

    A transfer is recorded whenever it is learned of. Anything else is a word about this call alone:
    ``row`` says by its epoch and attempts which one it was, and once another has been begun, it
    changes nothing.
    """
    try:
        transfer = gateway.make_transfer(
            key=row.key,
            amount_micros=row.amount_micros,
            currency=row.currency,
            destination=row.destination,
            group=row.transfer_group,
        )
    except facts.Unclear as problem:
        # A stored failure comes back for ever: Stripe is done with this key, the look-up tells how.
        if problem.is_stored:
            free(row, problem)
        else:
            lost(row, problem)
    except facts.StripeProblem as problem:
        _nothing_moved(row, problem)
    else:
        sent(row.pk, [transfer])


def _begin(payout_id: UUID, account: ConnectedAccount | None) -> Payout | None:
    """Commit the intent; None when the payout may not be sent as things are."""
    obstacles = payees.blockers(account)
    with transaction.atomic(durable=True):
        row = payout_steps.locked(payout_id)
        if row.state != State.APPROVED:
            return None  # somebody held or cancelled it meanwhile
        if obstacles:
            block(row, obstacles[0].code, obstacles[0].says)
            return None
        assert account is not None
        assert account.stripe_id is not None
        if not _is_still_approved(row):
            return None
        now = clock.now()
        payout_steps.move(
            row,
            State.SENDING,
            kind="sending",
            evidence={"key": row.key, "destination": account.stripe_id},
            account=account,
            # The same key must be used with the same words: the first ones count.
            destination=row.destination or account.stripe_id,
            key_used_at=row.key_used_at or now,
            attempts=row.attempts + 1,
            next_attempt_at=now + LEASE,
        )
        return row


def block(row: Payout, code: str, says: str, **known: Any) -> None:
    """Stop a locked payout until its account is ready; it will be looked at anew."""
    payout_steps.move(
        row,
        State.BLOCKED,
        kind="blocked",
        reason=says,
        reason_code=code,
        review_round=row.review_round + 1,
        next_attempt_at=clock.now() + LAST_PAUSE,
        **known,
    )


def _is_still_approved(row: Payout) -> bool:
    """Whether the bank account is the one that was looked at, or makes no difference.

    Otherwise the risk is assessed again, and where the rules say so the payout goes back to people.
    """
    account = payees.of(row.worker_id)
    changed_at = None if account is None else account.bank_changed_at
    if row.checked_at is not None and (changed_at is None or changed_at <= row.checked_at):
        return True
    hits = payout_risk.assess(row, account)
    known = {**payout_review.assessed(row, hits), "checked_at": clock.now()}
    known["approvals_needed"] = max(known["approvals_needed"], row.approvals_needed)
    if known["severity"] <= payout_risk.NOTE and (row.approvals_needed or not hits):
        # People said yes knowing as much; or none were asked, and none need be.
        payout_steps.save(row, **known)
        return True
    payout_steps.move(
        row,
        State.NEEDS_REVIEW,
        kind="needs_review",
        reason=payout_review.BANK_CHANGED,
        evidence={"risk": known["risk"]},
        review_round=row.review_round + 1,
        next_attempt_at=None,
        **known,
    )
    return False


# --- what came of it -------------------------------------------------------------------------
def sent(payout_id: UUID, transfers: list[facts.Transfer]) -> None:
    """Record the transfer, wherever it was found; twice is as once."""
    transfer = transfers[-1]  # lists are newest first
    if len(transfers) > 1:
        log.error("payout_paid_twice", payout=str(payout_id), transfers=[t.id for t in transfers])
    with transaction.atomic(durable=True):
        row = payout_steps.locked(payout_id)
        if row.transfer_id == transfer.id:
            return
        if row.state not in (State.SENDING, State.UNKNOWN):
            log.error("payout_transfer_unexpected", payout=str(payout_id), transfer=transfer.id)
            return
        found = (transfer.amount_micros, transfer.currency, transfer.destination)
        if found != (row.amount_micros, row.currency, row.destination):
            log.error("payout_transfer_differs", payout=str(payout_id), transfer=transfer.id)
            _park(row, f"transfer {transfer.id} is not what was asked for")
            return
        now = clock.now()
        payout_steps.move(
            row,
            State.SENT,
            kind="sent",
            evidence={"transfer": transfer.id, "all": [one.id for one in transfers]},
            transfer_id=transfer.id,
            destination_payment=transfer.destination_payment,
            sent_at=now,
            closed_at=now,
            next_attempt_at=None,
            last_error="",
        )
        posting = ledger.move(
            key=f"transfer:{transfer.id}",
            kind=ledger.Kind.TRANSFER,
            currency=row.currency,
            debit=ledger.worker_in_flight(row.worker_id),
            credit=ledger.STRIPE_BALANCE,
            amount_micros=row.amount_micros,
            event_at=transfer.created_at,
        )
        ledger.post([posting])


def lost(asked: Payout, problem: facts.StripeProblem) -> None:
    """Record that it is not known whether the transfer of this call was made."""
    with transaction.atomic(durable=True):
        row = payout_steps.locked(asked.pk)
        if _is_another_call(row, asked):
            return
        if row.state == State.SENDING:
            _park(row, _text(problem))
        elif row.state == State.UNKNOWN:
            payout_steps.save(
                row, last_error=_text(problem), next_attempt_at=clock.now() + pause(row.attempts)
            )


def _park(row: Payout, why: str) -> None:
    now = clock.now()
    if row.state == State.UNKNOWN:
        payout_steps.save(row, last_error=why, next_attempt_at=now + LAST_PAUSE)
        return
    payout_steps.move(
        row, State.UNKNOWN, kind="unknown", reason=why, last_error=why,
        next_attempt_at=now + pause(0),
    )  # fmt: skip


def _nothing_moved(row: Payout, problem: facts.StripeProblem) -> None:
    """An error that says nothing happened.

    Where the key will go on saying so, and before money goes back, that is not taken on trust: the
    group is looked up first.
    """
    if row.state == State.UNKNOWN:
        # That this call had no effect says nothing of the first one.
        if problem.is_stored:
            free(row, problem)
        else:
            lost(row, problem)
        return
    if problem.is_stored or not isinstance(problem, facts.NothingHappened):
        free(row, problem)
    else:
        with transaction.atomic(durable=True):
            current = payout_steps.locked(row.pk)
            if current.state == State.SENDING and not _is_another_call(current, row):
                # The key was not used: its day begins with its next use.
                _back(current, problem, key_used_at=None)


def free(asked: Payout, problem: facts.StripeProblem) -> None:
    """Go on after a look-up has shown that nothing was moved: the next try has a new key."""
    try:
        found = gateway.find_transfers(asked.transfer_group)
    except facts.StripeProblem as error:
        lost(asked, error)
        return
    if found:
        sent(asked.pk, found)
        return
    with transaction.atomic(durable=True):
        row = payout_steps.locked(asked.pk)
        if _is_another_call(row, asked):
            return
        fresh = {"epoch": row.epoch + 1, "destination": "", "key_used_at": None}
        if row.state == State.UNKNOWN or (
            row.state == State.SENDING and isinstance(problem, facts.NothingHappened)
        ):
            _back(row, problem, **fresh)
        elif row.state == State.SENDING and isinstance(problem, facts.Restricted):
            block(row, "restricted", _text(problem), last_error=_text(problem), **fresh)
        elif row.state == State.SENDING:
            _fail(row, problem, **fresh)


def _is_another_call(row: Payout, asked: Payout) -> bool:
    """Whether the locked row is past the call that was asked for with it as it was then."""
    return (row.epoch, row.attempts) != (asked.epoch, asked.attempts)


def _back(row: Payout, problem: facts.StripeProblem, **known: Any) -> None:
    says = _text(problem)
    if isinstance(problem, facts.InsufficientBalance):
        log.warning("payouts_wait_for_balance", payout=str(row.pk))
    payout_steps.move(
        row,
        State.APPROVED,
        kind="returned",
        reason=says,
        evidence={"epoch": known.get("epoch", row.epoch), "looked_up": "epoch" in known},
        last_error=says,
        next_attempt_at=clock.now() + pause(row.attempts),
        **known,
    )


def _fail(row: Payout, problem: facts.StripeProblem, **known: Any) -> None:
    says = _text(problem)
    payout_steps.move(
        row,
        State.FAILED,
        kind="failed",
        reason=says,
        reason_code=problem.code or "refused",
        last_error=says,
        closed_at=clock.now(),
        next_attempt_at=None,
        **known,
    )
    payout_steps.give_back(row, by=None)


def _try_later(payout_id: UUID, problem: facts.StripeProblem) -> None:
    """The account could not be read, so nothing was begun."""
    with transaction.atomic(durable=True):
        row = payout_steps.locked(payout_id)
        if row.state == State.APPROVED:
            later = clock.now() + pause(row.attempts)
            payout_steps.save(row, last_error=_text(problem), next_attempt_at=later)


def pause(attempts: int) -> timedelta:
    """How long to wait after so many tries: 30 seconds, doubled each time, up to an hour."""
    return min(FIRST_PAUSE * (1 << min(attempts, 10)), LAST_PAUSE)


def _text(problem: facts.StripeProblem) -> str:
    return f"{problem.code}: {problem}"[:500]
