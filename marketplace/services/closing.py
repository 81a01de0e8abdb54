"""Ending jobs: no new claims, claimed work is submitted, judged and paid, the rest goes back."""

from __future__ import annotations

from uuid import UUID

from django.db import connection, transaction

from core import clock, states
from marketplace.models import Job, Task
from marketplace.services import rounds, slots, webhooks
from payments.services import escrow

#: Tasks cancelled in one transaction.
BATCH = 5_000
#: Jobs looked at in one round.
ROUND = 100

_FINISHED = """
SELECT j.id FROM marketplace_job j
WHERE j.state = 'live' AND j.purpose = 'work' AND j.auto_close
  AND EXISTS (SELECT 1 FROM marketplace_task t WHERE t.job_id = j.id AND t.role = 'work')
  AND NOT EXISTS (
    SELECT 1 FROM marketplace_task t
    WHERE t.job_id = j.id AND t.role = 'work' AND t.state IN ('open', 'parked')
  )
  AND NOT (j.acceptance = 'review' AND EXISTS (
    SELECT 1 FROM payments_escrow e
    WHERE e.job_id = j.id AND (e.work_micros > 0 OR e.contested_micros > 0)
  ))
ORDER BY j.id LIMIT %s
"""

# Those that wait for claims, reviews or payments are left out here: they may wait for weeks, and
# would otherwise take the places of those that can go on.
_CAN_GO_ON = """
SELECT j.id FROM marketplace_job j
WHERE j.state = 'closing' AND (
  NOT EXISTS (
    SELECT 1 FROM payments_escrow e
    WHERE e.job_id = j.id AND (e.work_micros > 0 OR e.gold_micros > 0 OR e.exam_micros > 0
      OR e.escalation_micros > 0 OR e.contested_micros > 0)
  )
  OR EXISTS (
    SELECT 1 FROM marketplace_task t
    WHERE t.job_id = j.id AND t.role = 'work' AND t.state IN ('open', 'parked')
  )
)
ORDER BY j.state_changed_at, j.id LIMIT %s
"""

# Every undecided task is locked, not only those with free slots: a judgement that is about to add a
# slot holds the row's lock, and what it did is seen once the lock is ours.
_LOCK_OPEN = """
SELECT id, remaining, slot_reserve_micros FROM marketplace_task
WHERE job_id = %(job)s AND role = 'work' AND state IN ('open', 'parked')
ORDER BY id LIMIT %(limit)s FOR NO KEY UPDATE
"""

_CANCEL_LOCKED = """
UPDATE marketplace_task SET
    state = 'cancelled', state_changed_at = core_now(),
    wanted = taken, remaining = 0, is_open = false
WHERE id = ANY(%s)
"""


def close_finished(*, limit: int = ROUND) -> int:
    """Sweep: begin to close live jobs all of whose work is decided. Returns how many.

    An escalated task does not hold its job up: it keeps its best answer and can be adjudicated
    later. In a REVIEW job the answers must be reviewed or paid first, since a rejection asks for
    another answer.
    """
    return rounds.play((job_id, _begin) for job_id in _ids(_FINISHED, limit))


def _ids(query: str, limit: int) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(query, [limit])
        return [row[0] for row in cursor.fetchall()]


def _begin(job_id: UUID) -> int:
    with transaction.atomic():
        job = (
            Job.objects.select_for_update(no_key=True, skip_locked=True)
            .filter(pk=job_id, state=Job.State.LIVE, auto_close=True)
            .first()
        )
        # Under the lock: an import may have added tasks since.
        if job is None or _undecided(job_id):
            return 0
        if job.acceptance == Job.Acceptance.REVIEW:
            lines = escrow.summary(job_id).lines
            if lines.get("work", 0) or lines.get("contested", 0):
                return 0
        begin(job=job, next_state=Job.State.COMPLETED)
        return 1


def _undecided(job_id: UUID) -> bool:
    return Task.objects.filter(
        job_id=job_id, role=Task.Role.WORK, state__in=[Task.State.OPEN, Task.State.PARKED]
    ).exists()


def begin(*, job: Job, next_state: str, reason: str = "") -> None:
    """Move a locked live or paused job to closing. The sweep does the rest."""
    states.move(
        job,
        Job.State.CLOSING,
        next_state=next_state,
        state_reason=reason,
        state_changed_at=clock.now(),
    )


def finish_closing(*, limit: int = ROUND) -> int:
    """Sweep: take closing jobs one step further; returns the number of rows changed.

    Undecided tasks are cancelled in bounded batches, their free slots' reserve released. When
    nothing is reserved any more (all claimed work was submitted and paid, or given up), the unspent
    budget returns to the wallet and the job is over. Every step may be repeated.
    """
    return rounds.play((job_id, _step) for job_id in _ids(_CAN_GO_ON, limit))


def sweep() -> int:
    """Both of the above, as one round: neither waits for the other to be in order."""
    return rounds.play(
        [
            *((job_id, _begin) for job_id in _ids(_FINISHED, ROUND)),
            *((job_id, _step) for job_id in _ids(_CAN_GO_ON, ROUND)),
        ]
    )


def _step(job_id: UUID) -> int:
    return step(job_id=job_id)


def step(*, job_id: UUID, limit: int = BATCH) -> int:
    """One step of one closing job: a batch of tasks cancelled, or the job ended, or nothing yet."""
    with transaction.atomic():
        job = (
            Job.objects.select_for_update(no_key=True, skip_locked=True)
            .filter(pk=job_id, state=Job.State.CLOSING)
            .first()
        )
        if job is None:
            return 0
        cancelled = _cancel(job_id, limit)
        if cancelled:
            return cancelled
        return _end(job)


def _cancel(job_id: UUID, limit: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_OPEN, {"job": job_id, "limit": limit})
        rows = cursor.fetchall()
        if not rows:
            return 0
        cursor.execute(_CANCEL_LOCKED, [[row[0] for row in rows]])
    slots.release((job_id, remaining * reserve) for _, remaining, reserve in rows)
    return len(rows)


def _end(job: Job) -> int:
    if job.purpose == Job.Purpose.WORK:
        summary = escrow.summary(job.pk)
        if any(summary.lines.values()):
            return 0
        escrow.close(job_id=job.pk, by=job.created_by_id)
    now = clock.now()
    states.move(job, job.next_state, closed_at=now, state_changed_at=now, next_state="")
    webhooks.queue(
        organization_id=job.organization_id,
        event_type="job.completed",
        payloads=[{"job": str(job.pk), "state": job.state, "reason": job.state_reason}],
    )
    return 1
