"""The slots of tasks: given back, held, taken late.

A task's counters change together under its row lock; a slot that is free or not yet settled has
its reserve in the job's escrow. Callers hold one transaction. Locks are taken in the order tasks by
id, then escrow of jobs by id; tasks are locked FOR NO KEY UPDATE, so that recording an answer (a
foreign key to the task) never waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from django.db import connection

from payments.services import escrow

#: The escrow line that slots of work are reserved on.
LINE = "work"

_LOCK = """
SELECT id, job_id, state, slot_reserve_micros, wanted, taken, remaining, max_overlap
FROM marketplace_task WHERE id = ANY(%s) AND role = 'work' ORDER BY id FOR NO KEY UPDATE
"""

# A free slot goes to the tail, where cursors that passed the task find it again.
_GIVE_BACK = """
UPDATE marketplace_task t SET
    taken = t.taken - g.n,
    remaining = CASE WHEN t.state = 'open' THEN t.remaining + g.n ELSE 0 END,
    wanted = CASE WHEN t.state = 'open' THEN t.wanted ELSE t.wanted - g.n END,
    is_open = t.state = 'open',
    pos = CASE WHEN t.state = 'open' THEN nextval('marketplace_task_pos_seq') ELSE t.pos END
FROM unnest(%(ids)s::uuid[], %(counts)s::smallint[]) AS g(id, n)
WHERE t.id = g.id AND t.role = 'work'
RETURNING t.job_id, t.state, g.n * t.slot_reserve_micros
"""

_HOLD = """
WITH free AS MATERIALIZED (
    SELECT t.id FROM marketplace_task t JOIN marketplace_job j ON j.id = t.job_id
    WHERE t.id = ANY(%s) AND t.is_open AND j.state = 'live'
    ORDER BY t.id FOR NO KEY UPDATE OF t
)
UPDATE marketplace_task t
SET taken = t.taken + 1, remaining = t.remaining - 1, is_open = t.remaining > 1
FROM free WHERE t.id = free.id
RETURNING t.id
"""

_TAKE_FREE = """
UPDATE marketplace_task
SET taken = taken + 1, remaining = remaining - 1, is_open = remaining > 1
WHERE id = %s
"""

_TAKE_MORE = """
UPDATE marketplace_task
SET taken = taken + 1, wanted = wanted + 1, state = 'open',
    state_changed_at = CASE WHEN state = 'open' THEN state_changed_at ELSE core_now() END,
    opened_at = coalesce(opened_at, core_now())
WHERE id = %s
"""


def give_back(counts: Mapping[UUID, int]) -> None:
    """Give slots back to tasks: task id to how many (an expired or returned claim, an ended offer).

    An open task offers them again; a task that is decided or waits for budget wants fewer, and the
    reserve is free again. Gold has no slots and is passed over. Three statements, and one more for
    each job with reserve to release.
    """
    if not counts:
        return
    ids = sorted(counts)
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [ids])
        cursor.execute(_GIVE_BACK, {"ids": ids, "counts": [counts[pk] for pk in ids]})
        rows = cursor.fetchall()
    release((job_id, micros) for job_id, state, micros in rows if state != "open")


def hold(task_ids: Sequence[UUID]) -> set[UUID]:
    """Take one slot on each of these tasks that is still open in a live job; which ones. For offers.

    One statement; the caller owns the slots and gives back what it does not use.
    """
    if not task_ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, [sorted(task_ids)])
        return {row[0] for row in cursor.fetchall()}


def take_late(task_id: UUID) -> bool:
    """Find a slot for an answer that came after its claim had expired; whether there was one.

    A free slot is taken; without one, an undecided task below its largest overlap gets another if
    the job's free budget covers it. Nothing is changed when the answer is False.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [[task_id]])
        row = cursor.fetchone()
        if row is None:
            return False
        _, job_id, state, reserve, wanted, _, remaining, max_overlap = row
        if state == "open" and remaining > 0:
            cursor.execute(_TAKE_FREE, [task_id])
            return True
        if state not in ("open", "parked") or wanted >= max_overlap:
            return False
        if not escrow.reserve(job_id=job_id, line=LINE, amount_micros=reserve):
            return False
        cursor.execute(_TAKE_MORE, [task_id])
        return True


def release(amounts: Iterable[tuple[UUID, int]]) -> None:
    """Free the reserve of slots that are wanted no more: pairs of job and micro-units."""
    totals: dict[UUID, int] = {}
    for job_id, micros in amounts:
        totals[job_id] = totals.get(job_id, 0) + micros
    for job_id in sorted(totals):
        if totals[job_id]:
            escrow.unreserve(job_id=job_id, line=LINE, amount_micros=totals[job_id])
