"""What models say of tasks, kept beside what people say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO
from uuid import UUID

from django.db import connection, transaction

from core import clock, errors
from core.ids import new_id
from marketplace.imports.batches import batches
from marketplace.imports.lines import Record
from marketplace.models import Job
from marketplace.services import staging, tasks
from marketplace.services.staging import Rejections

#: Rows of one statement, by number and by length of their text.
CHUNK = 1000
CHUNK_BYTES = 4 * 1024 * 1024
VERSION_CAP = 200
_FIELDS = ("external_id", "task", "value", "model_version", "score")

_ENTER = """
INSERT INTO marketplace_prediction (
    id, task_id, interface_id, model_version, value, score, created_at)
SELECT DISTINCT ON (t.id, p.version) p.id, t.id, %(interface)s, p.version, p.value, p.score, %(now)s
FROM unnest(%(ids)s::uuid[], %(tasks)s::uuid[], %(names)s::text[], %(versions)s::text[],
        %(values)s::jsonb[], %(scores)s::float8[], %(numbers)s::int[])
    AS p(id, task_id, name, version, value, score, number)
JOIN marketplace_task t ON t.job_id = %(job)s
    AND (t.id = p.task_id OR (p.task_id IS NULL AND t.external_id = p.name))
ORDER BY t.id, p.version, p.number DESC
ON CONFLICT (task_id, model_version) DO UPDATE
SET value = excluded.value, score = excluded.score, interface_id = excluded.interface_id,
    created_at = excluded.created_at
RETURNING task_id, xmax = 0
"""

_FOUND = """
SELECT p.number FROM unnest(%(tasks)s::uuid[], %(names)s::text[], %(numbers)s::int[])
    AS p(task_id, name, number)
JOIN marketplace_task t ON t.job_id = %(job)s
    AND (t.id = p.task_id OR (p.task_id IS NULL AND t.external_id = p.name))
"""


@dataclass(frozen=True)
class PredictionResult:
    """What became of an upload; a prediction sent again for its model version is replaced."""

    created: int
    replaced: int
    rejected: list[dict[str, Any]]
    rejected_total: int


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    task_id: UUID | None
    external_id: str | None
    value: str
    version: str
    score: float | None


def add(
    *,
    job: Job,
    records: Iterable[Record],
    on_error: str = "abort",
    by: UUID,
    rejected_to: BinaryIO | None = None,
) -> PredictionResult:
    """Store model answers: rows with ``external_id`` or ``task``, ``value``, ``model_version`` and,
    if known, ``score`` in [0, 1]. A value must fit the interface.

    Raises RowsRejected: a bad row under ``abort``, or a file that cannot be read to its end.
    """
    rejections = Rejections(rejected_to)
    created = total = 0
    with transaction.atomic():
        rows = _checked(job, records, rejections)
        for chunk in batches(
            rows, count=CHUNK, size=CHUNK_BYTES, measure=lambda one: len(one.value)
        ):
            new, stored = _enter(job, chunk, rejections)
            created += new
            total += stored
        if rejections.is_fatal or (rejections.total and on_error != "skip"):
            raise tasks.rejected(rejections)
    return PredictionResult(created, total - created, rejections.rows, rejections.total)


def _enter(job: Job, rows: list[_Row], rejections: Rejections) -> tuple[int, int]:
    parameters: dict[str, Any] = {
        "job": job.pk,
        "interface": job.interface_id,
        "now": clock.now(),
        "ids": [new_id() for _ in rows],
        "tasks": [row.task_id for row in rows],
        "names": [row.external_id for row in rows],
        "versions": [row.version for row in rows],
        "values": [row.value for row in rows],
        "scores": [row.score for row in rows],
        "numbers": [row.number for row in rows],
    }
    with connection.cursor() as cursor:
        cursor.execute(_FOUND, parameters)
        found = {number for (number,) in cursor.fetchall()}
        for row in rows:
            if row.number not in found:
                rejections.add(row.number, {"external_id": ["The job has no such task."]})
        cursor.execute(_ENTER, parameters)
        stored = cursor.fetchall()
    return sum(is_new for _, is_new in stored), len(stored)


def _checked(job: Job, records: Iterable[Record], rejections: Rejections) -> Iterator[_Row]:
    for record in records:
        if record.value is None:
            rejections.add(record.number, record.error or {}, fatal=record.fatal)
            continue
        row, problems = _row(job, record.number, record.value)
        if problems:
            rejections.add(record.number, problems)
        else:
            assert row is not None
            yield row


def _row(job: Job, number: int, given: dict[str, Any]) -> tuple[_Row | None, dict[str, list[str]]]:
    problems = {name: ["There is no such field."] for name in given if name not in _FIELDS}
    task_id, external_id = _target(given, problems)
    version = given.get("model_version")
    if not isinstance(version, str) or not 0 < len(version) <= VERSION_CAP:
        problems["model_version"] = [f"Text of 1 to {VERSION_CAP} characters."]
    score = given.get("score")
    if score is not None and (
        isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1
    ):
        problems["score"] = ["A number from 0 to 1."]
    text = ""
    try:
        value = tasks.valid_answer(
            job.interface.kind, job.interface.spec, given.get("value"), field="value"
        )
        text = staging.as_json(value)
    except errors.Invalid as invalid:
        problems.update(invalid.errors or {"value": [invalid.detail]})
    except ValueError as problem:
        problems["value"] = [str(problem)]
    if problems:
        return None, problems
    return _Row(number, task_id, external_id, text, str(version), score), {}


def _target(
    given: dict[str, Any], problems: dict[str, list[str]]
) -> tuple[UUID | None, str | None]:
    task, external_id = given.get("task"), given.get("external_id")
    if (task is None) == (external_id is None):
        problems["external_id"] = ["Name the task by external_id or by task, not both."]
        return None, None
    if external_id is not None:
        if not isinstance(external_id, str):
            problems["external_id"] = ["Must be text."]
            return None, None
        return None, external_id
    try:
        return UUID(task), None
    except (ValueError, TypeError, AttributeError):
        problems["task"] = ["Must be the id of a task."]
        return None, None
