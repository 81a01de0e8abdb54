"""Push work: the sweep that offers tasks to idle workers and passes on what they leave.

Locks are taken in the order availabilities, tasks by id; availabilities only where nobody else
holds them. Nothing here touches a worker's place in a job, which claims need. How offers end is in
``passing``, what one means for the worker who gets it in ``offers``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from marketplace.services import slots

from . import matching, passing
from .matching import Demand, Match

#: Offers made in one transaction.
BATCH = 200
#: Jobs looked at in one run.
JOBS = 200
#: Seconds before a job for which nobody fitted is tried again with the same people.
BARREN_SECONDS = 5
#: Seconds before a worker is looked at again in a job that had nothing for them: while their walk
#: goes on, and after each whole lap, twice as long each time.
WALK_REST, LAP_REST, LONGEST_REST = 2, 5, 60


def sweep(*, limit: int = BATCH) -> int:
    """Sweep: end what lapsed or must be withdrawn, see who is idle again, make new offers.

    Each step is a short transaction or a few. Returns how many rows were handled, so that more is
    done at once while there is more. Safe to run twice and side by side.
    """
    ended = passing.lapse(limit=limit) + passing.withdraw(limit=limit)
    free_idle()
    return ended + offer(limit=limit)


# A worker is idle again when what they accepted is submitted, returned or expired.
_FREE = """
WITH over AS (
    SELECT v.worker_id, coalesce(a.submitted_at, a.returned_at, a.expired_at, core_now()) AS since
    FROM workers_availability v
    CROSS JOIN LATERAL (
        SELECT o.assignment_id FROM workers_offer o
        WHERE o.worker_id = v.worker_id ORDER BY o.id DESC LIMIT 1
    ) last
    LEFT JOIN LATERAL (
        SELECT a.state, a.submitted_at, a.returned_at, a.expired_at
        FROM workers_assignment a WHERE a.id = last.assignment_id OFFSET 0
    ) a ON true
    WHERE v.is_busy AND a.state IS DISTINCT FROM 'claimed'
      AND NOT EXISTS (
          SELECT 1 FROM workers_offer o WHERE o.worker_id = v.worker_id AND o.state = 'offered'
          OFFSET 0)  -- an index probe for each row, never a join over all
    LIMIT %s
    FOR UPDATE OF v SKIP LOCKED
)
UPDATE workers_availability v
SET is_busy = false, idle_since = greatest(v.idle_since, over.since)
FROM over WHERE over.worker_id = v.worker_id
"""


def free_idle(*, limit: int = 5 * BATCH) -> int:
    """See which workers have finished what they had accepted. Returns how many."""
    with transaction.atomic():
        return _execute(_FREE, [limit])


# What nobody fitted lately, with the people who waited then. A memory of this process only: without
# it the same people would be looked through again every second.
_barren: dict[UUID, tuple[object, float]] = {}


def offer(*, limit: int = BATCH) -> int:
    """Offer open tasks to idle workers, job by job. Returns how many rows were handled."""
    people = matching.waiting()
    if not people:
        return 0
    done = 0
    for job in matching.demand(limit=JOBS):
        here = (people.get(job.specialty), people.get(""))
        if here == (None, None) or _is_barren(job.job_id, here):
            continue
        found = offer_in(job, limit=limit - done)
        if found is None:
            _barren[job.job_id] = (here, time.monotonic())
        done += found or 0
        if done >= limit:
            break
    return done


def _is_barren(job_id: UUID, people: object) -> bool:
    if len(_barren) > 10 * JOBS:
        _barren.clear()
    then = _barren.get(job_id)
    return then is not None and then[0] == people and time.monotonic() - then[1] < BARREN_SECONDS


def offer_in(job: Demand, *, limit: int) -> int | None:
    """Offer tasks of one job; how many offers were made and how many workers sent to rest. None
    when nobody who waits may work in it.
    """
    with transaction.atomic():
        workers = matching.idle(job, limit=limit)
        if not workers:
            return None
        checks = matching.gold(job.job_id, workers)
        found = [
            Match(one, checks[one.worker_id], is_gold=True)
            for one in workers
            if one.worker_id in checks
        ]
        others = [one for one in workers if one.worker_id not in checks]
        work, resting = _work_for(job, others)
        found += _hold(work)
        passing.make(job, found)
        return len(found) + resting


def _work_for(job: Demand, workers: Sequence[matching.Idle]) -> tuple[list[Match], int]:
    """Tasks for workers: of the head of the queue, else of the worker's own walk through it.

    With them the number of workers for whom there was nothing, sent to rest.
    """
    wanted = len(workers) + matching.SLACK
    tasks = matching.head(job.job_id, limit=wanted)
    met = matching.seen(tasks)
    found = matching.pair(workers, tasks, met)
    served = {one.worker.worker_id for one in found}
    # Others may only have come too late for the tasks they could do.
    left = [
        one
        for one in workers
        if one.worker_id not in served and all((task, one.worker_id) in met for task in tasks)
    ]
    if not left:
        return found, 0
    if len(tasks) < wanted:
        return found, _rest([(one.worker_id, 0, True) for one in left], job.job_id)
    used = {one.task_id for one in found}
    rests = []
    for walk in matching.walk(job.job_id, left):
        task = next((pk for pk in walk.tasks if pk not in used), None)
        at_end = walk.walked < matching.WALK
        if task is not None:
            used.add(task)
            found.append(Match(walk.worker, task))
        if task is None or not at_end:
            rests.append((walk.worker.worker_id, 0 if at_end else walk.last, at_end))
    offered = {one.worker.worker_id for one in found}
    return found, _rest(rests, job.job_id, moved_only=offered)


_REST = """
INSERT INTO workers_offerplace AS p (worker_id, job_id, pos, empty_laps, rest_until)
SELECT g.worker_id, %(job)s, g.pos, g.lap::int,
    CASE WHEN g.rests THEN core_now() + make_interval(secs =>
        CASE WHEN g.lap THEN %(lap)s::int ELSE %(walk)s::int END) END
