"""Whether a payout may go: what blocks it, what the rules say, and what people decide.

Deciding takes the permission to review payouts and a reason; nobody decides about their own money,
and where two people are asked for they are two. Every decision goes through here, whether from the
admin or from code.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from core import clock, errors, states
from core.models import User
from core.nudge import nudge
from payments import money
from payments.models import ConnectedAccount, Payout, PayoutApproval
from payments.services import batches, payees, payout_risk, payout_steps
from payments.services.payout_risk import Hit

BATCH = 20
LEASE = timedelta(seconds=120)
#: A blocked payout is looked at this often, besides at once when Stripe tells of a change.
BLOCKED_LOOK = timedelta(hours=1)
BANK_CHANGED = "The bank account was changed since the risk was assessed."
#: Together at most so many are approved.
MOST_AT_ONCE = 500

_TAKE = """
UPDATE payments_payout AS payout SET next_attempt_at = core_now() + %(lease)s
  FROM (SELECT id FROM payments_payout
         WHERE state IN ('requested', 'blocked', 'needs_review') AND next_attempt_at <= core_now()
         ORDER BY next_attempt_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED) AS due
 WHERE payout.id = due.id
RETURNING payout.id
"""
_BOUNDS: dict[str, Any] = {"lease": LEASE, "batch": BATCH}

State = Payout.State


class MayNotReview(errors.Forbidden):
    """This person does not decide about payouts."""

    code = "may_not_review"


class OwnPayout(errors.Forbidden):
    """Nobody decides about a payout of their own."""

    code = "own_payout"


class ReasonNeeded(errors.Invalid):
    """A decision has a reason."""

    code = "reason_needed"


class AnotherPersonNeeded(errors.Conflict):
    """The same person has approved already; the second yes is somebody else's."""

    code = "another_person_needed"


class NotForBulk(errors.Conflict):
    """Only payouts with nothing but notes are approved together."""

    code = "not_for_bulk"


