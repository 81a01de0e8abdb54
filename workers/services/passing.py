"""How offers begin and end: written with their slot, lapsed, withdrawn, passed on to the next worker.

Locks are taken in the order offers, availabilities, tasks by id, escrow; availabilities only where
nobody else holds them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from core import clock
from core.ids import new_id
from marketplace.services import slots
from workers.models import Offer

from . import matching
from .matching import Demand, Match

#: Offers ended in one transaction.
BATCH = 200


class Ended(NamedTuple):
    """An offer that is over, and the slot it leaves."""

    job_id: UUID
    task_id: UUID


_DUE = """
UPDATE workers_offer o SET state = %(state)s, ended_at = core_now()
FROM (
    SELECT o.id FROM workers_offer o JOIN marketplace_job j ON j.id = o.job_id
    WHERE o.state = 'offered' AND {which}
    ORDER BY o.expires_at LIMIT %(limit)s
    FOR UPDATE OF o SKIP LOCKED
) due
WHERE due.id = o.id
RETURNING o.worker_id, o.job_id, o.task_id
"""

# Who leaves so many in a row unanswered is not there.
_LAPSED = """
UPDATE workers_availability SET
    is_busy = false, idle_since = core_now(), lapsed_in_a_row = lapsed_in_a_row + 1,
    until = CASE WHEN lapsed_in_a_row + 1 >= %(most)s THEN least(until, core_now()) ELSE until END,
    ended_reason = CASE WHEN lapsed_in_a_row + 1 >= %(most)s AND until > core_now()
        THEN 'unanswered' ELSE ended_reason END
WHERE worker_id = ANY(%(workers)s::uuid[])
"""

_WITHDRAWN = """
UPDATE workers_availability SET is_busy = false WHERE worker_id = ANY(%(workers)s::uuid[])
"""


def lapse(*, limit: int = BATCH) -> int:
    """End offers that nobody answered in time; their slots pass on. Returns how many."""
    facts = {"state": Offer.State.LAPSED, "limit": limit}
    with transaction.atomic():
        rows = _rows(_DUE.format(which="o.expires_at <= core_now()"), facts)
        if rows:
            workers = [row[0] for row in rows]
            _execute(_LAPSED, {"workers": workers, "most": settings.OFFER_LAPSES})
            pass_on([Ended(*row[1:]) for row in rows])
        return len(rows)


def withdraw(*, limit: int = BATCH) -> int:
    """Take back the offers of jobs that were paused, stopped or ended. Returns how many."""
    facts = {"state": Offer.State.WITHDRAWN, "limit": limit}
    with transaction.atomic():
        rows = _rows(_DUE.format(which="j.state <> 'live'"), facts)
        if rows:
            _execute(_WITHDRAWN, {"workers": [row[0] for row in rows]})
            pass_on([Ended(*row[1:]) for row in rows])
        return len(rows)


def pass_on(ended: Sequence[Ended]) -> int:
    """Offer the slots of ended offers to the next workers at once; the others are free again.

    A slot that is passed on was never free in between. Gold holds none. The caller owns the
    transaction. Returns how many were passed on.
    """
    by_job: dict[UUID, list[UUID]] = {}
    work = _work_among([one.task_id for one in ended])
    for one in ended:
        if one.task_id in work:
            by_job.setdefault(one.job_id, []).append(one.task_id)
    left = Counter(task for tasks in by_job.values() for task in tasks)
    now = clock.now()
    passed = 0
    live = matching.demand_of(sorted(by_job))
    for job_id in sorted(live):
        tasks = list(dict.fromkeys(by_job[job_id]))
        workers = matching.idle(live[job_id], limit=len(tasks) + matching.SLACK)
        found = matching.pair(workers, tasks, matching.seen(tasks))
        make(live[job_id], found, open_at=now)
        left.subtract(one.task_id for one in found)
        passed += len(found)
    slots.give_back({task: count for task, count in left.items() if count})
    return passed


def _work_among(task_ids: Sequence[UUID]) -> set[UUID]:
    rows = _rows(
        "SELECT id FROM marketplace_task WHERE id = ANY(%s::uuid[]) AND role = 'work'",
        [list(task_ids)],
    )
    return {row[0] for row in rows}


# Since when the slot is free: the task was opened, or its last claim, offer or judgement ended.
_MAKE = """
INSERT INTO workers_offer (
    id, worker_id, job_id, task_id, state, slot_open_at, idle_at, offered_at, expires_at,
    is_newcomer_share)
SELECT g.id, g.worker_id, %(job)s, t.id, 'offered',
    CASE WHEN t.role <> 'work' THEN core_now() ELSE coalesce(%(open_at)s, greatest(
        t.opened_at, t.state_changed_at,
        (SELECT max(greatest(a.returned_at, a.expired_at,
                CASE WHEN t.wanted > %(kmin)s THEN a.judged_at END))
         FROM workers_assignment a WHERE a.task_id = t.id),
        (SELECT max(o.ended_at) FROM workers_offer o
         WHERE o.task_id = t.id AND o.state <> 'accepted'))) END,
    g.idle_at, core_now(), core_now() + make_interval(secs => %(seconds)s), g.is_share
FROM unnest(%(ids)s::uuid[], %(workers)s::uuid[], %(tasks)s::uuid[], %(idle)s::timestamptz[],
    %(shares)s::bool[]) AS g(id, worker_id, task_id, idle_at, is_share)
JOIN marketplace_task t ON t.id = g.task_id
"""

_BUSY = "UPDATE workers_availability SET is_busy = true WHERE worker_id = ANY(%s::uuid[])"


def make(job: Demand, found: Sequence[Match], *, open_at: datetime | None = None) -> None:
    """Write offers whose slots are held, to workers whose availability is locked."""
    if not found:
        return
    workers = [one.worker.worker_id for one in found]
    facts = {
        "job": job.job_id,
        "kmin": job.kmin,
        "open_at": open_at,
        "seconds": settings.OFFER_SECONDS,
        "ids": [new_id() for _ in found],
        "workers": workers,
        "tasks": [one.task_id for one in found],
        "idle": [one.worker.idle_since for one in found],
        "shares": [one.is_newcomer_share for one in found],
    }
    _execute(_MAKE, facts)
    _execute(_BUSY, [workers])


def oldest_due() -> float | None:
    """Age in seconds of the oldest offer that should have been ended, or None."""
    now = clock.now()
    first = (
        Offer.objects.filter(state=Offer.State.OFFERED, expires_at__lte=now)
        .order_by("expires_at")
        .values_list("expires_at", flat=True)
        .first()
    )
    return None if first is None else (now - first).total_seconds()


def _rows(sql: str, params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def _execute(sql: str, params: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)
