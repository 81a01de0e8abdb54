"""Judging answers: graded against known ones, counted, and concluded from.

The labour plane drives this: `admit` a batch of answers, bring the facts of their authors, and
`resolve` the tasks they touched, all in its one transaction. The number of statements does not
depend on the number of answers. Locks are taken in the order tasks by id, escrow of jobs by id;
the job's row is only read. When to stop and what was said is `marketplace.quality.consensus`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from marketplace.labeling import registry
from marketplace.models import Task
from marketplace.quality import calibration, consensus, skill
from marketplace.quality.consensus import Vote
from marketplace.services import conclusions, decisions, rules
from marketplace.services.conclusions import Conclusion, Request, TaskOutcome
from marketplace.services.rules import Facts, Rules


@dataclass(frozen=True, slots=True)
class GoldOutcome:
    """An answer to a task with a known answer, and its grade in [0, 1].

    ``floor`` is the mean grade below which its job wants nobody to work on.
    """

    annotation_id: UUID
    assignment_ref: UUID
    author_ref: UUID
    task_id: UUID
    job_id: UUID
    specialty: str
    kind: str
    n_classes: int | None
    grade: float
    floor: float


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
SELECT a.id, a.assignment_ref, a.author_ref, a.task_id, t.job_id, j.specialty,
    i.kind, i.spec::text, j.quality::text, a.answer::text, g.answer::text
FROM marketplace_annotation a
JOIN marketplace_task t ON t.id = a.task_id
JOIN marketplace_job j ON j.id = t.job_id
JOIN marketplace_interface i ON i.id = a.interface_id
JOIN marketplace_goldanswer g ON g.task_id = t.id
WHERE a.id = ANY(%s)
"""

_AUTHORS = """
SELECT DISTINCT j.id, j.specialty, a.author_ref
FROM marketplace_annotation a
JOIN marketplace_task t ON t.id = a.task_id
JOIN marketplace_job j ON j.id = t.job_id
WHERE a.task_id = ANY(%s) AND a.is_counted AND NOT a.is_excluded
"""


def admit(annotation_ids: Sequence[UUID], *, now: datetime) -> Admitted:
    """Count answers and grade those to tasks with known answers. The caller owns the transaction.

    Work tasks touched are locked before their authors are read, so that of two batches with answers
    to one task the second sees the answers of the first. An answer already counted is passed over.
    At most five statements.
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
    pk, assignment, author, task, job, specialty, name, spec, quality, said, known = row
    kind = registry.get(name)
    parsed = rules.spec_of(spec)
    floor = rules.settings_of(name, quality).ban_floor
    n_classes = kind.n_classes(parsed)
    return GoldOutcome(
        annotation_id=pk,
        assignment_ref=assignment,
        author_ref=author,
        task_id=task,
        job_id=job,
        specialty=specialty,
        kind=name,
        n_classes=n_classes,
        grade=kind.grade(parsed, orjson.loads(said), orjson.loads(known)),
        floor=skill.ban_floor(n_classes) if floor is None else floor,
    )


def authors_of(task_ids: Collection[UUID]) -> dict[str, set[UUID]]:
    """Whose facts deciding these tasks takes, by specialty: those who gave the counted answers, and
    some of those who answered the known tasks of their jobs. Two statements.
    """
    if not task_ids:
        return {}
    found: dict[str, set[UUID]] = {}
    specialties: dict[UUID, str] = {}
    with connection.cursor() as cursor:
        cursor.execute(_AUTHORS, [sorted(task_ids)])
        for job_id, specialty, author in cursor.fetchall():
            specialties[job_id] = specialty
            found.setdefault(specialty, set()).add(author)
    for job_id, author in rules.authors(specialties):
        found[specialties[job_id]].add(author)
    return found


_TASKS = """
SELECT t.id, t.job_id, t.external_id, t.state, t.wanted, t.taken, t.remaining, t.max_overlap,
    t.is_audit, t.slot_reserve_micros, t.round, r.rule, r.votes::text
