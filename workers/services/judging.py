"""Judging: recorded answers become evidence, votes and, in time, pay. A sweep over rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from core import clock
from marketplace.services import judgements
from workers.models import Assignment

from . import reputation

BATCH = 500

_DUE = """
    SELECT a.id, a.job_id, n.id AS annotation_id
    FROM workers_assignment a JOIN marketplace_annotation n ON n.assignment_ref = a.id
    WHERE a.state = 'submitted' AND a.judged_at IS NULL AND a.judge_after <= core_now()
    ORDER BY a.judge_after LIMIT %s
    FOR UPDATE OF a SKIP LOCKED
"""

# In AUTO a valid answer is accepted at its first judging: pay never waits for other workers. In
# REVIEW gold waits as long as work does, or whoever is paid at once would know what was gold.
_JUDGED = """
    UPDATE workers_assignment a SET
        judged_at = %(now)s,
        grade = g.grade,
        settle_after = CASE WHEN j.acceptance = 'review'
            THEN a.submitted_at + make_interval(days => j.review_days) ELSE %(now)s END
    FROM unnest(%(ids)s::uuid[], %(grades)s::float8[]) AS g(id, grade), marketplace_job j
    WHERE a.id = g.id AND j.id = a.job_id
"""


def judge_batch(*, limit: int = BATCH) -> int:
    """Sweep: judge one batch of submitted answers, gold first, in one transaction.

    Order: record the answers as counted and grade the gold ones; update the authors' skills from
    those grades; decide the touched tasks with the new skills; set when each answer is settled.
    Returns the number of answers judged. Two sweeps side by side take different answers; a task
    touched by both is locked by the first and decided again by the second.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_DUE, [limit])
            due = cursor.fetchall()
        if not due:
            return 0
        now = clock.now()
        admitted = judgements.admit([annotation for _, _, annotation in due], now=now)
        reputation.record_grades(
            [
                reputation.GradeFact(
                    worker_id=outcome.author_ref,
                    specialty=outcome.specialty,
                    grade=outcome.grade,
                    kind=outcome.kind,
                    n_classes=outcome.n_classes,
                    floor=outcome.floor,
                )
                for outcome in admitted.gold
            ],
            now=now,
        )
        if admitted.tasks:
            facts = reputation.facts(admitted.authors)
            judgements.resolve(admitted.tasks, facts, now=now)
        grades = {outcome.assignment_ref: outcome.grade for outcome in admitted.gold}
        _mark([pk for pk, _, _ in due], grades, now)
        return len(due)


def _mark(ids: Sequence[UUID], grades: dict[UUID, float], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _JUDGED, {"now": now, "ids": list(ids), "grades": [grades.get(pk) for pk in ids]}
        )


def oldest_due() -> float | None:
    """Age in seconds of the oldest answer that waits to be judged, or None."""
    now = clock.now()
    first = (
        Assignment.objects.filter(
            state=Assignment.State.SUBMITTED, judged_at=None, judge_after__lte=now
        )
        .order_by("judge_after")
        .values_list("judge_after", flat=True)
        .first()
    )
    return None if first is None else (now - first).total_seconds()
