"""What a requester decides about a task: the answer where the crowd has none, or another round."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection, transaction

from core import clock, errors, states
from marketplace.models import Job, Resolution, Task
from marketplace.services import slots, tasks, webhooks
from payments.services import escrow

ADJUDICATED = "adjudicated"
#: Answers that one new round may ask for, and that a task may have in all.
ANSWERS_CAP = 10
OVERLAP_CAP = 50


class NotEscalated(errors.Conflict):
    """Only a task that the crowd could not decide is adjudicated."""

    code = "not_escalated"


class NotResolved(errors.Conflict):
    """Only a decided task gets another round."""

    code = "not_resolved"


class JobNotRunning(errors.Conflict):
    """Answers can be asked for while the job is live or paused; ``state`` is what it is."""

    code = "job_not_running"


class BudgetShort(errors.Conflict):
    """The free budget does not cover the answers; ``needed_micros`` would."""

    code = "budget_too_small"


def adjudicate(*, task: Task, answer: Any, by: UUID) -> Resolution:
    """The requester decides a task that the crowd could not; the older resolution stays as history.

    Saying the same again changes nothing. Raises NotEscalated, or Invalid when the answer does not
    fit the interface.
    """
    with transaction.atomic():
        row = _locked(task)
        interface = row.job.interface
        value = tasks.valid_answer(interface.kind, interface.spec, answer)
        current = Resolution.objects.filter(task=row, is_current=True).first()
        if current is not None and current.rule == ADJUDICATED and current.value == value:
            return current
        if row.state != Task.State.ESCALATED:
            raise NotEscalated(f"The task is {row.state}.", state=row.state)
        now = clock.now()
        Resolution.objects.filter(task=row, is_current=True).update(is_current=False)
        made = Resolution.objects.create(
            task=row,
            interface=interface,
            round=row.round,
            value=value,
            rule=ADJUDICATED,
            votes=current.votes if current else [],
            answers=current.answers if current else 0,
            decided_by_id=by,
            created_at=now,
        )
        states.move(row, Task.State.RESOLVED, state_changed_at=now)
        webhooks.queue(
            organization_id=row.job.organization_id,
            event_type="task.resolved",
            payloads=[
                {
                    "job": str(row.job_id),
                    "task": str(row.pk),
                    "external_id": row.external_id,
                    "value": value,
                    "confidence": None,
                    "rule": ADJUDICATED,
                }
            ],
        )
        return made


_ASK = """
UPDATE marketplace_task SET
    state = 'open', state_changed_at = core_now(), round = round + 1,
    wanted = wanted + %(n)s, remaining = %(n)s, is_open = true,
    max_overlap = greatest(max_overlap, wanted + %(n)s),
    pos = nextval('marketplace_task_pos_seq')
WHERE id = %(id)s
"""


def reopen(*, task: Task, answers: int | None = None, by: UUID) -> Task:
    """Ask for more answers to a decided task: a new round, judged over all its answers.

    ``answers`` is how many, the job's smallest overlap when None; never by somebody who answered
    before. The resolution of before stays as history. Each answer's cost is reserved out of the
    job's budget.

    Raises:
        NotResolved: the task is in another state, a new round that runs included.
        JobNotRunning: the job is neither live nor paused.
        Invalid: the task would have more than 50 answers.
        BudgetShort: nothing is changed then.
    """
    with transaction.atomic():
        # Shared: the job stays as it is until the task is open, and others read it meanwhile.
        (job,) = Job.objects.raw(
            "SELECT * FROM marketplace_job WHERE id = %s FOR SHARE", [task.job_id]
        )
        row = _locked(task)
        if job.state not in (Job.State.LIVE, Job.State.PAUSED):
            raise JobNotRunning(f"The job is {job.state}.", state=job.state)
        if row.state != Task.State.RESOLVED:
            raise NotResolved(f"The task is {row.state}.", state=row.state)
        count = job.kmin if answers is None else answers
        if not 1 <= count <= ANSWERS_CAP or row.wanted + count > OVERLAP_CAP:
            said = f"From 1 to {ANSWERS_CAP}, and at most {OVERLAP_CAP} with those of before."
            raise errors.Invalid("So many cannot be asked for.", errors={"answers": [said]})
        needed = count * row.slot_reserve_micros
        if needed and not escrow.reserve(job_id=job.pk, line=slots.LINE, amount_micros=needed):
            raise BudgetShort("Add to the job's budget first.", needed_micros=needed)
        Resolution.objects.filter(task=row, is_current=True).update(is_current=False)
        with connection.cursor() as cursor:
            cursor.execute(_ASK, {"n": count, "id": row.pk})
        row.refresh_from_db()
        return row


def _locked(task: Task) -> Task:
    return (
        Task.objects.select_for_update(no_key=True, of=("self",))
        .select_related("job__interface")
        .get(pk=task.pk)
    )
