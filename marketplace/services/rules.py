"""What a job decides its tasks by: kind, spec, settings, and what its known tasks say.

The known tasks say two things: which classes are common, and how far the stated probabilities may
be believed. Both look at a bounded number of rows, however long the job runs.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from marketplace.labeling import registry
from marketplace.labeling.base import Counted, Kind
from marketplace.models import Job
from marketplace.quality import calibration, consensus
from marketplace.quality.consensus import AuthorFacts, Vote
from marketplace.quality.settings import QualitySettings

Facts = Mapping[tuple[str, UUID], AuthorFacts]

#: States of a job in which its tasks can still be asked about.
RUNNING = (Job.State.LIVE, Job.State.PAUSED, Job.State.SUSPENDED)
#: A temperature measured so long ago is measured again; in between each process keeps its own.
FRESH_SECONDS = 5.0

_JOBS = """
SELECT j.id, j.organization_id, j.state, j.specialty, j.interface_id, i.kind, i.spec::text,
    j.quality::text
FROM marketplace_job j JOIN marketplace_interface i ON i.id = j.interface_id
WHERE j.id = ANY(%s)
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

# Any answers to the first known tasks will do.
_SAID = """
FROM unnest(%(jobs)s::uuid[]) AS j(id)
CROSS JOIN LATERAL (
    SELECT t.id FROM marketplace_task t
    WHERE t.job_id = j.id AND t.role = 'gold' ORDER BY t.pos LIMIT %(tasks)s
) t
CROSS JOIN LATERAL (
    SELECT a.id, a.author_ref, a.answer, a.created_at FROM marketplace_annotation a
    WHERE a.task_id = t.id AND a.is_counted AND NOT a.is_excluded LIMIT %(answers)s
) a
"""
_AUTHORS = f"SELECT DISTINCT j.id, a.author_ref {_SAID}"
_ANSWERS = f"""
SELECT j.id, t.id, a.author_ref, a.answer::text, g.answer::text {_SAID}
JOIN marketplace_goldanswer g ON g.task_id = t.id
ORDER BY j.id, t.id, a.created_at, a.id
"""


def _some_of(job_ids: list[UUID]) -> dict[str, Any]:
    return {"jobs": job_ids, "tasks": calibration.TASKS, "answers": calibration.ANSWERS}


@dataclass(slots=True)
class Rules:
    """What one job decides by. ``temperature`` scales the log odds of what is stated."""

    job_id: UUID
    organization_id: UUID
    state: str
    specialty: str
    interface_id: UUID
    kind: Kind
    spec: dict[str, Any]
    settings: QualitySettings
    classes: list[float] | None = None
    temperature: float = calibration.USUAL


# Interfaces and settings are few and read often; what is parsed is never changed.
@lru_cache(maxsize=1024)
def spec_of(text: str) -> dict[str, Any]:
    """A spec from its JSON text. Shared: not to be changed."""
    parsed: dict[str, Any] = orjson.loads(text)
    return parsed


@lru_cache(maxsize=1024)
def settings_of(kind: str, text: str) -> QualitySettings:
    """The quality settings from their JSON text; what is missing is as the kind suggests."""
    return QualitySettings.from_dict(orjson.loads(text), usual=registry.get(kind).quality)


def read(job_ids: Collection[UUID], facts: Facts) -> dict[UUID, Rules]:
    """The rules of jobs. At most three statements."""
    ids = sorted(job_ids)
    with connection.cursor() as cursor:
        cursor.execute(_JOBS, [ids])
        jobs = {
            pk: Rules(
                pk,
                organization,
                state,
                specialty,
                interface,
                registry.get(kind),
                spec_of(spec),
                settings_of(kind, quality),
            )
            for pk, organization, state, specialty, interface, kind, spec, quality in cursor
        }
    counted = [job for job in jobs.values() if isinstance(job.kind, Counted)]
    _find_classes([job for job in counted if job.kind.n_classes(job.spec) is not None])
    _find_temperatures(counted, facts)
    return jobs


def _find_classes(jobs: Sequence[Rules]) -> None:
    if not jobs:
        return
    with connection.cursor() as cursor:
        cursor.execute(_CLASSES, [[job.job_id for job in jobs]])
        rows = cursor.fetchall()
    known: dict[UUID, list[tuple[Any, int]]] = {}
    for pk, answer, times in rows:
        known.setdefault(pk, []).append((orjson.loads(answer), times))
    for job in jobs:
        if job.job_id in known:
            job.classes = consensus.likely_classes(job.kind, job.spec, known[job.job_id])


_kept: dict[UUID, tuple[float, float]] = {}


def _is_due(job_id: UUID) -> bool:
    return job_id not in _kept or _kept[job_id][1] <= time.monotonic()


def authors(job_ids: Iterable[UUID]) -> list[tuple[UUID, UUID]]:
    """Whose facts `read` can use beside those of the tasks' authors: pairs of job and author.

    One statement, or none while what was measured is fresh.
    """
    due = sorted(pk for pk in job_ids if _is_due(pk))
    if not due:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_AUTHORS, _some_of(due))
        return list(cursor.fetchall())


def _find_temperatures(jobs: Sequence[Rules], facts: Facts) -> None:
    due = [job for job in jobs if _is_due(job.job_id)]
    if due:
        if len(_kept) > 10_000:
            _kept.clear()
        until = time.monotonic() + FRESH_SECONDS
        for job, known in zip(due, _answered(due, facts), strict=True):
            if known is None and job.job_id in _kept:
                continue  # the facts were read while the last measurement was still fresh
            found = calibration.samples(job.kind, job.spec, known or (), job.settings, job.classes)
            _kept[job.job_id] = calibration.temperature(found), until
    for job in jobs:
        if job.job_id in _kept:
            job.temperature = _kept[job.job_id][0]


def _answered(jobs: Sequence[Rules], facts: Facts) -> list[list[tuple[Any, list[Vote]]] | None]:
    """Of each job the known tasks: the known answer, and what people said. None of a job about
    whose people nothing was brought.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ANSWERS, _some_of([job.job_id for job in jobs]))
        rows = cursor.fetchall()
    specialties = {job.job_id: job.specialty for job in jobs}
    said: dict[UUID, dict[UUID, tuple[Any, list[Vote]]]] = {job.job_id: {} for job in jobs}
    missing = set()
    for job_id, task_id, author, answer, known in rows:
        _, votes = said[job_id].setdefault(task_id, (orjson.loads(known), []))
        author_facts = facts.get((specialties[job_id], author))
        if author_facts is None:
            missing.add(job_id)
        votes.append(Vote(orjson.loads(answer), author_facts or consensus.UNKNOWN))
    return [None if job.job_id in missing else list(said[job.job_id].values()) for job in jobs]
