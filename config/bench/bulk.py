"""Claims and answers in bulk, as the hot statements would have left them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson
from django.db import connection, transaction

from config.bench import ground
from marketplace.models import Job
from workers.services import submissions

# Worker k of every task in turn, priced by the worker's place as the claim prices.
_ASSIGN = """
WITH people AS (
    SELECT id AS worker_id, n - 1 AS n FROM unnest(%(people)s::uuid[]) WITH ORDINALITY AS p(id, n)
),
tasks AS (
    SELECT t.*, row_number() OVER (ORDER BY t.pos) - 1 AS n FROM marketplace_task t
    WHERE t.job_id = %(job)s AND t.is_open ORDER BY t.pos LIMIT %(tasks)s
),
made AS (
    INSERT INTO workers_assignment (
        id, job_id, task_id, worker_id, role, state, lane, claimed_at, expires_at, submitted_at,
        answer_hash, judge_after, extensions, is_late, draft_version, reject_reason,
        reject_evidence, currency, units, unit_price, tier, tier_lower_bound, specialty_factor,
        floor_per_hour_micros, seconds_per_unit, fee_rate, card_version,
        guaranteed_micros, bonus_max_micros, fee_micros, reserve_micros)
    SELECT {new_id}, j.id, t.id, p.worker_id, 'work', %(state)s::text, 0,
        core_now() - interval '1 hour', core_now() - make_interval(secs => 1 + t.n * 0.001),
        CASE WHEN %(state)s::text = 'submitted' THEN core_now() END, %(hash)s::bytea,
        CASE WHEN %(state)s::text = 'submitted' THEN core_now() END,
        0, false, 0, '', '', j.currency, t.units, p_job.unit_price, p_job.tier,
        p_job.tier_lower_bound, p_job.specialty_factor, p_job.floor_per_hour_micros,
        j.seconds_per_unit, p_job.fee_rate, p_job.card_version,
        q.guaranteed, 0, (ceil(q.guaranteed * p_job.fee_rate / 100) * 100)::bigint,
        t.slot_reserve_micros
    FROM tasks t
    CROSS JOIN generate_series(0, %(each)s::int - 1) AS k
    JOIN people p ON p.n = (t.n * %(each)s::int + k) %% %(count)s::int::int
    JOIN marketplace_job j ON j.id = t.job_id
    JOIN workers_workerjob p_job ON p_job.job_id = j.id AND p_job.worker_id = p.worker_id
    CROSS JOIN LATERAL (SELECT greatest(
        round(p_job.unit_price * t.units / 100) * 100,
        ceil(p_job.floor_per_hour_micros * j.seconds_per_unit * t.units / 360000) * 100
    )::bigint AS guaranteed) q
    RETURNING id, task_id, worker_id
),
said AS (
    INSERT INTO marketplace_annotation (
        id, task_id, interface_id, assignment_ref, author_ref, answer, is_late, is_counted,
        is_excluded, round, created_at)
    SELECT {new_id}, made.task_id, %(interface)s::uuid, made.id, made.worker_id, %(answer)s::jsonb,
        false, false, false, 1, core_now()
    FROM made WHERE %(state)s::text = 'submitted'
)
UPDATE marketplace_task t SET taken = t.taken + %(each)s::int, remaining = t.remaining - %(each)s::int,
    is_open = t.remaining > %(each)s::int
FROM tasks WHERE t.id = tasks.id
"""


def claimed(made: Job, people: Sequence[ground.Hand]) -> int:
    """One overdue claim of each worker, each of another task; how many."""
    _assign(made, people, tasks=len(people), each=1, state="claimed", answer=None)
    return len(people)


def submitted(made: Job, people: Sequence[ground.Hand], *, tasks: int) -> int:
    """The job's overlap of equal answers to each of so many tasks, not judged yet; how many."""
    _assign(made, people, tasks=tasks, each=made.kmin, state="submitted", answer=ground.ANSWER)
    return tasks * made.kmin


def _assign(
    made: Job,
    people: Sequence[ground.Hand],
    *,
    tasks: int,
    each: int,
    state: str,
    answer: dict[str, Any] | None,
) -> None:
    text, digest = orjson.dumps(answer).decode(), None
    if answer is not None:
        text, digest = submissions.canonical(made.interface_id, answer)
        assert digest == hashlib.sha256(text.encode()).digest()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _ASSIGN.format(new_id=ground.new_id_sql()),
            {
                "job": made.pk,
                "people": [hand.worker for hand in people],
                "count": len(people),
                "tasks": tasks,
                "each": each,
                "state": state,
                "answer": text,
                "hash": digest,
                "interface": made.interface_id,
            },
        )
