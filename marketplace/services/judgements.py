"""Judging answers: graded against known ones, counted, and concluded from.

The labour plane drives this: `admit` a batch of answers, bring the facts of their authors, and
`resolve` the tasks they touched, all in its one transaction. The number of statements does not
depend on the number of answers. Locks are taken in the order tasks by id, escrow of jobs by id;
the job's row is only read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

from core import errors
from marketplace.labeling import registry
from marketplace.quality import consensus
from marketplace.quality.consensus import AuthorFacts
from marketplace.services import conclusions
from marketplace.services.conclusions import Conclusion, Request, TaskOutcome

Facts = Mapping[tuple[str, UUID], AuthorFacts]


@dataclass(frozen=True, slots=True)
class GoldOutcome:
    """An answer to a task with a known answer, and its grade in [0, 1]."""

    annotation_id: UUID
    assignment_ref: UUID
    author_ref: UUID
    task_id: UUID
    job_id: UUID
    specialty: str
    kind: str
    n_classes: int | None
    grade: float


@dataclass(frozen=True)
class Admitted:
    """What a batch of answers is: grades of gold, work tasks touched, who answered those."""

    gold: list[GoldOutcome] = field(default_factory=list)
    tasks: set[UUID] = field(default_factory=set)
    authors: dict[str, set[UUID]] = field(default_factory=dict)


_ADMIT = """
UPDATE marketplace_annotation a SET is_counted = true
FROM marketplace_task t
WHERE a.id = ANY(%s) AND NOT a.is_counted AND t.id = a.task_id
RETURNING a.id, a.task_id, t.role
"""

_LOCK = "SELECT id FROM marketplace_task WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"

_KNOWN = """
SELECT a.id, a.assignment_ref, a.author_ref, a.task_id, t.job_id, j.specialty, a.interface_id,
    i.kind, i.spec::text, a.answer::text, g.answer::text
FROM marketplace_annotation a
JOIN marketplace_task t ON t.id = a.task_id
JOIN marketplace_job j ON j.id = t.job_id
JOIN marketplace_interface i ON i.id = a.interface_id
JOIN marketplace_goldanswer g ON g.task_id = t.id
WHERE a.id = ANY(%s)
"""

_AUTHORS = """
SELECT DISTINCT j.specialty, a.author_ref
FROM marketplace_annotation a
JOIN marketplace_task t ON t.id = a.task_id
JOIN marketplace_job j ON j.id = t.job_id
WHERE a.task_id = ANY(%s) AND a.is_counted AND NOT a.is_excluded
"""


def admit(annotation_ids: Sequence[UUID], *, now: datetime) -> Admitted:
    """Count answers and grade those to tasks with known answers. The caller owns the transaction.

    Work tasks touched are locked before their authors are read, so that of two batches with answers
    to one task the second sees the answers of the first. An answer already counted is passed over.
    At most four statements.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ADMIT, [list(annotation_ids)])
        rows = cursor.fetchall()
        known = [pk for pk, _, role in rows if role != "work"]
        tasks = {task_id for _, task_id, role in rows if role == "work"}
        graded: list[tuple[Any, ...]] = []
        if known:
            cursor.execute(_KNOWN, [known])
            graded = cursor.fetchall()
        if tasks:
            cursor.execute(_LOCK, [sorted(tasks)])
    return Admitted([_graded(row) for row in graded], tasks, authors_of(tasks))


def _graded(row: tuple[Any, ...]) -> GoldOutcome:
    pk, assignment, author, task, job, specialty, interface, name, spec, said, known = row
    kind = registry.get(name)
    parsed = conclusions.spec_of(interface, spec)
    return GoldOutcome(
        annotation_id=pk,
        assignment_ref=assignment,
        author_ref=author,
        task_id=task,
        job_id=job,
        specialty=specialty,
        kind=name,
        n_classes=kind.n_classes(parsed),
        grade=kind.grade(parsed, orjson.loads(said), orjson.loads(known)),
    )


def authors_of(task_ids: Collection[UUID]) -> dict[str, set[UUID]]:
    """Who gave the counted answers to these tasks, by specialty. One statement."""
    found: dict[str, set[UUID]] = {}
    if task_ids:
        with connection.cursor() as cursor:
            cursor.execute(_AUTHORS, [sorted(task_ids)])
            for specialty, author in cursor.fetchall():
                found.setdefault(specialty, set()).add(author)
    return found


_TASKS = """
SELECT id, job_id, external_id, state, wanted, taken, remaining, max_overlap, is_audit,
    slot_reserve_micros, round
FROM marketplace_task WHERE id = ANY(%s) AND role = 'work' ORDER BY id FOR NO KEY UPDATE
"""

_JOBS = """
SELECT j.id, j.organization_id, j.state, j.specialty, j.interface_id, i.kind, i.spec::text,
    j.quality::text
FROM marketplace_job j JOIN marketplace_interface i ON i.id = j.interface_id
WHERE j.id = ANY(%s)
"""

_ANSWERS = """
SELECT task_id, id, author_ref, answer::text, is_excluded, round
FROM marketplace_annotation
WHERE task_id = ANY(%s) AND is_counted
ORDER BY task_id, created_at, id
"""


@dataclass(slots=True)
class _Task:
    id: UUID
    job_id: UUID
    external_id: str | None
    state: str
    wanted: int
    taken: int
    remaining: int
    max_overlap: int
    is_audit: bool
    slot_reserve_micros: int
    round: int


@dataclass(frozen=True, slots=True)
class _Answer:
    task_id: UUID
    id: UUID
    author_ref: UUID
    answer: str
    is_excluded: bool
    round: int


def resolve(
    task_ids: Iterable[UUID], facts: Facts, *, now: datetime
) -> list[TaskOutcome]:
    """Decide the work tasks whose slots are all answered. The caller owns the transaction.

    ``facts`` says how good the authors are, by specialty and author; one without facts is an author
    of whom nothing is known. A decided task is resolved or escalated; one that needs another answer
    opens a slot when the budget covers it and the job still runs, and else is parked or keeps its
    best answer. Deciding a task again (after an answer was excluded) replaces its resolution.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TASKS, [sorted(task_ids)])
        tasks = [_Task(*row) for row in cursor.fetchall()]
        if not tasks:
            return []
        cursor.execute(_JOBS, [sorted({task.job_id for task in tasks})])
        jobs = {row[0]: _Job(*row) for row in cursor.fetchall()}
        cursor.execute(_ANSWERS, [[task.id for task in tasks]])
        answers: dict[UUID, list[_Answer]] = {}
        for row in cursor.fetchall():
            answers.setdefault(row[0], []).append(_Answer(*row))
    judged = [_judge(task, jobs[task.job_id], answers.get(task.id, []), facts) for task in tasks]
    conclusions.conclude([one for one in judged if isinstance(one, Conclusion)], now=now)
    requests = [one for one in judged if isinstance(one, Request)]
    opened = conclusions.ask_more(requests, now=now) if requests else set()
    return [_outcome(one, opened) for one in judged]
