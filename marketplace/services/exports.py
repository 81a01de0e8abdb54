"""Exports: files of results, made in the background part by part.

A part is a bounded number of rows. It is read without a long transaction, written to a
temporary file, stored under a name of our own making, and only then entered in the row together
with the task it ends at. Who dies in between leaves a row that falls due again when its lease
ends, and the next one goes on behind the last entered part.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.core import signing
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import connection, transaction

from core import clock, states
from core.errors import Conflict, Invalid, NotFound
from marketplace.exports import formats, results
from marketplace.exports.rows import Outgrown
from marketplace.models import Export, Job
from marketplace.services import webhooks

log = structlog.get_logger()

PART_ROWS = 20_000
#: Longer than a part takes; a part that takes longer yet is thrown away by whoever comes second.
LEASE = timedelta(seconds=60)
ATTEMPTS = 5
#: How many exports of one organization may be unfinished.
OPEN_CAP = 10
LINK_SECONDS = 600
_SALT = "marketplace.exports.link"


class TooManyExports(Conflict):
    """The organization has as many unfinished exports as it may have."""

    code = "too_many_exports"


def create(
    *, job: Job, format_name: str, options: Mapping[str, Any] | None = None, by: UUID
) -> Export:
    """Ask for a file of a job's results; `sweep` makes it.

    Raises:
        Invalid: no such format, or an option it does not have.
        TooManyExports: ten exports of the organization are unfinished.
    """
    form = formats.FORMATS.get(format_name)
    if form is None:
        known = ", ".join(formats.FORMATS)
        raise Invalid("No such format.", errors={"format": [f"Formats are: {known}."]})
    options = dict(options or {})
    for name, value in options.items():
        if name not in form.options or not isinstance(value, bool):
            said = f"{format_name} has no option {name} of that kind."
            raise Invalid("No such option.", errors={"options": [said]})
    now = clock.now()
    with transaction.atomic():
        _queue_up(job.organization_id)
        unfinished = Export.objects.filter(
            organization_id=job.organization_id, state__in=_UNFINISHED
        )
        if unfinished.count() >= OPEN_CAP:
            raise TooManyExports(f"{OPEN_CAP} exports are unfinished; wait for one of them.")
        return Export.objects.create(
            organization_id=job.organization_id,
            job=job,
            created_by_id=by,
            format=format_name,
            options={**form.options, **options},
            created_at=now,
            next_attempt_at=now,
        )


def _queue_up(organization_id: UUID) -> None:
    """Those of one organization who ask at the same time are counted one after the other."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"marketplace.exports:{organization_id}"],
        )


def sweep() -> int:
    """Make one part of one export; answer how many (1 or 0)."""
    export = _take()
    if export is None:
        return 0
    try:
        _make_part(export)
    except Exception as problem:
        # Whatever it was, the row says when it is tried again and when that ends.
        log.exception("export_part_broke", export=str(export.id))
        _put_off(export, problem)
    return 1


def oldest_due() -> float | None:
    """Age in seconds of the export part that has been due for longest, or None."""
    now = clock.now()
    first = (
        Export.objects.filter(state__in=_UNFINISHED, next_attempt_at__lte=now)
        .order_by("next_attempt_at")
        .values_list("next_attempt_at", flat=True)
        .first()
    )
    return None if first is None else (now - first).total_seconds()


def link_signature(export: Export) -> str:
    """Sign a link to the file, good for ten minutes for whoever holds it."""
    signed = signing.TimestampSigner(salt=_SALT).sign(str(export.id))
    return signed.partition(":")[2]


def opened(*, export_id: UUID, signature: str) -> Export:
    """Find the finished export that a link was signed for.

    Raises:
        NotFound: the link is not ours or too old, or there is no file.
    """
    try:
        signing.TimestampSigner(salt=_SALT).unsign(f"{export_id}:{signature}", max_age=LINK_SECONDS)
    except signing.BadSignature as problem:
        raise NotFound("The link is not valid any more.") from problem
    export = Export.objects.filter(id=export_id, state=Export.State.DONE).first()
    if export is None:
        raise NotFound("There is no such file.")
    return export


def read(export: Export) -> Iterator[bytes]:
    """Stream a finished file out of the storage."""
    for part in export.parts:
        with default_storage.open(part["name"], "rb") as file:
            yield from file.chunks()


def size(export: Export) -> int:
    """Count the bytes of the parts that there are."""
    return sum(part["bytes"] for part in export.parts)