FROM marketplace_task t
LEFT JOIN marketplace_resolution r ON r.task_id = t.id AND r.is_current
WHERE t.id = ANY(%s) AND t.role = 'work' ORDER BY t.id
"""

_ANSWERS = """
SELECT task_id, id, author_ref, answer::text, is_excluded
FROM marketplace_annotation
WHERE task_id = ANY(%s) AND is_counted
ORDER BY task_id, created_at, id
"""


_RAISE = "UPDATE marketplace_task SET max_overlap = wanted + 1 WHERE id = ANY(%s)"


@dataclass(frozen=True, slots=True)
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
    rule: str | None
    votes: str | None


@dataclass(frozen=True, slots=True)
class _Answer:
    task_id: UUID
    id: UUID
    author_ref: UUID
    answer: str
    is_excluded: bool


def resolve(task_ids: Iterable[UUID], facts: Facts, *, now: datetime) -> list[TaskOutcome]:
    """Decide the work tasks whose slots are all answered. The caller owns the transaction.

    ``facts`` says how good the authors are, by specialty and author; one without facts is an author
    of whom nothing is known. A decided task is resolved or escalated; one that needs another answer
    opens a slot when the budget covers it and the job still runs, and else is parked or keeps its
    best answer. Deciding a task again (after an answer was excluded) replaces its resolution; what
    the requester decided stays. Answers of earlier rounds count like the others.
    """
    wanted = sorted(task_ids)
    if not wanted:
        return []
    with connection.cursor() as cursor:
        # What is read after the locks is what the last one who held them left behind.
        cursor.execute(_LOCK, [wanted])
        cursor.execute(_TASKS, [wanted])
        tasks = [_Task(*row) for row in cursor.fetchall()]
        if not tasks:
            return []
        jobs = rules.read({task.job_id for task in tasks}, facts)
        cursor.execute(_ANSWERS, [[task.id for task in tasks]])
        answers: dict[UUID, list[_Answer]] = {}
        for row in cursor.fetchall():
            answers.setdefault(row[0], []).append(_Answer(*row))
    judged = [_judge(task, jobs[task.job_id], answers.get(task.id, []), facts) for task in tasks]
    conclusions.conclude([one for one in judged if isinstance(one, Conclusion)], now=now)
    requests = [one for one in judged if isinstance(one, Request)]
    _make_room(tasks, requests)
    opened = conclusions.ask_more(requests, now=now) if requests else set()
    return [_outcome(one, opened) for one in judged]


def _judge(
    task: _Task, job: Rules, answers: Sequence[_Answer], facts: Facts
) -> Conclusion | Request | TaskOutcome:
    """What becomes of one task. A `TaskOutcome` where nothing does."""
    heard = [one for one in answers if not one.is_excluded]
    if _is_over(task, heard):
        return TaskOutcome(task.id, task.job_id, "wait", answers=len(heard))
    settings = job.settings
    # Those who were excluded make room for others; a later round has the room it was given.
    if task.round > 1:
        settings = replace(settings, kmax=len(heard) + max(task.max_overlap - task.wanted, 0))
    votes = [
        Vote(
            orjson.loads(one.answer),
            facts.get((job.specialty, one.author_ref), consensus.UNKNOWN),
        )
        for one in heard
    ]
    found = consensus.decide(
        job.kind,
        job.spec,
        votes,
        settings,
        pending=task.wanted - len(answers),
        is_audit=task.is_audit,
        can_ask=job.state in rules.RUNNING and task.state != Task.State.ESCALATED,
        classes=job.classes,
    )
    confidence = found.confidence
    if confidence is not None:
        confidence = round(calibration.tempered(confidence, job.temperature), 6)
    if found.outcome == "wait":
        return TaskOutcome(task.id, task.job_id, "wait", answers=len(heard))
    if found.outcome == "more":
        return Request(task.id, task.job_id, task.state, task.slot_reserve_micros)
    return Conclusion(
        task_id=task.id,
        job_id=task.job_id,
        organization_id=job.organization_id,
        interface_id=job.interface_id,
        external_id=task.external_id,
        before=task.state,
        round=task.round,
        is_escalated=found.outcome == "escalate",
        value=found.value,
        confidence=confidence,
        rule=found.rule or "none",
        votes=[
            {"annotation": str(one.id), "weight": weight}
            for one, weight in zip(heard, found.weights, strict=True)
        ],
        answers=len(heard),
    )


def _is_over(task: _Task, heard: Sequence[_Answer]) -> bool:
    """Whether there is nothing to decide: cancelled, decided by the requester or from these votes."""
    if task.state == Task.State.CANCELLED:
        return True
    if task.state not in (Task.State.RESOLVED, Task.State.ESCALATED):
        return False
    if task.rule == decisions.ADJUDICATED:
        return True
    voted = {vote.get("annotation") for vote in orjson.loads(task.votes or "[]")}
    return voted == {str(one.id) for one in heard}


def _make_room(tasks: Sequence[_Task], requests: Sequence[Request]) -> None:
    """An excluded answer held a slot; the one that replaces it needs another."""
    asked = {one.task_id for one in requests}
    full = [one.id for one in tasks if one.id in asked and one.wanted >= one.max_overlap]
    if full:
        with connection.cursor() as cursor:
            cursor.execute(_RAISE, [full])


def _outcome(one: Conclusion | Request | TaskOutcome, opened: Collection[UUID]) -> TaskOutcome:
    if isinstance(one, TaskOutcome):
        return one
    if isinstance(one, Request):
        outcome = "more" if one.task_id in opened else "parked"
        return TaskOutcome(one.task_id, one.job_id, outcome)
    outcome = "escalate" if one.is_escalated else "accept"
    return TaskOutcome(one.task_id, one.job_id, outcome, one.value, one.confidence, one.answers)