FROM unnest(%(workers)s::uuid[], %(places)s::bigint[], %(laps)s::bool[], %(rests)s::bool[])
    AS g(worker_id, pos, lap, rests)
ON CONFLICT (worker_id, job_id) DO UPDATE SET
    pos = excluded.pos,
    empty_laps = CASE WHEN excluded.rest_until IS NULL THEN 0
        ELSE least(p.empty_laps + excluded.empty_laps, 10) END,
    rest_until = CASE WHEN excluded.rest_until IS NULL OR excluded.empty_laps = 0
        THEN excluded.rest_until
        ELSE core_now() + make_interval(secs =>
            least(%(lap)s::int * 2 ^ p.empty_laps, %(longest)s::int)) END
"""


def _rest(
    places: Sequence[tuple[UUID, int, bool]], job_id: UUID, moved_only: Iterable[UUID] = ()
) -> int:
    """Write down how far workers were looked through: worker, position, whether a lap ended.

    Those in ``moved_only`` got an offer and need no rest. Returns how many rest.
    """
    busy = set(moved_only)
    rests = [pk not in busy for pk, _, _ in places]
    if places:
        facts = {
            "job": job_id,
            "workers": [pk for pk, _, _ in places],
            "places": [pos for _, pos, _ in places],
            "laps": [lap for _, _, lap in places],
            "rests": rests,
            "walk": WALK_REST,
            "lap": LAP_REST,
            "longest": LONGEST_REST,
        }
        _execute(_REST, facts)
    return sum(rests)


_FREE_TASKS = """
SELECT id FROM marketplace_task WHERE id = ANY(%s::uuid[]) AND is_open
ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
"""


def _hold(found: Sequence[Match]) -> list[Match]:
    """Hold a slot for each match, where it is still free and nobody is at the task."""
    if not found:
        return []
    free = [row[0] for row in _rows(_FREE_TASKS, [[one.task_id for one in found]])]
    held = slots.hold(free)
    return [one for one in found if one.task_id in held]


def _rows(sql: str, params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def _execute(sql: str, params: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)