# --- looking ---------------------------------------------------------------------------------
def sweep() -> int:
    """Look at new payouts, at blocked ones whose cause may be gone, and at changed ones."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_TAKE, _BOUNDS)
        taken = [row[0] for row in cursor.fetchall()]
    tried = 0
    for payout_id in batches.in_time(taken):
        look(payout_id)
        tried += 1
    return tried


def look(payout_id: UUID) -> Payout:
    """Decide what a payout needs: an account, a person, or nothing. Outside a transaction.

    Of one that waits for a person only what the rules say is brought up to date.
    """
    worker_id = Payout.objects.values_list("worker_id", flat=True).get(pk=payout_id)
    payees.current(worker_id)
    with transaction.atomic():
        row = payout_steps.locked(payout_id)
        if row.state not in payout_steps.UNDECIDED:
            return row
        # Read under the payout's lock: whoever changes the account after this marks the payout.
        account = payees.of(worker_id)
        obstacles = payees.blockers(account)
        is_changed = row.checked_at is None
        payout_steps.save(row, account=account, checked_at=clock.now())
        if row.state == State.NEEDS_REVIEW:
            hits = payout_risk.assess(row, account)
            hits += [Hit(one.code, payout_risk.WARN, one.says) for one in obstacles]
            payout_steps.save(row, **assessed(row, hits), next_attempt_at=None)
            if is_changed:  # a yes to another bank account is none to this one
                payout_steps.save(row, review_round=row.review_round + 1)
                payout_steps.note(
                    row, kind="looked_again", reason=BANK_CHANGED, evidence={"risk": row.risk}
                )
            return row
        if obstacles:
            _block(row, obstacles[0])
            return row
        if row.state == State.BLOCKED:
            payout_steps.move(row, State.REQUESTED, kind="unblocked", reason="")
        _assess(row, account)
        return row


def _block(row: Payout, obstacle: payees.Blocker) -> None:
    later = clock.now() + BLOCKED_LOOK
    if row.state == State.BLOCKED:
        payout_steps.save(row, reason_code=obstacle.code, next_attempt_at=later)
        return
    payout_steps.move(
        row,
        State.BLOCKED,
        kind="blocked",
        reason=obstacle.says,
        reason_code=obstacle.code,
        next_attempt_at=later,
    )


def _assess(row: Payout, account: ConnectedAccount | None) -> None:
    hits = payout_risk.assess(row, account)
    facts: dict[str, Any] = {**assessed(row, hits), "reason_code": ""}
    limit = settings.PAYOUT_AUTO_LIMIT_MICROS
    now = clock.now()
    if not hits and row.amount_micros <= limit:
        facts |= {"approvals_needed": 0, "approved_at": now, "next_attempt_at": now}
        payout_steps.move(
            row, State.APPROVED, kind="approved", reason="within the automatic limit", **facts
        )
        nudge("payments.send_payouts")
        return
    payout_steps.move(
        row,
        State.NEEDS_REVIEW,
        kind="needs_review",
        evidence={"risk": facts["risk"]},
        next_attempt_at=None,
        **facts,
    )


def assessed(row: Payout, hits: list[Hit]) -> dict[str, Any]:
    """The facts of a payout that follow from what the rules say."""
    shown = hits or [Hit("no_rule", payout_risk.NOTE, _why_without(row))]
    severity = max(hit.severity for hit in shown)
    is_large = row.amount_micros > settings.PAYOUT_SECOND_APPROVAL_MICROS
    needed = 2 if is_large or severity == payout_risk.STOP else 1
    if row.state == State.NEEDS_REVIEW:  # what one has approved on is not made easier
        needed = max(needed, row.approvals_needed)
    return {
        "risk": [hit.as_dict() for hit in shown],
        "severity": severity,
        "approvals_needed": needed,
    }


def _why_without(row: Payout) -> str:
    limit = settings.PAYOUT_AUTO_LIMIT_MICROS
    if not limit:
        return "No rule speaks against it; automatic approval is off."
    shown = money.display(limit, row.currency)
    return f"No rule speaks against it; it is above the automatic limit of {shown}."


# --- deciding --------------------------------------------------------------------------------
def approve(*, payout_id: UUID, by: UUID, reason: str) -> Payout:
    """Say yes. With as many as the payout needs, it is approved and will be sent.

    Raises MayNotReview, OwnPayout, ReasonNeeded, AnotherPersonNeeded, NoPayout, IllegalTransition.
    """
    _require_reviewer(by, reason)
    with transaction.atomic():
        row = _anothers(payout_id, by)
        if row.state != State.NEEDS_REVIEW:
            raise states.IllegalTransition(f"This payout is {row.state}.", state=row.state)
        _approve(row, by, reason)
        return row


def approve_together(*, payout_ids: Sequence[UUID], by: UUID, reason: str) -> list[Payout]:
    """Approve several at once: all of them or none. Only payouts with notes alone qualify.

    Raises NotForBulk, and what ``approve`` raises.
    """
    if len(payout_ids) > MOST_AT_ONCE:
        raise NotForBulk(f"At most {MOST_AT_ONCE} at once.")
    _require_reviewer(by, reason)
    with transaction.atomic():
        rows = []
        for payout_id in sorted(set(payout_ids)):
            row = _anothers(payout_id, by)
            if not is_for_bulk(row):
                raise NotForBulk("Payouts with a warning are approved one by one.")
            _approve(row, by, reason)
            rows.append(row)
        return rows


def is_for_bulk(row: Payout) -> bool:
    """Whether a payout may be approved together with others."""
    return (
        row.state == State.NEEDS_REVIEW
        and row.severity <= Payout.Severity.NOTE
        and row.approvals_needed == 1
    )


def reject(*, payout_id: UUID, by: UUID, reason: str, to_held: bool = False) -> Payout:
    """Say no. The money is available to the worker again, or held for an investigation.

    Raises MayNotReview, OwnPayout, ReasonNeeded, NoPayout, IllegalTransition.
    """
    _require_reviewer(by, reason)
    with transaction.atomic():
        row = _anothers(payout_id, by)
        payout_steps.move(
            row,
            State.REJECTED,
            kind="rejected",
            by=by,
            reason=reason,
            evidence={"money": "held" if to_held else "available"},
            reason_code="rejected",
            closed_at=clock.now(),
            next_attempt_at=None,
        )
        payout_steps.give_back(row, by=by, to_held=to_held)
        return row


def hold(*, payout_id: UUID, by: UUID, reason: str) -> Payout:
    """Stop a payout for the time being; also one that is approved and not yet sent.

    Raises MayNotReview, OwnPayout, ReasonNeeded, NoPayout, IllegalTransition.
    """
    _require_reviewer(by, reason)
    with transaction.atomic():
        row = _anothers(payout_id, by)
        payout_steps.move(
            row, State.HELD, kind="held", by=by, reason=reason, reason_code="held",
            next_attempt_at=None,
        )  # fmt: skip
        return row


def release(*, payout_id: UUID, by: UUID, reason: str) -> Payout:
    """Let a held payout go on: it is looked at anew, and earlier approvals no longer count.

    Raises MayNotReview, OwnPayout, ReasonNeeded, NoPayout, IllegalTransition.
    """
    _require_reviewer(by, reason)
    with transaction.atomic():
        row = _anothers(payout_id, by)
        payout_steps.move(
            row,
            State.REQUESTED,
            kind="released",
            by=by,
            reason=reason,
            reason_code="",
            review_round=row.review_round + 1,
            next_attempt_at=clock.now(),
        )
        nudge("payments.review_payouts")
        return row


def may_decide(by: UUID) -> bool:
    """Whether a person may decide about payouts."""
    user = User.objects.filter(pk=by, is_active=True, is_staff=True).first()
    return user is not None and user.has_perm("payments.review_payout")


def _approve(row: Payout, by: UUID, reason: str) -> None:
    given = PayoutApproval.objects.filter(payout=row, round=row.review_round)
    if given.filter(by_id=by).exists():
        raise AnotherPersonNeeded("You have approved this payout; another person has to as well.")
    now = clock.now()
    PayoutApproval.objects.create(
        payout=row, round=row.review_round, by_id=by, reason=reason.strip(), created_at=now
    )
    count = given.count()
    evidence = {"approvals": count, "needed": row.approvals_needed, "risk": row.risk}
    if count < row.approvals_needed:
        payout_steps.note(row, kind="approval", by=by, reason=reason, evidence=evidence)
        return
    payout_steps.move(
        row, State.APPROVED, kind="approved", by=by, reason=reason, evidence=evidence,
        approved_at=now, next_attempt_at=now,
    )  # fmt: skip
    nudge("payments.send_payouts")


def _require_reviewer(by: UUID, reason: str) -> None:
    if not may_decide(by):
        raise MayNotReview("You may not decide about payouts.")
    if not reason.strip():
        raise ReasonNeeded("Say why.", errors={"reason": ["Required."]})


def _anothers(payout_id: UUID, by: UUID) -> Payout:
    row = payout_steps.locked(payout_id)
    if row.worker_id == by:
        raise OwnPayout("This is your own payout: somebody else decides.")
    return row
