"""Who fits which task: the idle who may work in a job, best first, and the tasks that they did
neither do nor see offered.

Every statement here is bounded by the batch, whatever the size of the job; what it locks (idle
workers, and only those) no claim ever locks.
"""

# ruff: noqa: S608 - put together from the constants of this file

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

#: Open tasks looked at beyond one for each worker.
SLACK = 50
#: Open tasks of one worker's own walk, where the head of the queue had nothing for them.
WALK = 50
#: Seconds of waiting that weigh as much as the whole range of quality.
PATIENCE_SECONDS = 600
#: The quality of a worker of whom nothing is known yet.
UNKNOWN_QUALITY = 0.5


@dataclass(frozen=True, slots=True)
class Demand:
    """A live job that looks for workers, with what it asks of them."""

    job_id: UUID
    specialty: str
    organization_id: UUID
    required_qualifications: list[UUID]
    languages: list[str]
    kmin: int


@dataclass(frozen=True, slots=True)
class Idle:
    """A worker who waits, since when, and whether they are new."""

    worker_id: UUID
    idle_since: datetime
    is_newcomer: bool


@dataclass(frozen=True, slots=True)
class Match:
    """A task for a worker. ``is_gold``: it holds no slot."""

    worker: Idle
    task_id: UUID
    is_newcomer_share: bool = False
    is_gold: bool = False


@dataclass(frozen=True, slots=True)
class Walk:
    """What one worker's walk found: their tasks in order, how many were passed, and the last."""

    worker: Idle
    tasks: list[UUID]
    walked: int
    last: int


_DEMAND = """
SELECT j.id, j.specialty, j.organization_id, j.required_qualifications, j.languages, j.kmin
FROM marketplace_job j
WHERE j.state = 'live' AND j.purpose = 'work' AND (%(play)s OR NOT j.sandbox)
"""

#: Whether job `j` has an open task: one probe of the claim's index, whatever the planner thinks.
HAS_OPEN = """
(SELECT t.pos FROM marketplace_task t WHERE t.job_id = j.id AND t.is_open ORDER BY t.pos LIMIT 1)
    IS NOT NULL
"""

_OPEN = f"""
AND {HAS_OPEN}
ORDER BY j.priority DESC, j.base_rate_micros DESC, j.id LIMIT %(limit)s
"""

_WAITING = """
SELECT coalesce(s.name, ''), count(*), max(v.idle_since)
FROM workers_availability v LEFT JOIN LATERAL unnest(v.specialties) AS s(name) ON true
WHERE NOT v.is_busy AND v.until > core_now()
GROUP BY 1
"""

# The lock is taken on the rows chosen, and whether they are idle is looked at again under it. OFFSET
# 0 keeps the questions index probes for each row looked at: as joins they would hang on statistics,
# and who is idle changes faster than those.
_IDLE = """
WITH fit AS MATERIALIZED (
    SELECT v.worker_id, v.idle_since, w.accepted_count < %(newcomer_below)s AS is_newcomer,
        coalesce(s.q_low, %(unknown)s::float8)
            + extract(epoch FROM core_now() - v.idle_since)::float8 / %(patience)s AS score
    FROM workers_availability v
    JOIN workers_worker w ON w.user_id = v.worker_id
    LEFT JOIN workers_skillrecord s
        ON s.worker_id = v.worker_id AND s.specialty = %(specialty)s
    WHERE NOT v.is_busy AND v.until > core_now()
      AND (v.specialties = '{}' OR %(specialty)s = ANY(v.specialties))
      AND NOT w.is_suspended AND NOT coalesce(s.is_suspended, false)
      AND (%(languages)s::text[] = '{}' OR EXISTS (
          SELECT 1 FROM unnest(w.languages) AS l(tag)
          WHERE l.tag = ANY(%(languages)s) OR split_part(l.tag, '-', 1) = ANY(%(languages)s)))
      AND NOT EXISTS (
          SELECT 1 FROM unnest(%(qualifications)s::uuid[]) AS q(id)
          WHERE NOT EXISTS (
              SELECT 1 FROM workers_grant g
              WHERE g.worker_id = v.worker_id AND g.qualification_id = q.id
                AND g.revoked_at IS NULL
                AND (g.expires_at IS NULL OR g.expires_at > core_now())
              OFFSET 0))
      AND NOT EXISTS (
          SELECT 1 FROM workers_offerplace p
          WHERE p.worker_id = v.worker_id AND p.job_id = %(job)s AND p.rest_until > core_now()
          OFFSET 0)
      AND NOT EXISTS (
          SELECT 1 FROM workers_assignment a
          WHERE a.worker_id = v.worker_id AND a.state = 'claimed' OFFSET 0)
      AND NOT EXISTS (
          SELECT 1 FROM workers_offer o
          WHERE o.worker_id = v.worker_id AND o.state = 'offered' OFFSET 0)
      AND NOT EXISTS (
          SELECT 1 FROM core_membership m
          WHERE m.user_id = v.worker_id AND m.organization_id = %(organization)s OFFSET 0)
),
ranked AS (
    SELECT worker_id, is_newcomer, row_number() OVER (ORDER BY score DESC, worker_id) AS place,
        row_number() OVER (PARTITION BY is_newcomer ORDER BY idle_since, worker_id) AS turn
    FROM fit
)
SELECT v.worker_id, v.idle_since, r.is_newcomer
FROM ranked r JOIN workers_availability v ON v.worker_id = r.worker_id
WHERE (r.place <= %(limit)s OR (r.is_newcomer AND r.turn <= %(newcomers)s))
  AND NOT v.is_busy AND v.until > core_now()
ORDER BY r.place
FOR UPDATE OF v SKIP LOCKED
"""

