"""What a worker can do with a claim besides submitting it, and what time does to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from core import clock, errors, states
from marketplace.services import slots
from payments.services import escrow
from workers.models import Assignment

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
        _give_back([_Held(row.task_id, row.role, row.job_id, row.worker_id, row.reserve_micros)])
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
    WHERE state = 'claimed' AND {which} AND expires_at <= core_now() AND role = %(role)s
    ORDER BY expires_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE workers_assignment a SET state = 'expired', expired_at = core_now()
FROM due WHERE a.id = due.id
RETURNING a.task_id, a.role, a.job_id, a.worker_id, a.reserve_micros
"""
# Each condition names the index that it is meant for.
_ALL = "expired_at IS NULL"
_OWN = "job_id = %(job)s AND worker_id = %(worker)s"

# A credit is given back at the price it was reserved at, or not as a credit.
_CREDIT = """
WITH given AS (
    SELECT job_id, worker_id, reserve, count(*) AS n
    FROM unnest(%(jobs)s::uuid[], %(workers)s::uuid[], %(reserves)s::bigint[])
        AS g(job_id, worker_id, reserve)
    GROUP BY job_id, worker_id, reserve
),
found AS MATERIALIZED (
    SELECT wj.id, g.job_id, g.n, g.reserve, wj.gold_unit_micros = g.reserve AS fits
    FROM workers_workerjob wj JOIN given g ON g.job_id = wj.job_id AND g.worker_id = wj.worker_id
    ORDER BY wj.id FOR UPDATE OF wj
),
credited AS (
    UPDATE workers_workerjob wj SET gold_credit = wj.gold_credit + found.n
    FROM found WHERE found.id = wj.id AND found.fits
)
SELECT job_id, sum(n * reserve)::bigint FROM found WHERE NOT fits GROUP BY job_id ORDER BY job_id
"""


def expire(*, limit: int = EXPIRE_BATCH) -> int:
    """Sweep: end overdue claims and give their slots back, at most ``limit`` in one transaction.

    The deadline is decided by the database's clock. Drafts stay; a late answer is still recorded.
    The number of statements does not depend on the number of claims. Returns how many were ended.
    """
    return sum(
        _expire(_EXPIRE.format(which=_ALL), {"role": role, "limit": limit})
        for role in Assignment.Role.values
    )


def expire_own(*, job_id: UUID, worker_id: UUID) -> int:
    """End a worker's overdue claims of one job at once; how many there were."""
    sql = _EXPIRE.format(which=_OWN)
    facts = {"job": job_id, "worker": worker_id, "limit": 2}
    return sum(_expire(sql, {"role": role, **facts}) for role in Assignment.Role.values)


def _expire(sql: str, parameters: dict[str, Any]) -> int:
    # Work and gold apart: judging locks tasks before places, so nobody may do it the other way.
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            rows = [_Held(*row) for row in cursor.fetchall()]
        if rows:
            _give_back(rows)
        return len(rows)


def oldest_due() -> float | None:
    """Age in seconds of the oldest overdue claim, or None."""
    now = clock.now()
    first = (
        Assignment.objects.filter(
            state=Assignment.State.CLAIMED, expired_at=None, expires_at__lte=now
        )
        .order_by("expires_at")
        .values_list("expires_at", flat=True)
        .first()
    )
    return None if first is None else (now - first).total_seconds()


class _Held(NamedTuple):
    """What an ended claim held."""

    task_id: UUID
    role: str
    job_id: UUID
    worker_id: UUID
    reserve_micros: int


def _give_back(rows: Sequence[_Held]) -> None:
    """Slots of work go back to their tasks, credits of gold back to the worker's place.

    All rows are of one role. Locks are taken in the order assignments, tasks, places, escrow.
    """
    if rows[0].role == Assignment.Role.WORK:
        slots.give_back(Counter(row.task_id for row in rows))
        return
    for job_id, micros in _credit(rows):
        escrow.unreserve(job_id=job_id, line="gold", amount_micros=micros)


def _credit(gold: Sequence[_Held]) -> list[tuple[UUID, int]]:
    """Give credits back; the reserves by job of those whose place has another unit by now."""
    with connection.cursor() as cursor:
        cursor.execute(
            _CREDIT,
            {
                "jobs": [row.job_id for row in gold],
                "workers": [row.worker_id for row in gold],
                "reserves": [row.reserve_micros for row in gold],
            },
        )
        return list(cursor.fetchall())
