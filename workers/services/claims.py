"""Claiming: the loop around the claim statement, and what each of its verdicts means."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection

from core import errors
from marketplace.models import Job
from workers.models import WorkerJob

from . import assignments, hot, places, standing

_TRIES = 4
_RESTING_SECONDS = 5
#: Jobs that a claim over all jobs looks at, and how many of them it asks for a task.
_LOOKED_AT, _ASKED = 100, 10


class ClaimInProgress(errors.Conflict):
    """Another request of the same worker in the same job is running."""

    code = "claim_in_progress"


@dataclass(frozen=True)
class Nothing:
    """No task now. ``remaining`` is False when a full lap found nothing left for this worker."""

    retry_after: int
    remaining: bool


class HintsRefused(errors.Forbidden):
    """Only play-money jobs let the caller name tasks."""

    code = "hints_refused"


def require_sandbox(*, job_id: UUID) -> None:
    """Raises NotFound, or HintsRefused when the job is not one of play money."""
    sandbox = Job.objects.filter(pk=job_id).values_list("sandbox", flat=True).first()
    if sandbox is None:
        raise errors.NotFound("There is no such job.")
    if not sandbox:
        raise HintsRefused("Only a job of play money takes hints.")


def claim(
    *, job_id: UUID, worker_id: UUID, ahead: bool = False, hints: Sequence[str] | None = None
) -> dict[str, Any] | Nothing:
    """Give this worker a task of this job, or the live claim that the worker already holds.

    Returns the claim's row (see ``hot.claim``) or Nothing. Raises NotFound, NotAWorker, JobNotLive,
    NotQualified or ClaimInProgress. The usual case is one statement.
    """
    rows: list[dict[str, Any]] = []
    for attempt in range(_TRIES):
        try:
            rows = hot.claim(job_id=job_id, worker_id=worker_id, ahead=ahead, hints=hints)
        except IntegrityError:
            # This worker's other request committed between our snapshot and our lock.
            continue
        if rows:
            row = rows[-1] if ahead else rows[0]
            if row["id"] is not None:
                return row
            if (nothing := _nothing(row, job_id, worker_id, hints)) is not None:
                return nothing
        elif WorkerJob.objects.filter(job_id=job_id, worker_id=worker_id).exists():
            time.sleep(0.01 * 3**attempt)  # a twin request or the refill sweep holds the row
        else:
            places.join(job_id=job_id, worker_id=worker_id)
    if rows:
        return Nothing(retry_after=1, remaining=True)
    raise ClaimInProgress("Another claim of yours in this job is running. Ask again.")


def _nothing(
    row: dict[str, Any], job_id: UUID, worker_id: UUID, hints: Sequence[str] | None
) -> Nothing | None:
    """What a verdict without a claim means; None when the claim is to be tried again at once."""
    match row["verdict"]:
        case "go" if row["busy"]:
            return Nothing(retry_after=1, remaining=True)
        case "go" if row["walked"] >= hot.WALK:
            left = hints is None or _hinted_left(job_id, worker_id, hints)
            return Nothing(retry_after=1, remaining=left)
        case "go" if row["empty_laps"] >= 1:
            return Nothing(_RESTING_SECONDS, _others_unfinished(job_id, worker_id))
        case "go":
            pass  # the end of the queue: the next lap starts at once
        case "resting":
            rest = max(1, round(row["rest"] or 1))
            return Nothing(rest, _others_unfinished(job_id, worker_id))
        case "overdue":
            assignments.expire_own(job_id=job_id, worker_id=worker_id)
        case _:  # the rate is out of date, or something stands against this worker: say what
            places.join(job_id=job_id, worker_id=worker_id)
    return None


def claim_any(*, worker_id: UUID, specialties: Sequence[str] | None) -> dict[str, Any] | Nothing:
    """Give this worker a task of the best job that is open to them, or one that they hold already.

    A live claim in these specialties comes first: asking twice gives one claim. Then jobs are tried
    by priority, then by base rate; those that ask for a language the worker does not have are left
    out. At most ten jobs are asked. Raises NotAWorker.
    """
    found = standing.read(worker_id)
    jobs = Job.objects.filter(state=Job.State.LIVE, purpose=Job.Purpose.WORK, sandbox=False)
    wanted = list(found.worker.specialties if specialties is None else specialties)
    if wanted:
        jobs = jobs.filter(specialty__in=wanted)
    open_to_them = (
        job.pk
        for job in jobs.order_by("-priority", "-base_rate_micros", "id")[:_LOOKED_AT]
        if found.speaks(job.languages) and places.judge(job, found, {}).ok
    )
    best = Nothing(retry_after=_RESTING_SECONDS, remaining=False)
    for job_id in chain(_held(worker_id, wanted), islice(open_to_them, _ASKED)):
        try:
            got = claim(job_id=job_id, worker_id=worker_id)
        except (places.JobNotLive, places.NotQualified):
            continue  # it changed since it was listed
        if isinstance(got, dict):
            return got
        best = Nothing(min(best.retry_after, got.retry_after), best.remaining or got.remaining)
    return best


def _held(worker_id: UUID, specialties: Sequence[str]) -> list[UUID]:
    """The job, if any, in which the worker holds a claim that is not overdue: the first claimed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT a.job_id FROM workers_assignment a JOIN marketplace_job j ON j.id = a.job_id
            WHERE a.worker_id = %(worker)s AND a.state = 'claimed' AND a.expires_at > core_now()
              AND NOT j.sandbox
              AND (%(specialties)s::text[] = '{}' OR j.specialty = ANY(%(specialties)s))
            ORDER BY a.claimed_at LIMIT 1
            """,
            {"worker": worker_id, "specialties": list(specialties)},
        )
        return [row[0] for row in cursor.fetchall()]


# A slot that others hold is a claim or an answer of theirs, or an offer. Each probe reads a bounded
# piece of an index: assignment_of_job, offer_of_job, task_parked. What is escalated never comes back.
_COMES_BACK = """
WITH held AS (
    (SELECT task_id FROM (
        SELECT task_id, worker_id, state FROM workers_assignment
        WHERE job_id = %(job)s ORDER BY id DESC LIMIT %(recent)s
    ) a WHERE worker_id <> %(worker)s AND state IN ('claimed', 'submitted'))
    UNION ALL
    (SELECT task_id FROM workers_offer
     WHERE job_id = %(job)s AND state = 'offered' LIMIT %(most)s)
),
waiting AS (
    SELECT t.id FROM held JOIN marketplace_task t ON t.id = held.task_id
    WHERE t.role = 'work' AND t.state = 'open' AND NOT t.is_open
    UNION ALL
    (SELECT id FROM marketplace_task
     WHERE job_id = %(job)s AND state = 'parked' AND role = 'work'
     ORDER BY pos DESC LIMIT %(most)s)
)
SELECT EXISTS (
    SELECT 1 FROM waiting t WHERE NOT EXISTS (
        SELECT 1 FROM workers_assignment a WHERE a.task_id = t.id AND a.worker_id = %(worker)s
        OFFSET 0  -- an index probe for each, as in the claim
    )
)
"""
#: Newest claims of a job, and offers and parked tasks, that are looked at for it.
_RECENT, _MOST = 1000, 200


def _others_unfinished(job_id: UUID, worker_id: UUID) -> bool:
    """Whether a task may still come back to this worker: held by others or waiting for budget.

    It costs the same in any job: of claims the newest thousand are looked at, of the rest 200.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _COMES_BACK, {"job": job_id, "worker": worker_id, "recent": _RECENT, "most": _MOST}
        )
        return bool(cursor.fetchone()[0])


def _hinted_left(job_id: UUID, worker_id: UUID, hints: Sequence[str]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT EXISTS (
                SELECT 1 FROM marketplace_task t
                WHERE t.job_id = %(job)s AND t.external_id = ANY(%(hints)s)
                  AND t.state IN ('open', 'parked')
                  AND NOT EXISTS (
                    SELECT 1 FROM workers_assignment a
                    WHERE a.task_id = t.id AND a.worker_id = %(worker)s
                )
            )
            """,
            {"job": job_id, "worker": worker_id, "hints": list(hints)},
        )
        return bool(cursor.fetchone()[0])
