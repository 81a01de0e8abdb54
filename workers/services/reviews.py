"""The requester looks at answers: accepts them, or rejects them with a reason. Silence accepts.

Only answers to jobs with REVIEW acceptance are reviewed, once they were judged and before their
time is over. Locks are taken in the order assignments by id, tasks, escrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, TextChoices

from core import clock, errors, states
from core.nudge import nudge
from marketplace.models import Annotation, Job
from marketplace.services import judgements, slots
from payments.services import escrow
from workers.models import Assignment

from . import reputation

#: The escrow line on which the pay of a rejection waits until it can no longer be contested.
CONTESTED = "contested"
EVIDENCE_CAP = 4000
#: Answers that one call may accept.
BULK_CAP = 500


class Reason(TextChoices):
    """Why an answer is rejected. Disagreement with other workers is no reason."""

    INSTRUCTIONS = "instructions_not_followed"
    WRONG = "clearly_wrong"
    INCOMPLETE = "incomplete"
    EMPTY = "empty_or_nonsense"
    COPIED = "copied_or_generated"
    LANGUAGE = "wrong_language"
    OFFENSIVE = "offensive"


class NotReviewable(errors.Conflict):
    """The answer is not awaiting review; ``state`` is where it stands."""

    code = "not_reviewable"


class NotJudged(errors.Conflict):
    """The answer was submitted a moment ago and is not checked yet."""

    code = "not_judged_yet"


class ReviewOver(errors.Conflict):
    """The answer was decided about already, by somebody or by silence; ``state`` says how."""

    code = "review_over"


class OwnWork(errors.Forbidden):
    """Nobody decides about their own work."""

    code = "own_work"


def awaiting(organization_id: UUID | None) -> QuerySet[Assignment]:
    """Answers to a requester's jobs that wait for a decision. None, no requester, has none."""
    return _of(organization_id).filter(
        state=Assignment.State.SUBMITTED,
        judged_at__isnull=False,
        reviewed_at=None,
        settle_after__gt=clock.now(),
        role=Assignment.Role.WORK,
        job__acceptance=Job.Acceptance.REVIEW,
    )


def late(organization_id: UUID | None) -> QuerySet[Assignment]:
    """Answers that came too late to have a slot: kept, not counted, not paid."""
    return _of(organization_id).filter(
        state=Assignment.State.EXPIRED, is_late=True, role=Assignment.Role.WORK
    )


def rejected(organization_id: UUID | None) -> QuerySet[Assignment]:
    """Answers that the requester rejected."""
    return _of(organization_id).filter(state=Assignment.State.REJECTED)


def _of(organization_id: UUID | None) -> QuerySet[Assignment]:
    jobs = Job.objects.of(organization_id)
    return Assignment.objects.filter(job__in=jobs).select_related("job")


def said(rows: Sequence[Assignment]) -> dict[UUID, Annotation]:
    """The answers given with these assignments. One statement."""
    found = Annotation.objects.filter(assignment_ref__in=[row.pk for row in rows])
    return {one.assignment_ref: one for one in found.select_related("task")}


def accept(*, assignment_id: UUID, organization_id: UUID | None, by: UUID) -> Assignment:
    """Accept an answer: it is paid by the next settlement. Twice is as once.

    Raises NotFound, NotReviewable, NotJudged, ReviewOver or OwnWork.
    """
    with transaction.atomic():
        row = _locked(assignment_id, organization_id)
        if row.state == Assignment.State.ACCEPTED or _was_accepted(row):
            return row
        now = clock.now()
        _require_open(row, now)
        require_not_own(row, by)
        row.settle_after = now
        row.reviewed_at = now
        row.reviewed_by = by
        row.save(update_fields=["settle_after", "reviewed_at", "reviewed_by"])
    nudge("workers.settle")
    return row


def accept_all(
    *, assignment_ids: Sequence[UUID], organization_id: UUID | None, by: UUID
) -> list[UUID]:
    """Accept those of these answers that await review; which ones. The others are left as they are."""
    with transaction.atomic():
        now = clock.now()
        rows = list(
            awaiting(organization_id)
            .filter(pk__in=list(assignment_ids))
            .exclude(worker_id=by)
            .select_for_update(no_key=True, of=("self",))
            .order_by("pk")
        )
        ids = [row.pk for row in rows]
        Assignment.objects.filter(pk__in=ids).update(
            settle_after=now, reviewed_at=now, reviewed_by=by
        )
    nudge("workers.settle")
    return ids


