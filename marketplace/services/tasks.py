"""Tasks of a job, imported as a stream of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from uuid import UUID

from django.db import transaction

from core import errors, nudge
from marketplace.imports.rows import ParsedRow
from marketplace.labeling import registry
from marketplace.labeling.base import AnswerError
from marketplace.models import Job, Task
from marketplace.services import prices, staging, stats, units
from marketplace.services.staging import Rejections, StagedRow

#: States in which a job takes new tasks.
TAKES_TASKS = (Job.State.DRAFT, Job.State.LIVE, Job.State.PAUSED)


class TakesNoTasks(errors.Conflict):
    """The job is over, or for an exam: it takes no tasks of work."""

    code = "takes_no_tasks"


class RowsRejected(errors.Invalid):
    """Rows of an upload cannot be taken; nothing was imported. ``rejected`` names them."""

    code = "rows_rejected"


@dataclass(frozen=True)
class ImportResult:
    """What became of an upload. ``rejected`` lists at most 1000 rows, ``rejected_total`` counts."""

    created: int
    duplicates: int
    rejected: list[dict[str, Any]] = field(default_factory=list)
    rejected_total: int = 0


def import_rows(
    *,
    job: Job,
    rows: Iterable[ParsedRow],
    on_error: str = "abort",
    by: UUID,
    rejected_to: BinaryIO | None = None,
) -> ImportResult:
    """Import tasks of work; they are parked until the budget opens them.

    With ``on_error="abort"`` one bad row is enough and nothing is imported (RowsRejected); with
    ``"skip"`` the good rows are. A row whose external id the job has already is a duplicate and
    changes nothing, so the same upload may be sent again. Memory stays bounded. ``rejected_to`` gets
    every rejected row as a line of JSON, however many there are.

    Raises:
        TakesNoTasks: the job is over, suspended, or an exam.
        RowsRejected: a bad row under ``abort``, or a file that cannot be read to its end.
    """
    require_open_for_tasks(job, purpose=Job.Purpose.WORK)
    rejections = Rejections(rejected_to)
    with transaction.atomic():
        staged = staging.stage(_checked(job, rows, rejections, skip=on_error == "skip"))
        if rejections.is_fatal or (rejections.total and on_error != "skip"):
            raise rejected(rejections)
        lock_for_tasks(job, purpose=Job.Purpose.WORK)
        created = staging.enter(
            job_id=job.pk,
            role=Task.Role.WORK,
            state=Task.State.PARKED,
            max_overlap=job.max_overlap,
        )
        stats.count_in(job_id=job.pk, parked=created)
    nudge.nudge("marketplace.open_tasks")
    return ImportResult(created, staged - created, rejections.rows, rejections.total)


def _checked(
    job: Job, rows: Iterable[ParsedRow], rejections: Rejections, *, skip: bool
) -> Iterator[StagedRow]:
    """The rows that can be taken; the others are noted. After the first bad one under ``abort``
    the rest is only looked through for more of them.
    """
    reserve_of = prices.reserves(job)
    for row, measured in units.measure(job, readable(rows, rejections)):
        if measured.errors:
            rejections.add(row.number, measured.errors)
            continue
        try:
            data, media = staging.as_json(row.data), staging.as_json(measured.media)
        except ValueError as problem:
            rejections.add(row.number, {"data": [str(problem)]})
            continue
        if rejections.total and not skip:
            continue
        yield StagedRow(
            number=row.number,
            external_id=row.external_id,
            data=data,
            media=media,
            units=measured.units,
            reserve_micros=reserve_of(measured.units),
        )


def readable(rows: Iterable[ParsedRow], rejections: Rejections) -> Iterator[ParsedRow]:
    """The rows that could be read; the others are noted."""
    for row in rows:
        if row.error is None:
            yield row
        else:
            rejections.add(row.number, row.error, fatal=row.fatal)


def rejected(rejections: Rejections) -> RowsRejected:
    """The problem that names the rejected rows."""
    return RowsRejected(
        f"{rejections.total} rows cannot be taken; nothing was imported.",
        rejected=rejections.rows,
        rejected_total=rejections.total,
    )


def require_open_for_tasks(job: Job, *, purpose: str) -> None:
    """Raises TakesNoTasks unless a job of this purpose is in a state that takes tasks."""
    if job.purpose != purpose:
        raise TakesNoTasks(f"This job is for {job.purpose}.")
    if job.state not in TAKES_TASKS:
        raise TakesNoTasks(f"The job is {job.state}: it takes no more tasks.")


def lock_for_tasks(job: Job, *, purpose: str) -> None:
    """Hold the job in its state until the tasks are in. Raises TakesNoTasks.

    Imports run side by side; a change of state waits for them, or they for it.
    """
    with_state = Job.objects.raw("SELECT * FROM marketplace_job WHERE id = %s FOR SHARE", [job.pk])
    locked = with_state[0]
    require_open_for_tasks(locked, purpose=purpose)
    if prices.basis(locked) != prices.basis(job):
        raise TakesNoTasks("The job was changed during the import. Send the file again.")


def valid_answer(kind: str, spec: dict[str, Any], answer: Any, *, field: str = "answer") -> Any:
    """The answer in the kind's canonical form. Raises Invalid naming ``field``."""
    try:
        return registry.get(kind).validate(spec, answer)
    except AnswerError as error:
        found = {f"{field}.{name}" if name else field: said for name, said in error.errors.items()}
        raise errors.Invalid("The answer does not fit the task.", errors=found) from error
