"""Known answers: gold that checks workers among their work, and the questions of exams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO
from uuid import UUID

from django.db import transaction

from core import errors
from marketplace.imports import rows as parsed_rows
from marketplace.imports.lines import Record
from marketplace.models import Job, Task
from marketplace.services import prices, staging, stats, tasks, units
from marketplace.services.staging import Rejections, StagedRow
from marketplace.services.tasks import ImportResult

EXPLANATION_CAP = 5_000


@dataclass(frozen=True, slots=True)
class GoldRow:
    """A task with its known answer, as uploaded."""

    number: int
    external_id: str | None
    data: dict[str, Any]
    media: dict[str, Any]
    seconds: Any
    answer: Any
    explanation: str
    size: int = 0


def add(
    *,
    job: Job,
    records: Iterable[Record],
    on_error: str = "abort",
    by: UUID,
    rejected_to: BinaryIO | None = None,
) -> ImportResult:
    """Add tasks with known answers: rows with ``answer`` and, if wanted, ``explanation``.

    In a job of work they become gold, mixed into the claims; in an exam its questions. Each answer
    must fit the interface. Repeatable by external id like an import of tasks.

    Raises:
        TakesNoTasks: the job is over or suspended.
        RowsRejected: a bad row under ``abort``, or a file that cannot be read to its end.
    """
    tasks.require_open_for_tasks(job, purpose=job.purpose)
    role = Task.Role.EXAM if job.purpose == Job.Purpose.EXAM else Task.Role.GOLD
    rejections = Rejections(rejected_to)
    with transaction.atomic():
        staged = staging.stage(_checked(job, records, rejections))
        if rejections.is_fatal or (rejections.total and on_error != "skip"):
            raise tasks.rejected(rejections)
        tasks.lock_for_tasks(job, purpose=job.purpose)
        created = staging.enter(job_id=job.pk, role=role, state=Task.State.OPEN, max_overlap=1)
        stats.count_in(job_id=job.pk, gold=created)
    return ImportResult(created, staged - created, rejections.rows, rejections.total)


def _checked(job: Job, records: Iterable[Record], rejections: Rejections) -> Iterator[StagedRow]:
    reserve_of = prices.reserves(job)
    interface = job.interface
    for row, measured in units.measure(job, _read(records, rejections)):
        found = dict(measured.errors or {})
        try:
            answer = tasks.valid_answer(interface.kind, interface.spec, row.answer)
        except errors.Invalid as invalid:
            found.update(invalid.errors or {"answer": [invalid.detail]})
        if found:
            rejections.add(row.number, found)
            continue
        try:
            staged = StagedRow(
                number=row.number,
                external_id=row.external_id,
                data=staging.as_json(row.data),
                media=staging.as_json(measured.media),
                units=measured.units,
                reserve_micros=reserve_of(measured.units),
                answer=staging.as_json(answer),
                explanation=row.explanation,
            )
        except ValueError as problem:
            rejections.add(row.number, {"row": [str(problem)]})
            continue
        yield staged


def _read(records: Iterable[Record], rejections: Rejections) -> Iterator[GoldRow]:
    for record in records:
        if record.value is None:
            rejections.add(record.number, record.error or {}, fatal=record.fatal)
            continue
        known = {name: record.value.get(name) for name in ("answer", "explanation")}
        rest = {k: v for k, v in record.value.items() if k not in known}
        row = parsed_rows.from_object(record.number, rest)
        found = dict(row.error or {})
        explanation = "" if known["explanation"] is None else known["explanation"]
        if not isinstance(explanation, str) or len(explanation) > EXPLANATION_CAP:
            found["explanation"] = [f"Text of at most {EXPLANATION_CAP} characters."]
        if known["answer"] is None:
            found["answer"] = ["This field is required."]
        if found:
            rejections.add(record.number, found)
            continue
        yield GoldRow(
            number=record.number,
            external_id=row.external_id,
            data=row.data,
            media=row.media,
            seconds=row.seconds,
            answer=known["answer"],
            explanation=explanation,
            size=record.size,
        )