def reject(
    *, assignment_id: UUID, organization_id: UUID | None, by: UUID, reason: str, evidence: str
) -> Assignment:
    """Reject an answer for a reason of the list. It counts no more, another answer is asked for if
    the budget covers it, and its pay stays reserved until it can no longer be contested.

    The same again changes nothing. Raises NotFound, Invalid, NotReviewable, NotJudged, ReviewOver
    or OwnWork.
    """
    _require_reason(reason, evidence)
    with transaction.atomic():
        row = _locked(assignment_id, organization_id)
        if row.state == Assignment.State.REJECTED and (row.reject_reason, row.reject_evidence) == (
            reason,
            evidence,
        ):
            return row
        now = clock.now()
        _require_open(row, now)
        require_not_own(row, by)
        states.move(
            row,
            Assignment.State.REJECTED,
            reviewed_at=now,
            reviewed_by=by,
            reject_reason=reason,
            reject_evidence=evidence,
            contest_until=now + timedelta(days=settings.CONTEST_DAYS),
        )
        _judge_without(row, is_excluded=True, now=now)
        escrow.move(
            job_id=row.job_id,
            from_line=slots.LINE,
            to_line=CONTESTED,
            amount_micros=row.reserve_micros,
        )
    return row


def count_again(row: Assignment, *, now: datetime) -> None:
    """Let a rejected answer count again: it is being paid. The caller owns the transaction."""
    _judge_without(row, is_excluded=False, now=now)


def _judge_without(row: Assignment, *, is_excluded: bool, now: datetime) -> None:
    """Take an answer out of the vote, or back in, and decide its task again."""
    changed = Annotation.objects.filter(
        assignment_ref=row.pk, is_counted=True, is_excluded=not is_excluded
    ).update(is_excluded=is_excluded)
    if changed:
        facts = reputation.facts(judgements.authors_of([row.task_id]))
        judgements.resolve([row.task_id], facts, now=now)


def require_not_own(row: Assignment, by: UUID) -> None:
    """Raises OwnWork."""
    if row.worker_id == by:
        raise OwnWork("This is your own work; somebody else must decide about it.")


def _locked(assignment_id: UUID, organization_id: UUID | None) -> Assignment:
    row = (
        _of(organization_id)
        .select_for_update(no_key=True, of=("self",))
        .filter(pk=assignment_id)
        .first()
    )
    if row is None:
        raise errors.NotFound("There is no such answer.")
    return row


def _was_accepted(row: Assignment) -> bool:
    return row.state == Assignment.State.SUBMITTED and row.reviewed_at is not None


def _require_open(row: Assignment, now: datetime) -> None:
    if row.job.acceptance != Job.Acceptance.REVIEW or row.role != Assignment.Role.WORK:
        raise NotReviewable("This answer is accepted without a review.", state=row.state)
    if row.state in (Assignment.State.ACCEPTED, Assignment.State.REJECTED):
        raise ReviewOver(f"This answer was {row.state} already.", state=row.state)
    if row.state != Assignment.State.SUBMITTED:
        raise NotReviewable(f"This assignment is {row.state}.", state=row.state)
    if row.judged_at is None or row.settle_after is None:
        raise NotJudged("This answer is being checked. Try again in a moment.")
    if row.reviewed_at is not None or row.settle_after <= now:
        raise ReviewOver("This answer was accepted already.", state=Assignment.State.ACCEPTED)


def _require_reason(reason: str, evidence: str) -> None:
    problems = {}
    if reason not in Reason.values:
        problems["reason"] = [f"One of: {', '.join(Reason.values)}."]
    if not evidence.strip() or len(evidence) > EVIDENCE_CAP:
        problems["evidence"] = [f"Say what is wrong, in 1 to {EVIDENCE_CAP} characters."]
    if problems:
        raise errors.Invalid("A rejection needs a reason and evidence.", errors=problems)
