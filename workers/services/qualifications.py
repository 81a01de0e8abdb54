"""Who holds which qualification, who may try for it, and who may not and why.

What a qualification is and asks for stands below, in the data plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from core import clock, errors
from marketplace.models import Job, Qualification
from workers.models import Attempt, Grant, Worker

from . import standing

HAVE, CAN_TAKE, LOCKED = "have", "can_take", "locked"
RENEWED = "renewed"


class AlreadyHeld(errors.Conflict):
    """The worker holds the qualification; there is nothing to try for."""

    code = "already_held"


class Locked(errors.Forbidden):
    """The exam cannot be taken now; ``reason`` says why, ``available_at`` until when, if known."""

    code = "qualification_locked"


@dataclass(frozen=True)
class Holding:
    """Where a worker stands with a qualification.

    ``state`` is ``have``, ``can_take`` or ``locked``; ``reason`` (a word) and ``detail`` (a
    sentence) say why it is locked, ``available_at`` until when, None when there is no date.
    """

    qualification: Qualification
    state: str
    reason: str = ""
    detail: str = ""
    available_at: datetime | None = None
    grant: Grant | None = None
    attempt: Attempt | None = None


def listed(*, worker_id: UUID) -> QuerySet[Qualification]:
    """What a worker is shown: what can be taken or is granted by hand, and what they hold."""
    held = Grant.objects.filter(worker_id=worker_id, revoked_at=None)
    is_offered = Q(exam_job=None) | Q(exam_job__state__in=[Job.State.LIVE, Job.State.PAUSED])
    return Qualification.objects.select_related("exam_job").filter(
        (Q(is_active=True) & is_offered) | Q(pk__in=held.values("qualification_id"))
    )


def holdings(found: standing.Standing, rows: Sequence[Qualification]) -> list[Holding]:
    """Where a worker stands with each of these, in two statements and one for the time.

    The rows come with their ``exam_job``.
    """
    if not rows:
        return []
    worker_id = found.worker.pk
    now = clock.now()
    grants = {
        one.qualification_id: one
        for one in Grant.objects.filter(worker_id=worker_id, qualification__in=rows)
        .order_by("qualification_id", "-granted_at")
        .distinct("qualification_id")
    }
    attempts = {
        one.qualification_id: one
        for one in Attempt.objects.filter(worker_id=worker_id, qualification__in=rows)
        .order_by("qualification_id", "-started_at")
        .distinct("qualification_id")
    }
    return [_holding(row, found, grants.get(row.pk), attempts.get(row.pk), now) for row in rows]


def _holding(
    row: Qualification,
    found: standing.Standing,
    grant: Grant | None,
    attempt: Attempt | None,
    now: datetime,
) -> Holding:
    if grant is not None and _is_good(grant, now):
        return Holding(row, HAVE, grant=grant)

    def locked(reason: str, detail: str, available_at: datetime | None = None) -> Holding:
        return Holding(row, LOCKED, reason, detail, available_at, attempt=attempt)

    if found.worker.is_suspended:
        return locked("suspended", "Your account is suspended.")
    if why := found.suspension(row.specialty):
        return locked("suspended", f"You are suspended in {row.specialty}: {why}")
    if row.organization_id in found.organizations:
        return locked("own", "Members of a requester cannot hold its qualifications.")
    if grant is not None and grant.revoked_at is not None:
        return locked("revoked", f"It was taken from you: {grant.revoked_reason}")
    if attempt is not None and attempt.state == Attempt.State.OPEN:
        return Holding(row, CAN_TAKE, attempt=attempt)
    if row.exam_job is None:
        return locked("no_exam", "It has no exam; its requester grants it.")
    if not row.is_active or row.exam_job.state != Job.State.LIVE:
        return locked("exam_closed", "The exam cannot be taken now.")
    again = None if attempt is None else retry_at(row, attempt)
    if again is not None and again > now:
        return locked("retry_later", "You may try again later.", again)
    return Holding(row, CAN_TAKE)


def _is_good(grant: Grant, now: datetime) -> bool:
    return grant.revoked_at is None and (grant.expires_at is None or grant.expires_at > now)


def retry_at(row: Qualification, attempt: Attempt) -> datetime | None:
    """When the exam may be tried again after an attempt that did not pass; else None."""
    if attempt.ended_at is None or attempt.state == Attempt.State.PASSED:
        return None
    again: datetime = attempt.ended_at + timedelta(days=row.retry_days)
    return again


def require_can_take(row: Qualification, worker_id: UUID) -> None:
    """Raises NotAWorker, AlreadyHeld or Locked unless the worker may begin an attempt now."""
    (held,) = holdings(standing.read(worker_id), [row])
    if held.state == HAVE:
        raise AlreadyHeld("You hold this qualification.")
    if held.state == LOCKED:
        raise Locked(held.detail, reason=held.reason, available_at=held.available_at)


def lock_worker(worker_id: UUID) -> Worker:
    """The worker's row, locked: one worker's attempts and grants begin one after the other.

    Raises NotAWorker.
    """
    found = Worker.objects.select_for_update(no_key=True).filter(pk=worker_id).first()
    if found is None:
        raise standing.NotAWorker("Become a worker first: POST /api/v1/worker.")
    return found


def grant(
    *,
    qualification: Qualification,
    worker_id: UUID,
    score: float | None,
    by: UUID | None,
    now: datetime | None = None,
) -> Grant:
    """Give a worker a qualification: an exam was passed, or somebody (``by``) vouches.

    One that was held or had expired is ended as renewed, so that its history stays. Raises
    NotAWorker.
    """
    with transaction.atomic():
        lock_worker(worker_id)
        at = now or clock.now()
        Grant.objects.filter(
            worker_id=worker_id, qualification=qualification, revoked_at=None
        ).update(revoked_at=at, revoked_reason=RENEWED)
        days = qualification.valid_days
        return Grant.objects.create(
            worker_id=worker_id,
            qualification=qualification,
            score=score,
            granted_at=at,
            granted_by=by,
            expires_at=None if days is None else at + timedelta(days=days),
        )


def revoke(*, grant_id: UUID, reason: str, by: UUID) -> Grant:
    """Take a qualification from a worker, who is told the reason. Twice is as once.

    Raises NotFound, or Invalid without a reason.
    """
    if not reason.strip():
        raise errors.Invalid("A reason is needed.", errors={"reason": ["Say why."]})
    with transaction.atomic():
        row = Grant.objects.select_for_update().filter(pk=grant_id).first()
        if row is None:
            raise errors.NotFound("There is no such grant.")
        if row.revoked_at is None:
            row.revoked_at = clock.now()
            row.revoked_reason = reason
            row.save(update_fields=["revoked_at", "revoked_reason"])
        return row