_UNFINISHED = (Export.State.QUEUED, Export.State.RUNNING)


def _take() -> Export | None:
    """Lease the due export that has got least so far."""
    with transaction.atomic(durable=True):
        now = clock.now()
        export = (
            Export.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("job", "job__interface")
            .filter(state__in=_UNFINISHED, next_attempt_at__lte=now)
            .order_by("rows_done", "id")
            .first()
        )
        if export is None:
            return None
        facts: dict[str, Any] = {
            "attempts": export.attempts + 1,
            "next_attempt_at": now + LEASE,
        }
        if export.attempts >= ATTEMPTS:
            # Those who tried died without a word.
            states.move(export, Export.State.FAILED, error="interrupted", finished_at=now)
            return None
        if export.state == Export.State.QUEUED:
            states.move(export, Export.State.RUNNING, started_at=now, **facts)
        else:
            _save(export, **facts)
        return export


def _make_part(export: Export) -> None:
    form = formats.FORMATS[export.format]
    is_first = not export.parts
    facts: dict[str, Any] = {}
    if is_first:
        facts["layout"] = {**export.options, **results.fields(export.job)}
        facts["rows_total"] = results.count(export.job)
    layout = facts.get("layout", export.layout)
    rows = results.Pages(export.job, after=export.cursor, limit=PART_ROWS)
    with tempfile.TemporaryFile() as file:
        try:
            count = form.write(rows, file, layout=layout, is_first=is_first)
        except Outgrown:
            _start_over(export)
            return
        length = file.tell()
        file.seek(0)
        wanted = f"exports/{export.id}/{len(export.parts):05d}-{secrets.token_hex(8)}"
        name = default_storage.save(f"{wanted}.{form.extension}", File(file))
    part = {"name": name, "bytes": length, "rows": count}
    is_entered = _enter(export, part, cursor=rows.last, is_last=count < PART_ROWS, facts=facts)
    if not is_entered:
        default_storage.delete(name)


def _enter(
    export: Export,
    part: dict[str, Any],
    *,
    cursor: UUID | None,
    is_last: bool,
    facts: dict[str, Any],
) -> bool:
    """Enter a stored part in the row; False when the row is not ours any more."""
    with transaction.atomic(durable=True):
        row = _mine(export)
        if row is None:
            return False
        now = clock.now()
        done = row.rows_done + part["rows"]
        facts = {
            **facts,
            "parts": [*row.parts, part],
            "rows_done": done,
            "rows_total": max(done, facts.get("rows_total", row.rows_total)),
            "cursor": cursor or row.cursor,
            "attempts": 0,
            "next_attempt_at": now,
        }
        if not is_last:
            _save(row, **facts)
            return True
        states.move(row, Export.State.DONE, finished_at=now, **{**facts, "rows_total": done})
        webhooks.queue(
            organization_id=row.organization_id,
            event_type="export.done",
            payloads=[
                {
                    "export": str(row.id),
                    "job": str(row.job_id),
                    "format": row.format,
                    "rows": done,
                }
            ],
        )
        return True


def _start_over(export: Export) -> None:
    """Forget the parts: results came in the meantime that the columns have no place for."""
    with transaction.atomic(durable=True):
        row = _mine(export)
        if row is None:
            return
        stale = [part["name"] for part in row.parts]
        _save(
            row, parts=[], rows_done=0, cursor=None, layout={},
            attempts=0, next_attempt_at=clock.now(),
        )  # fmt: skip
    for name in stale:
        default_storage.delete(name)


def _put_off(export: Export, problem: Exception) -> None:
    """Try again later, or give up; the reason shown is a class name, never its text."""
    with transaction.atomic(durable=True):
        row = _mine(export)
        if row is None:
            return
        if row.attempts >= ATTEMPTS:
            states.move(
                row, Export.State.FAILED, error=type(problem).__name__, finished_at=clock.now()
            )
            return
        _save(row, next_attempt_at=clock.now() + timedelta(seconds=5 * 4 ** (row.attempts - 1)))


def _mine(export: Export) -> Export | None:
    """Lock the row if it is still leased as we took it."""
    row = Export.objects.select_for_update().get(id=export.id)
    is_mine = row.state == Export.State.RUNNING and row.next_attempt_at == export.next_attempt_at
    return row if is_mine else None


def _save(row: Export, **facts: Any) -> None:
    for name, value in facts.items():
        setattr(row, name, value)
    row.save(update_fields=list(facts))
