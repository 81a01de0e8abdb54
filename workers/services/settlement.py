"""Paying: accepted and credited in one transaction, in batches of one job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from core import clock
from marketplace.models import Job
from marketplace.services import rounds
from payments.services import earnings
from workers.models import Assignment, Worker

from . import quotes

BATCH = 500
PROVEN_AFTER = 20  # accepted answers after which a worker's hold is the shorter one

# A probe for each running job, however much waits in one of them.
_DUE_JOBS = """
    SELECT j.id FROM marketplace_job j
    WHERE j.state IN ('live', 'paused', 'suspended', 'closing') AND EXISTS (
        SELECT 1 FROM workers_assignment a
        WHERE a.job_id = j.id AND a.state = 'submitted' AND a.judged_at IS NOT NULL
          AND a.settle_after <= core_now())
    LIMIT 50
"""

_DUE = """
    SELECT id FROM workers_assignment
    WHERE job_id = %s AND state = 'submitted' AND judged_at IS NOT NULL
      AND settle_after <= core_now()
    ORDER BY settle_after LIMIT %s
    FOR UPDATE SKIP LOCKED
"""

# In order of id, so that two batches of different jobs cannot wait for each other.
_COUNT = """
    WITH found AS MATERIALIZED (
        SELECT w.user_id, g.n FROM unnest(%(ids)s::uuid[], %(counts)s::int[]) AS g(id, n)
        JOIN workers_worker w ON w.user_id = g.id
        ORDER BY w.user_id FOR NO KEY UPDATE OF w
    )
    UPDATE workers_worker w SET accepted_count = w.accepted_count + found.n
    FROM found WHERE w.user_id = found.user_id
"""


def sweep(*, limit: int = BATCH) -> int:
    """Sweep: accept and pay what is due, one batch for each job that has something due.

    Returns the number of assignments accepted. Silence accepts: in a REVIEW job ``settle_after`` is
    the end of the review window, and nothing but a rejection takes an answer out of this sweep. A
    job that cannot be settled does not keep the others waiting.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DUE_JOBS)
        jobs = [row[0] for row in cursor.fetchall()]

    def settle(job_id: UUID) -> int:
        return settle_job(job_id=job_id, limit=limit)

    return rounds.play((job_id, settle) for job_id in jobs)


def settle_job(*, job_id: UUID, limit: int = BATCH) -> int:
    """Accept and credit one batch of a job. ACCEPTED and the earning commit together or not at all.

    Batches of one job run one after the other (they share the job's escrow row); a second sweep
    leaves at once. Returns the number of assignments accepted.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 7))", [str(job_id)])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(_DUE, [job_id, limit])
        ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return 0
        now = clock.now()
        job = Job.objects.get(pk=job_id)
        rows = list(Assignment.objects.filter(pk__in=ids).order_by("id"))
        workers = Worker.objects.in_bulk({row.worker_id for row in rows})
        earnings.credit([accepted_work(row, job, workers[row.worker_id]) for row in rows], now=now)
        Assignment.objects.filter(pk__in=ids).update(
            state=Assignment.State.ACCEPTED, settled_at=now
        )
        count_accepted(rows)
        return len(rows)


def count_accepted(rows: Sequence[Assignment]) -> None:
    """Add accepted answers to their workers' counts."""
    counts = Counter(row.worker_id for row in rows)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"ids": list(counts), "counts": list(counts.values())})


def accepted_work(
    row: Assignment, job: Job, worker: Worker, *, line: str | None = None
) -> earnings.AcceptedWork:
    """What an accepted answer is paid, out of the escrow line that its role says or ``line``."""
    proven = worker.accepted_count >= PROVEN_AFTER
    notes = [] if not row.is_late else ["submitted late"]
    if worker.is_suspended:
        notes.append("worker suspended")
    return earnings.AcceptedWork(
        assignment_id=row.pk,
        worker_id=row.worker_id,
        job_id=job.pk,
        organization_id=job.organization_id,
        quote=quote_of(row, job),
        amount_micros=row.guaranteed_micros,
        fee_micros=row.fee_micros,
        reserve_micros=row.reserve_micros,
        line=line or ("gold" if row.role == Assignment.Role.GOLD else "work"),
        hold_days=settings.HOLD_DAYS_PROVEN if proven else settings.HOLD_DAYS_NEW,
        hold_reason="proven worker" if proven else "new worker",
        risk_notes=notes,
    )


def quote_of(row: Assignment, job: Job) -> dict[str, Any]:
    """The frozen quote of an assignment as the receipt keeps it; decimals are strings."""
    return {
        **quotes.terms(job),
        "currency": row.currency,
        "units": str(row.units),
        "unit_price": str(row.unit_price),
        "specialty_factor": str(row.specialty_factor),
        "tier": str(row.tier),
        "tier_lower_bound": None if row.tier_lower_bound is None else str(row.tier_lower_bound),
        "floor_per_hour_micros": row.floor_per_hour_micros,
        "seconds_per_unit": str(row.seconds_per_unit),
        "fee_rate": str(row.fee_rate),
        "guaranteed_micros": row.guaranteed_micros,
        "bonus_max_micros": row.bonus_max_micros,
        "fee_micros": row.fee_micros,
        "card_version": row.card_version,
    }
