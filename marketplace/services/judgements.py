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

from marketplace.labeling import registry
from marketplace.quality import consensus
from marketplace.quality.consensus import AuthorFacts
from marketplace.services import conclusions
from marketplace.services.conclusions import TaskOutcome

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