_HEAD = """
SELECT t.id FROM marketplace_task t WHERE t.job_id = %s AND t.is_open ORDER BY t.pos LIMIT %s
"""

_SEEN = """
SELECT task_id, worker_id FROM workers_assignment WHERE task_id = ANY(%(tasks)s::uuid[])
UNION ALL
SELECT task_id, worker_id FROM workers_offer WHERE task_id = ANY(%(tasks)s::uuid[])
"""

_UNSEEN = """
    NOT EXISTS (
        SELECT 1 FROM workers_assignment a WHERE a.task_id = t.id AND a.worker_id = {worker}
        OFFSET 0
    ) AND NOT EXISTS (
        SELECT 1 FROM workers_offer o WHERE o.task_id = t.id AND o.worker_id = {worker}
        OFFSET 0
    )
"""

_WALK = f"""
WITH here AS MATERIALIZED (
    SELECT w.id AS worker_id, coalesce(p.pos, 0) AS pos
    FROM unnest(%(workers)s::uuid[]) AS w(id)
    LEFT JOIN workers_offerplace p ON p.worker_id = w.id AND p.job_id = %(job)s
)
SELECT here.worker_id, found.ids, found.walked, found.last
FROM here CROSS JOIN LATERAL (
    SELECT count(*) AS walked, coalesce(max(t.pos), 0) AS last,
        coalesce(array_agg(t.id ORDER BY t.pos) FILTER (WHERE t.is_unseen), '{{}}') AS ids
    FROM (
        SELECT t.id, t.pos, {_UNSEEN.format(worker="here.worker_id")} AS is_unseen
        FROM (
            SELECT t.id, t.pos FROM marketplace_task t
            WHERE t.job_id = %(job)s AND t.is_open AND t.pos > here.pos
            ORDER BY t.pos LIMIT %(walk)s
        ) t
    ) t
) found
"""

# As the claim does it, but nothing is taken before the offer is accepted.
_GOLD = f"""
SELECT wj.worker_id, gold.id
FROM workers_workerjob wj
CROSS JOIN LATERAL (
    SELECT t.id FROM marketplace_task t
    WHERE t.job_id = wj.job_id AND t.role = 'gold' AND t.state = 'open' AND t.pos > wj.gold_pos
      AND t.slot_reserve_micros <= wj.gold_unit_micros AND {_UNSEEN.format(worker="wj.worker_id")}
    ORDER BY t.pos LIMIT 1
) gold
WHERE wj.job_id = %(job)s AND wj.worker_id = ANY(%(workers)s::uuid[])
  AND wj.gold_credit > 0 AND random() < wj.gold_share
"""


