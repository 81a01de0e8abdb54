"""Suspending people, and lifting it. What was earned stays payable; what is claimed is still paid."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from core import errors
from core.nudge import nudge
from workers.models import Availability, SkillRecord, Worker

from . import availability

REASON_CAP = 500


class ReasonNeeded(errors.Invalid):
    """A suspension says why; the worker reads it."""

    code = "reason_needed"


def suspend(*, worker_id: UUID, reason: str, by: UUID) -> Worker:
    """Give a worker no new work: no claims, no offers; an open offer passes on.

    Claims that are open can still be submitted. Suspending again changes the reason only. Raises
    NotFound, ReasonNeeded, or Forbidden for oneself.
    """
    said = reason.strip()
    if not 0 < len(said) <= REASON_CAP:
        raise ReasonNeeded(f"Say why, in at most {REASON_CAP} characters.")
    with transaction.atomic():
        row = _locked(worker_id, by)
        row.is_suspended = True
        row.suspended_reason = said
        row.save(update_fields=["is_suspended", "suspended_reason"])
        availability.stop(worker_id=worker_id, reason=Availability.Ended.SUSPENDED)
    nudge("workers.dispatch")
    return row


def lift(*, worker_id: UUID, by: UUID) -> Worker:
    """Let a suspended worker work again. Twice is as once. Raises NotFound, or Forbidden."""
    with transaction.atomic():
        row = _locked(worker_id, by)
        row.is_suspended = False
        row.suspended_reason = ""
        row.save(update_fields=["is_suspended", "suspended_reason"])
    return row


def lift_in_specialty(*, record_id: int, by: UUID) -> SkillRecord:
    """Let a worker work in a specialty again that the checks had closed to them.

    The evidence stays: more failed checks close it again. Raises NotFound, or Forbidden.
    """
    with transaction.atomic():
        row = SkillRecord.objects.select_for_update(no_key=True).filter(pk=record_id).first()
        if row is None:
            raise errors.NotFound("There is no such record.")
        _require_not_own(row.worker_id, by)
        row.is_suspended = False
        row.suspended_at = None
        row.suspended_reason = ""
        row.save(update_fields=["is_suspended", "suspended_at", "suspended_reason"])
    return row


def _locked(worker_id: UUID, by: UUID) -> Worker:
    row = Worker.objects.select_for_update(no_key=True).filter(pk=worker_id).first()
    if row is None:
        raise errors.NotFound("There is no such worker.")
    _require_not_own(worker_id, by)
    return row


def _require_not_own(worker_id: UUID, by: UUID) -> None:
    if worker_id == by:
        raise errors.Forbidden("Somebody else must decide about you.")
