"""Figures of jobs, counted now and then: progress, the usual overlap, the pace.

Nothing on the claim path touches them. They guide estimates and the opening of tasks; what must
never be wrong (slots, reserves) is enforced elsewhere, so figures a few seconds old do no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from core import clock
from marketplace.models import Job, JobStats

#: Figures older than this are counted again; those of large jobs less often.
FRESH = timedelta(seconds=3)
FRESH_LARGE = timedelta(seconds=30)
LARGE = 200_000

_DUE = """
SELECT j.id FROM marketplace_job j JOIN marketplace_jobstats s ON s.job_id = j.id
WHERE j.state IN ('live', 'paused', 'suspended', 'closing')
  AND s.refreshed_at < core_now() - CASE WHEN s.total_tasks > %(large)s
      THEN %(slow)s::interval ELSE %(fast)s::interval END
ORDER BY s.refreshed_at LIMIT %(limit)s
"""

_COUNT = """
SELECT state, count(*) FROM marketplace_task WHERE job_id = %s AND role = 'work' GROUP BY state
"""

_ANSWERS = """
SELECT coalesce(sum(r.answers), 0), count(*) FROM (
    SELECT r.answers FROM marketplace_resolution r
    JOIN marketplace_task t ON t.id = r.task_id
    WHERE t.job_id = %s AND t.state = 'resolved' AND r.is_current
    LIMIT 5000
) r
"""


@dataclass(frozen=True)
class Progress:
    """Tasks of work by state; ``gold`` is the number of tasks with known answers."""

    total: int
    parked: int
    open: int
    escalated: int
    resolved: int
    cancelled: int
    gold: int


def progress(row: JobStats) -> Progress:
    """The counted progress of a job."""
    return Progress(
        total=row.total_tasks,
        parked=row.parked_tasks,
        open=row.open_tasks,
        escalated=row.escalated_tasks,
        resolved=row.resolved_tasks,
        cancelled=row.cancelled_tasks,
        gold=row.gold_tasks,
    )


def count_in(*, job_id: UUID, parked: int = 0, gold: int = 0) -> None:
    """Enter newly imported tasks in the figures. The caller owns the transaction."""
    JobStats.objects.filter(pk=job_id).update(
        total_tasks=F("total_tasks") + parked,
        parked_tasks=F("parked_tasks") + parked,
        gold_tasks=F("gold_tasks") + gold,
    )


def count_opened(*, job_id: UUID, tasks: int) -> None:
    """Enter newly opened tasks in the figures. The caller owns the transaction."""
    JobStats.objects.filter(pk=job_id).update(
        parked_tasks=F("parked_tasks") - tasks, open_tasks=F("open_tasks") + tasks
    )


def record_pace(*, job_id: UUID, median_seconds: float | None, accepted: int) -> None:
    """Enter what only the labour plane can measure: seconds a task takes, answers accepted."""
    JobStats.objects.filter(pk=job_id).update(median_seconds=median_seconds, accepted=accepted)


def refresh(*, limit: int = 50) -> int:
    """Sweep: count the jobs whose figures are old. Returns how many were counted."""
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"slow": FRESH_LARGE, "fast": FRESH}
        cursor.execute(_DUE, {"large": LARGE, "limit": limit, **values})
        ids = [row[0] for row in cursor.fetchall()]
    for job_id in ids:
        recount(job_id=job_id)
    return len(ids)


def recount(*, job_id: UUID) -> JobStats:
    """Count one job's tasks by state. The figures' row is locked before the count is taken."""
    with transaction.atomic():
        row = JobStats.objects.select_for_update().get(pk=job_id)
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, [job_id])
            counts: dict[str, int] = dict(cursor.fetchall())
            cursor.execute(_ANSWERS, [job_id])
            answers, counted = cursor.fetchone()
        row.parked_tasks = counts.get("parked", 0)
        row.open_tasks = counts.get("open", 0)
        row.escalated_tasks = counts.get("escalated", 0)
        row.resolved_tasks = counts.get("resolved", 0)
        row.cancelled_tasks = counts.get("cancelled", 0)
        row.total_tasks = sum(counts.values())
        # Of large jobs a part is enough for the usual number of answers.
        share = row.resolved_tasks / counted if counted else 1
        row.answers = round(answers * share)
        row.refreshed_at = clock.now()
        row.save(
            update_fields=[
                "total_tasks",
                "parked_tasks",
                "open_tasks",
                "escalated_tasks",
                "resolved_tasks",
                "cancelled_tasks",
                "answers",
                "refreshed_at",
            ]
        )
        return row


def create(*, job: Job) -> JobStats:
    """The figures of a new job."""
    return JobStats.objects.create(job=job, refreshed_at=clock.now())
