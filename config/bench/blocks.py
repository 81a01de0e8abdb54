"""Blocks that one claim touches: whatever the number of open tasks, and of those already done."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection

from config.bench import ground
from core.ids import new_id
from marketplace.models import Job
from workers import statements

SAMPLES = 40

# The worker answered the first tasks of the queue, and stands behind them.
_DONE = """
INSERT INTO workers_assignment (
    id, job_id, task_id, worker_id, role, state, lane, claimed_at, expires_at, returned_at,
    extensions, is_late, draft_version, reject_reason, reject_evidence,
    currency, units, unit_price, tier, specialty_factor, floor_per_hour_micros, seconds_per_unit,
    fee_rate, card_version, guaranteed_micros, bonus_max_micros, fee_micros, reserve_micros)
SELECT {new_id}, t.job_id, t.id, %(worker)s, 'work', 'returned', 0, core_now(), core_now(),
    core_now(), 0, false, 0, '', '',
    p_job.currency, 1, 1, 1, 1, 0, p_job.seconds_per_unit, 0, p_job.card_version, 0, 0, 0, 0
FROM marketplace_task t JOIN marketplace_job p_job ON p_job.id = t.job_id
WHERE t.job_id = %(job)s ORDER BY t.pos LIMIT %(count)s
"""

_STAND_BEHIND = """
UPDATE workers_workerjob SET pos = coalesce((
    SELECT max(t.pos) FROM marketplace_task t
    JOIN workers_assignment a ON a.task_id = t.id AND a.worker_id = %(worker)s
    WHERE t.job_id = %(job)s
), 0) WHERE job_id = %(job)s AND worker_id = %(worker)s
"""


@dataclass(frozen=True)
class Sample:
    """Blocks of one claim, and what it did: ``got`` a task, or walked ``walked`` entries."""

    blocks: int
    got: bool
    walked: int


def growth(house: ground.House, sizes: tuple[int, ...]) -> dict[str, float]:
    """Blocks of a claim that gets a task, by the number of open tasks."""
    found = {}
    for size in sizes:
        ground.say(f"  blocks: {size:,} open tasks")
        made = ground.job(house, tasks=size, budget_micros=20_000_000_000)
        people = ground.hands(4)
        ground.seat(made, people)
        ground.settle_down()
        samples = [
            sample
            for hand in people
            for sample in claims(made, hand.worker, SAMPLES // len(people))
            if sample.got
        ]
        found[f"open_{size}"] = _middle(samples)
    return found


def diligence(house: ground.House, tasks: int = 20_000) -> dict[str, float]:
    """Blocks of a claim by the share of the open tasks that this worker has done.

    ``done_all`` is the claim that finds nothing ahead; ``lap`` walks over done entries again.
    """
    found: dict[str, float] = {}
    made = ground.job(house, tasks=tasks)
    shares = {"done_0": 0, "done_99": tasks * 99 // 100, "done_all": tasks}
    for name, count in shares.items():
        ground.say(f"  blocks: {count:,} of {tasks:,} open tasks done by the worker")
        hand = ground.hands(1)[0]
        ground.seat(made, [hand])
        values: dict[str, Any] = {"job": made.pk, "worker": hand.worker, "count": count}
        with connection.cursor() as cursor:
            cursor.execute(_DONE.format(new_id=ground.new_id_sql()), values)
            cursor.execute(_STAND_BEHIND, values)
        ground.settle_down()
        samples = claims(made, hand.worker, SAMPLES)
        if name != "done_all":
            found[name] = _middle([sample for sample in samples if sample.got])
            continue
        found[name] = _middle([sample for sample in samples if not sample.walked])
        found["lap"] = _middle([sample for sample in samples if sample.walked])
    return found


def claims(made: Job, worker: UUID, count: int) -> list[Sample]:
    """Claim so many times as one worker; each claim is returned before the next."""
    values = {"job": made.pk, "worker": worker, "ahead": False, "hinted": False}
    samples = []
    with psycopg.connect(ground.url(), autocommit=True) as own:
        for _ in range(count):
            own.execute(
                "UPDATE workers_workerjob SET next_lap_at = NULL WHERE job_id = %s AND worker_id = %s",
                [made.pk, worker],
            )
            assignment = new_id()
            before = own.execute(
                "SELECT pos FROM workers_workerjob WHERE job_id = %s AND worker_id = %s",
                [made.pk, worker],
            ).fetchone()
            plan = own.execute(
                "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + statements.CLAIM,
                {**values, "assignment": assignment},
            ).fetchone()
            assert plan is not None
            assert before is not None
            got = own.execute(
                "UPDATE workers_assignment SET state = 'returned', returned_at = core_now()"
                " WHERE id = %s",
                [assignment],
            ).rowcount
            samples.append(Sample(_buffers(plan[0][0]["Plan"]), got == 1, _walked(plan[0][0])))
    return samples


def _buffers(plan: dict[str, Any]) -> int:
    """Blocks of the statement and everything under it; the top node counts them all."""
    return int(plan.get("Shared Hit Blocks", 0)) + int(plan.get("Shared Read Blocks", 0))


def _walked(explained: dict[str, Any]) -> int:
    """Rows that the walk along the queue looked at: the scan under the CTE ``edge``."""
    edge = _find(explained["Plan"], "CTE edge")
    return 0 if edge is None else int(edge["Plans"][0].get("Actual Rows", 0))


def _find(plan: dict[str, Any], name: str) -> dict[str, Any] | None:
    if plan.get("Subplan Name") == name:
        return plan
    for part in plan.get("Plans", ()):
        if (found := _find(part, name)) is not None:
            return found
    return None


def _middle(samples: list[Sample]) -> float:
    return float(statistics.median(sample.blocks for sample in samples)) if samples else 0.0
