"""Answers that wait for their requester's review, for trials."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marketplace.models import Job
from tests.factories import workers as people
from workers.models import Assignment, Contest
from workers.services import contests, reviews

EVIDENCE = "Line one says the contrary."


def reviewed_job(count: int = 1, **fields: Any) -> Job:
    """A job of real money whose answers are reviewed; one answer a task unless said otherwise."""
    quality = fields.pop("quality", {"kmin": 1, "kmax": 1})
    return people.paying(
        count,
        acceptance="review",
        undo_seconds=0,
        quality=quality,
        **{"auto_close": True, **fields},
    )


def to_review(job: Job, who: people.Person, answer: Any = people.YES) -> Assignment:
    """An answer that awaits review."""
    row = people.answered(job, who, answer)
    people.judge_all()
    row.refresh_from_db()
    return row


def reject(row: Assignment, **how: Any) -> Assignment:
    job = Job.objects.get(pk=row.job_id)
    return reviews.reject(
        **{
            "assignment_id": row.pk,
            "organization_id": job.organization_id,
            "by": job.created_by_id,
            "reason": "clearly_wrong",
            "evidence": EVIDENCE,
            **how,
        }
    )


def accept(row: Assignment, **how: Any) -> Assignment:
    job = Job.objects.get(pk=row.job_id)
    return reviews.accept(
        **{
            "assignment_id": row.pk,
            "organization_id": job.organization_id,
            "by": job.created_by_id,
            **how,
        }
    )


def contest(row: Assignment, statement: str = "See line two.") -> Contest:
    return contests.contest(assignment_id=row.pk, worker_id=row.worker_id, statement=statement)


def decide(found: Contest, verb: Any, **how: Any) -> Contest:
    """Uphold or deny as the requester."""
    job = Job.objects.get(pk=found.assignment.job_id)
    answer: dict[str, UUID | str | None] = {
        "contest_id": found.pk,
        "organization_id": job.organization_id,
        "by": job.created_by_id,
        "answer": "So it is.",
        **how,
    }
    decided: Contest = verb(**answer)
    return decided
