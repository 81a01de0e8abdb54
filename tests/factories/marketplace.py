"""Jobs, tasks and answers for trials, made by the services themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core import clock, states
from core.ids import new_id
from core.services import accounts
from marketplace.imports.lines import Record
from marketplace.imports.rows import ParsedRow
from marketplace.models import Annotation, Job, Resolution, Task
from marketplace.services import gold, jobs, opening, tasks
from tests.factories import payments as money

CHOICES = {"options": [{"value": "yes", "label": "Yes"}, {"value": "no", "label": "No"}]}
YES, NO = {"choice": "yes"}, {"choice": "no"}
ENOUGH = 1_000_000_000


@dataclass(frozen=True)
class Requester:
    user_id: UUID
    organization_id: UUID


def requester(*, credit_micros: int = 10 * ENOUGH) -> Requester:
    """An organization with play money in its wallet."""
    owner = accounts.create_user(email=f"{new_id()}@example.org", password=None)
    organization = accounts.create_organization(name="Acme", by=owner.pk)
    if credit_micros:
        money.credit(organization.pk, credit_micros)
    return Requester(owner.pk, organization.pk)


def draft(whose: Requester | None = None, **fields: Any) -> Job:
    """A draft of play money: is it so, yes or no."""
    whose = whose or requester()
    return jobs.create_draft(
        organization_id=whose.organization_id,
        by=whose.user_id,
        fields={
            "name": "Is it so?",
            "kind": "choices",
            "interface": CHOICES,
            "base_rate_micros": 18_000,
            "seconds_per_unit": 8,
            "sandbox": True,
            "auto_close": False,
            **fields,
        },
    )


def rows(count: int, *, start: int = 0, **facts: Any) -> Iterable[ParsedRow]:
    for number in range(start, start + count):
        yield ParsedRow(number + 1, f"t{number}", {"text": f"number {number}"}, **facts)


def add_tasks(job: Job, count: int, *, start: int = 0) -> list[Task]:
    """Import so many tasks; all work tasks of the job in order of position."""
    tasks.import_rows(job=job, rows=rows(count, start=start), by=job.created_by_id)
    return list(Task.objects.filter(job=job, role="work").order_by("pos"))


def add_gold(job: Job, answers: Sequence[Any]) -> list[Task]:
    """Import tasks with these known answers."""
    gold.add(
        job=job,
        records=[
            Record(n, {"external_id": f"g{n}", "data": {"text": f"gold {n}"}, "answer": answer})
            for n, answer in enumerate(answers, start=1)
        ],
        by=job.created_by_id,
    )
    return list(Task.objects.filter(job=job, role="gold").order_by("pos"))


def live(
    count: int = 1, *, whose: Requester | None = None, budget_micros: int = ENOUGH, **fields: Any
) -> Job:
    """A launched job whose tasks are open as far as the budget goes."""
    job = draft(whose, **fields)
    add_tasks(job, count)
    job = jobs.launch(job=job, budget_micros=budget_micros, by=job.created_by_id)
    opening.open_parked()
    return Job.objects.select_related("stats").get(pk=job.pk)


def work(job: Job) -> list[Task]:
    """The job's work tasks in order of position."""
    return list(Task.objects.filter(job=job, role="work").order_by("pos"))


def answer(task: Task, said: Any, *, author: UUID | None = None) -> Annotation:
    """An answer of somebody who took a slot of the task, as the submit statement records it."""
    if task.role == Task.Role.WORK:
        changed = Task.objects.filter(pk=task.pk, remaining__gt=0).first()
        assert changed is not None, "no free slot"
        changed.taken += 1
        changed.remaining -= 1
        changed.is_open = changed.remaining > 0
        changed.save(update_fields=["taken", "remaining", "is_open"])
    return Annotation.objects.create(
        task=task,
        interface_id=task.job.interface_id,
        assignment_ref=new_id(),
        author_ref=author or new_id(),
        answer=said,
        round=task.round,
        created_at=clock.now(),
    )


def exam(whose: Requester | None = None, *, questions: int = 5, **fields: Any) -> Job:
    """A launched exam."""
    job = draft(whose, purpose="exam", **fields)
    gold.add(
        job=job,
        records=[
            Record(n, {"external_id": f"q{n}", "data": {"text": f"question {n}"}, "answer": YES})
            for n in range(1, questions + 1)
        ],
        by=job.created_by_id,
    )
    return jobs.launch(job=job, budget_micros=0, by=job.created_by_id)


def conclude(
    task: Task, *, said: Any = None, votes: int = 2, escalated: bool = False
) -> Resolution:
    """Answers to all the task's slots, counted, and what was concluded from them, as judging does."""
    task.refresh_from_db()
    answers = [answer(Task.objects.get(pk=task.pk), said or YES) for _ in range(votes)]
    Annotation.objects.filter(pk__in=[one.pk for one in answers]).update(is_counted=True)
    now = clock.now()
    Resolution.objects.filter(task=task, is_current=True).update(is_current=False)
    made = Resolution.objects.create(
        task=task,
        interface_id=task.job.interface_id,
        round=task.round,
        value=said or YES,
        confidence=0.9,
        rule="quorum",
        votes=[{"annotation": str(one.pk), "weight": 1.0} for one in answers],
        answers=votes,
        is_escalated=escalated,
        created_at=now,
    )
    row = Task.objects.get(pk=task.pk)
    row.wanted, row.remaining, row.is_open = row.taken, 0, False
    row.save(update_fields=["wanted", "remaining", "is_open"])
    states.move(row, "escalated" if escalated else "resolved", state_changed_at=now)
    return made


def sweep_until_done(*sweeps: Callable[[], int]) -> int:
    """Run sweeps in turn until none finds anything; how much they did."""
    total = 0
    while done := sum(one() for one in sweeps):
        total += done
    return total