def _rows(sql: str, params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def waiting() -> dict[str, tuple[int, datetime]]:
    """How many workers wait for each specialty ("" is any), and since when the last of them."""
    return {name: (count, newest) for name, count, newest in _rows(_WAITING, None)}


def demand(*, limit: int) -> list[Demand]:
    """Live jobs with a free slot: by priority, then pay."""
    facts = {"play": settings.OFFER_PLAY_MONEY, "limit": limit}
    return [Demand(*row) for row in _rows(_DEMAND + _OPEN, facts)]


def demand_of(job_ids: Sequence[UUID]) -> dict[UUID, Demand]:
    """Those of these jobs that are live."""
    facts = {"play": settings.OFFER_PLAY_MONEY, "ids": list(job_ids)}
    rows = _rows(_DEMAND + "AND j.id = ANY(%(ids)s::uuid[])", facts)
    return {row[0]: Demand(*row) for row in rows}


def idle(job: Demand, *, limit: int) -> list[Idle]:
    """Idle workers who may work in a job, locked, best first: quality, and time spent waiting.

    At most ``limit``, and beside them the newcomers who wait longest, for their share.
    """
    facts = {
        "job": job.job_id,
        "specialty": job.specialty,
        "organization": job.organization_id,
        "qualifications": job.required_qualifications,
        "languages": job.languages,
        "newcomer_below": settings.OFFER_NEWCOMER_BELOW,
        "unknown": UNKNOWN_QUALITY,
        "patience": float(PATIENCE_SECONDS),
        "limit": limit,
        "newcomers": int(limit * settings.OFFER_NEWCOMER_SHARE) + 1,
    }
    return [Idle(*row) for row in _rows(_IDLE, facts)]


def head(job_id: UUID, *, limit: int) -> list[UUID]:
    """The first open tasks of a job's queue."""
    return [row[0] for row in _rows(_HEAD, [job_id, limit])]


def seen(task_ids: Sequence[UUID]) -> set[tuple[UUID, UUID]]:
    """Pairs of task and worker that met before: claimed, answered or offered."""
    return set(_rows(_SEEN, {"tasks": list(task_ids)})) if task_ids else set()


def walk(job_id: UUID, workers: Sequence[Idle]) -> list[Walk]:
    """Each worker's own walk through the open tasks, from where their last one ended."""
    by_id = {worker.worker_id: worker for worker in workers}
    rows = _rows(_WALK, {"job": job_id, "workers": list(by_id), "walk": WALK})
    return [Walk(by_id[pk], ids, walked, last) for pk, ids, walked, last in rows]


def gold(job_id: UUID, workers: Sequence[Idle]) -> dict[UUID, UUID]:
    """Whom to check with a known answer this time, and with which task: by their gold share."""
    found = [worker.worker_id for worker in workers]
    return dict(_rows(_GOLD, {"job": job_id, "workers": found})) if found else {}


def pair(
    workers: Sequence[Idle], tasks: Sequence[UUID], met: set[tuple[UUID, UUID]]
) -> list[Match]:
    """Give each worker in turn the first task that they have not met; a task to one worker."""
    free = list(tasks)
    found = []
    for worker, is_share in in_turn(workers):
        if not free:
            break
        for number, task_id in enumerate(free):
            if (task_id, worker.worker_id) not in met:
                found.append(Match(worker, free.pop(number), is_share))
                break
    return found


def in_turn(workers: Sequence[Idle], *, phase: float | None = None) -> Iterator[tuple[Idle, bool]]:
    """The workers as they are served: the best first, but every so many a newcomer by waiting time.

    The second of each pair says whether the worker was served out of the newcomers' share. A random
    phase gives the newcomers their share of small batches too.
    """
    share = settings.OFFER_NEWCOMER_SHARE
    at = random.random() if phase is None else phase  # noqa: S311 - no secret
    left = {worker.worker_id for worker in workers}
    newcomers = sorted(
        (one for one in workers if one.is_newcomer), key=lambda one: one.idle_since, reverse=True
    )
    best = list(reversed(workers))
    while left:
        at += share
        queue, is_share = best, False
        if at >= 1:
            at -= 1
            if newcomers:
                queue, is_share = newcomers, True
        while queue and queue[-1].worker_id not in left:
            queue.pop()
        if queue:
            worker = queue.pop()
            left.remove(worker.worker_id)
            yield worker, is_share
