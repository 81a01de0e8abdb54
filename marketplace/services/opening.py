"""Opening parked tasks: as many as the job's budget can see through to the end.

A task opens with its first slots reserved. The rest of what it may cost is not reserved, but
expected: new tasks open only while the free budget also covers finishing those already open, so
that a job that runs out of money leaves few tasks half done. Half-done tasks go first and need no
more than the one slot that they wait for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from marketplace.models import Job, JobStats
from marketplace.services import estimates, rounds, slots, stats, webhooks
from payments.services import escrow

#: Tasks opened in one transaction.
BATCH = 10_000
OUT_OF_BUDGET = "out_of_budget"

_DUE = """
SELECT j.id FROM marketplace_job j
WHERE j.state = 'live' AND j.purpose = 'work' AND EXISTS (
    SELECT 1 FROM marketplace_task t WHERE t.job_id = j.id AND t.state = 'parked'
)
ORDER BY j.priority DESC, j.id LIMIT 500
"""

_FIRST = """
SELECT slot_reserve_micros, wanted = 0 FROM marketplace_task
WHERE job_id = %s AND state = 'parked' ORDER BY pos, id LIMIT 1
"""

_PICK = """
WITH next AS MATERIALIZED (
    SELECT id, pos, slot_reserve_micros AS reserve, wanted = 0 AS is_new,
        CASE WHEN wanted = 0 THEN %(kmin)s ELSE 1 END AS n
    FROM marketplace_task
    WHERE job_id = %(job)s AND state = 'parked'
    ORDER BY pos, id LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
),
summed AS (
    SELECT id, n, is_new,
        sum(n * reserve) OVER upto AS reserved,
        sum(n * reserve + CASE WHEN is_new THEN %(later)s::numeric * reserve ELSE 0 END) OVER upto
            AS needed
    FROM next WINDOW upto AS (ORDER BY pos, id)
)
SELECT coalesce(array_agg(id), '{}'), coalesce(array_agg(n), '{}'),
    coalesce(max(reserved), 0)::bigint
FROM summed
WHERE CASE WHEN is_new THEN needed <= %(spare)s ELSE reserved <= %(free)s END
"""

_OPEN = """
UPDATE marketplace_task t SET
    state = 'open', state_changed_at = core_now(), is_open = true,
    wanted = t.wanted + g.n, remaining = g.n,
    is_audit = CASE WHEN t.opened_at IS NULL THEN random() < %(audit)s ELSE t.is_audit END,
    -- Cursors may have passed a half-done task: it joins again at the tail.
    pos = CASE WHEN t.opened_at IS NULL THEN t.pos ELSE nextval('marketplace_task_pos_seq') END,
    opened_at = coalesce(t.opened_at, core_now())
FROM unnest(%(ids)s::uuid[], %(counts)s::smallint[]) AS g(id, n)
WHERE t.id = g.id
"""


@dataclass(frozen=True)
class _Money:
    """What a job can spend: all of it, and what is left when open tasks are seen through."""

    free: int
    spare: int
    later: Any


def open_parked(*, limit: int = BATCH) -> int:
    """Sweep: open parked tasks of live jobs, at most ``limit`` of each job in one transaction.

    Returns how many tasks were opened. A job in which nothing could open for want of budget gets
    its alert, and the requester a notice, once. Safe to run twice and side by side: the job's row
    is locked, and a job that somebody else has locked is passed over. One that breaks is logged and
    the others go on.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        ids = [row[0] for row in cursor.fetchall()]

    def turn(job_id: UUID) -> int:
        return open_job(job_id=job_id, limit=limit)

    return rounds.play((job_id, turn) for job_id in ids)


def open_job(*, job_id: UUID, limit: int = BATCH) -> int:
    """Open one batch of one job's parked tasks; how many. Nothing when it is not live."""
    with transaction.atomic():
        job = (
            Job.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
            .select_related("stats")
            .filter(pk=job_id, state=Job.State.LIVE, purpose=Job.Purpose.WORK)
            .first()
        )
        if job is None:
            return 0
        with connection.cursor() as cursor:
            cursor.execute(_FIRST, [job_id])
            first = cursor.fetchone()
        if first is None:
            return 0
        reserve, is_new = first
        money = _money(job, job.stats, reserve)
        need = reserve * (job.kmin + money.later) if is_new else reserve
        if need > (money.spare if is_new else money.free):
            _alert(job)
            return 0
        # Locking far more rows than can open would only make others wait.
        likely = limit if not need else min(limit, int(2 * money.free / need) + 100)
        opened = _open(job, money, likely)
        if opened and job.budget_alert:
            Job.objects.filter(pk=job.pk).update(budget_alert="")
        return opened


def _money(job: Job, figures: JobStats, reserve: int) -> _Money:
    free = escrow.free(job.pk)
    later = estimates.later_slots(job, figures)
    return _Money(free, free - round(figures.open_tasks * later * reserve), later)


def _open(job: Job, money: _Money, limit: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            _PICK,
            {
                "job": job.pk,
                "kmin": job.kmin,
                "later": money.later,
                "free": money.free,
                "spare": money.spare,
                "limit": limit,
            },
        )
        ids, counts, total = cursor.fetchone()
        if not ids:
            return 0
        if total and not escrow.reserve(job_id=job.pk, line=slots.LINE, amount_micros=total):
            return 0  # the budget went elsewhere since it was read; the next round sees
        cursor.execute(_OPEN, {"ids": ids, "counts": counts, "audit": estimates.audit_share(job)})
    stats.count_opened(job_id=job.pk, tasks=len(ids))
    return len(ids)


def _alert(job: Job) -> None:
    if job.budget_alert == OUT_OF_BUDGET:
        return
    Job.objects.filter(pk=job.pk).update(budget_alert=OUT_OF_BUDGET)
    webhooks.queue(
        organization_id=job.organization_id,
        event_type="job.budget_alert",
        payloads=[{"job": str(job.pk), "alert": OUT_OF_BUDGET}],
    )
