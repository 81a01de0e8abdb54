"""Judging answers: graded against known ones, counted, and concluded from.

The labour plane drives this: `admit` a batch of answers, bring the facts of their authors, and
`resolve` the tasks they touched, all in its one transaction. The number of statements does not
depend on the number of answers. Locks are taken in the order tasks by id, escrow of jobs by id;
the job's row is only read. When to stop and what was said is `marketplace.quality.consensus`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from marketplace.labeling import registry
from marketplace.labeling.base import Kind
from marketplace.models import Job, Task
from marketplace.quality import consensus, skill
from marketplace.quality.consensus import AuthorFacts, Vote
from marketplace.quality.settings import QualitySettings
from marketplace.services import conclusions, decisions
from marketplace.services.conclusions import Conclusion, Request, TaskOutcome

Facts = Mapping[tuple[str, UUID], AuthorFacts]


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
    pk, assignment, author, task, job, specialty, name, spec, quality, said, known = row
    kind = registry.get(name)
    parsed = _spec(spec)
    floor = _settings(name, quality).ban_floor
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


# Interfaces and settings are few and read often; what is parsed is never changed.
@lru_cache(maxsize=1024)
def _spec(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = orjson.loads(text)
    return parsed


@lru_cache(maxsize=1024)
def _settings(kind: str, text: str) -> QualitySettings:
    return QualitySettings.from_dict(orjson.loads(text), usual=registry.get(kind).quality)


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
SELECT t.id, t.job_id, t.external_id, t.state, t.wanted, t.taken, t.remaining, t.max_overlap,
    t.is_audit, t.slot_reserve_micros, t.round, r.rule, r.votes::text
FROM marketplace_task t
LEFT JOIN marketplace_resolution r ON r.task_id = t.id AND r.is_current
WHERE t.id = ANY(%s) AND t.role = 'work' ORDER BY t.id
"""

_JOBS = """
SELECT j.id, j.organization_id, j.state, j.specialty, j.interface_id, i.kind, i.spec::text,
    j.quality::text
FROM marketplace_job j JOIN marketplace_interface i ON i.id = j.interface_id
WHERE j.id = ANY(%s)
"""

_ANSWERS = """
SELECT task_id, id, author_ref, answer::text, is_excluded
FROM marketplace_annotation
WHERE task_id = ANY(%s) AND is_counted
ORDER BY task_id, created_at, id
"""


# How common each answer is among the known ones; a thousand say it well enough.
_CLASSES = """
SELECT j.id, g.answer::text, count(*)
FROM unnest(%s::uuid[]) AS j(id)
CROSS JOIN LATERAL (
    SELECT t.id FROM marketplace_task t
    WHERE t.job_id = j.id AND t.role = 'gold' ORDER BY t.pos LIMIT 1000
) t
JOIN marketplace_goldanswer g ON g.task_id = t.id
GROUP BY 1, 2
"""

_RAISE = "UPDATE marketplace_task SET max_overlap = wanted + 1 WHERE id = ANY(%s)"

#: States of a job in which its tasks can still be asked about.
RUNNING = (Job.State.LIVE, Job.State.PAUSED, Job.State.SUSPENDED)


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


@dataclass(slots=True)
class _Job:
    id: UUID
    organization_id: UUID
    state: str
    specialty: str
    interface_id: UUID
    kind: Kind
    spec: dict[str, Any]
    settings: QualitySettings
    classes: list[float] | None = None


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
        jobs = _jobs(sorted({task.job_id for task in tasks}))
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


def _jobs(ids: list[UUID]) -> dict[UUID, _Job]:
    with connection.cursor() as cursor:
        cursor.execute(_JOBS, [ids])
        jobs = {
            pk: _Job(
                pk,
                organization,
                state,
                specialty,
                interface,
                registry.get(kind),
                _spec(spec),
                _settings(kind, quality),
            )
            for pk, organization, state, specialty, interface, kind, spec, quality in cursor
        }
        counted = [pk for pk, job in jobs.items() if job.kind.n_classes(job.spec) is not None]
        if counted:
            cursor.execute(_CLASSES, [counted])
            known: dict[UUID, list[tuple[Any, int]]] = {}
            for pk, answer, times in cursor.fetchall():
                known.setdefault(pk, []).append((orjson.loads(answer), times))
            for pk, found in known.items():
                jobs[pk].classes = consensus.likely_classes(jobs[pk].kind, jobs[pk].spec, found)
    return jobs


def _judge(
    task: _Task, job: _Job, answers: Sequence[_Answer], facts: Facts
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
        can_ask=job.state in RUNNING and task.state != Task.State.ESCALATED,
        classes=job.classes,
    )
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
        confidence=found.confidence,
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
