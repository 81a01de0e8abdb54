"""What a worker can do with a claim besides submitting it, and what time does to it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from marketplace.services import slots

from core import clock, errors, states
from workers.models import Assignment, WorkerJob

MAX_EXTENSIONS = 3
EXPIRE_BATCH = 2000


class NotClaimed(errors.Conflict):
    """The assignment is not a live claim."""

    code = "not_claimed"


class NoMoreExtensions(errors.Conflict):
    """The job's limit of extensions is reached."""

    code = "no_more_extensions"


class DraftConflict(errors.Conflict):
    """The draft was saved from elsewhere since; the answer carries what is stored."""

    code = "draft_conflict"


def _live(assignment_id: UUID, worker_id: UUID) -> Assignment:
    row = (
        Assignment.objects.select_for_update(of=("self",))
        .select_related("job")
        .filter(pk=assignment_id, worker_id=worker_id)
        .first()
    )
    if row is None:
        raise errors.NotFound("There is no such assignment.")
    return row


def return_(*, assignment_id: UUID, worker_id: UUID) -> Assignment:
    """Give a task back without penalty; the slot is free again. Returning twice changes nothing.

    Raises NotFound or NotClaimed.
    """
    with transaction.atomic():
        row = _live(assignment_id, worker_id)
        if row.state == Assignment.State.RETURNED:
            return row
        if row.state != Assignment.State.CLAIMED:
            raise NotClaimed(f"This assignment is {row.state}.")
        states.move(row, Assignment.State.RETURNED, returned_at=clock.now())
        _give_back([(row.task_id, row.role, row.job_id, row.worker_id)])
        return row


def extend(*, assignment_id: UUID, worker_id: UUID) -> Assignment:
    """A longer lease: one more time limit from now, at most three times.

    Raises NotFound, NotClaimed or NoMoreExtensions.
    """
    with transaction.atomic():
        row = _live(assignment_id, worker_id)
        if row.state != Assignment.State.CLAIMED:
            raise NotClaimed(f"This assignment is {row.state}.")
        if row.extensions >= MAX_EXTENSIONS:
            raise NoMoreExtensions("This task was extended as often as its job allows.")
        row.expires_at = max(
            row.expires_at, clock.now() + timedelta(seconds=row.job.time_limit_seconds)
        )
        row.extensions += 1
        row.save(update_fields=["expires_at", "extensions"])
        return row


def save_draft(*, assignment_id: UUID, worker_id: UUID, version: int, draft: Any) -> Assignment:
    """Autosave. ``version`` is the one the client last saw; the row's version rises by one.

    Saving the same draft again is harmless. Raises NotFound, NotClaimed or DraftConflict.
    """
    with transaction.atomic():
        row = _live(assignment_id, worker_id)
        if row.state != Assignment.State.CLAIMED:
            raise NotClaimed(f"This assignment is {row.state}.")
        if row.draft_version != version:
            if row.draft == draft and row.draft_version == version + 1:
                return row
            raise DraftConflict(
                "The draft was saved from another place since.",
                version=row.draft_version,
                draft=row.draft,
            )
        row.draft = draft
        row.draft_version = version + 1
        row.save(update_fields=["draft", "draft_version"])
        return row


_EXPIRE = """
WITH due AS (
    SELECT id FROM workers_assignment
    WHERE state = 'claimed' AND expires_at <= core_now() {whose}
    ORDER BY expires_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE workers_assignment a SET state = 'expired', expired_at = core_now()
FROM due WHERE a.id = due.id
RETURNING a.task_id, a.role, a.job_id, a.worker_id
"""


def expire(*, worker_id: UUID | None = None, limit: int = EXPIRE_BATCH) -> int:
    """Sweep: end overdue claims and give their slots back, at most ``limit`` in one transaction.

    The deadline is decided by the database's clock. Drafts stay; a late answer is still recorded.
    Returns the number of claims ended.
    """
    whose = "" if worker_id is None else "AND worker_id = %(worker)s"
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_EXPIRE.format(whose=whose), {"limit": limit, "worker": worker_id})
            rows = cursor.fetchall()
        _give_back(rows)
    return len(rows)


def _give_back(rows: list[tuple[UUID, str, UUID, UUID]]) -> None:
    """Slots of work go back to their tasks, credits of gold back to the worker's place."""
    work = Counter(task for task, role, _, _ in rows if role == Assignment.Role.WORK)
    if work:
        slots.give_back(work)
    for _, role, job_id, worker_id in rows:
        if role == Assignment.Role.GOLD:
            place = WorkerJob.objects.select_for_update().get(job_id=job_id, worker_id=worker_id)
            place.gold_credit += 1
            place.save(update_fields=["gold_credit"])
