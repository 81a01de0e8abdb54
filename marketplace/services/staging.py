"""Rows of an upload on their way in: copied into a temporary table, entered in one statement.

The upload is copied while it is being read, outside the way of anybody else; only the last
statement touches the job's tasks. Memory stays bounded whatever the size of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, BinaryIO
from uuid import UUID

import orjson
from django.db import connection

from core.ids import new_id
from marketplace.imports.batches import batches

#: Rows of one COPY, by number and by length of their text: no statement takes long, and no more
#: than this is held. While a COPY runs its connection does nothing else, so rows are read before it.
CHUNK = 10_000
CHUNK_BYTES = 4 * 1024 * 1024
#: Rejected rows that an answer lists; the rest is counted.
REJECTED_CAP = 1000
#: Bytes of the full list of rejected rows.
SINK_CAP = 64 * 1024 * 1024
#: An import may take longer than a request's other statements.
TIMEOUT = "15min"

_CREATE = """
CREATE TEMPORARY TABLE IF NOT EXISTS staged_task (
    number bigint, id uuid, external_id text, data jsonb, media jsonb, units numeric,
    reserve bigint, answer jsonb, explanation text
) ON COMMIT DROP
"""

_COPY = (
    "COPY staged_task (number, id, external_id, data, media, units, reserve, answer, explanation)"
    " FROM STDIN"
)

_ENTER = """
INSERT INTO marketplace_task (
    id, job_id, pos, external_id, data, media, role, units, state, wanted, taken, remaining,
    max_overlap, is_open, is_audit, slot_reserve_micros, round, created_at, state_changed_at)
SELECT s.id, %(job)s, nextval('marketplace_task_pos_seq'), s.external_id, s.data, s.media,
    %(role)s, s.units, %(state)s, 0, 0, 0,
    %(overlap)s, false, false, s.reserve, 1, core_now(), core_now()
FROM (SELECT * FROM staged_task ORDER BY number) s
ON CONFLICT (job_id, external_id) WHERE external_id IS NOT NULL DO NOTHING
"""

_ENTER_ANSWERS = """
INSERT INTO marketplace_goldanswer (task_id, answer, explanation)
SELECT t.id, s.answer, s.explanation
FROM staged_task s JOIN marketplace_task t ON t.id = s.id
"""


@dataclass(frozen=True, slots=True)
class StagedRow:
    """A checked row: what a task needs. Data, media and answer are JSON text.

    ``answer`` only for gold and exam questions.
    """

    number: int
    external_id: str | None
    data: str
    media: str
    units: Decimal
    reserve_micros: int
    answer: str | None = None
    explanation: str = ""


@dataclass
class Rejections:
    """Rows that cannot be taken: the first thousand with their reasons, and how many in all.

    ``sink`` gets every one of them as a line of JSON, in the order in which they were found, up to
    64 MiB.
    """

    sink: BinaryIO | None = None
    total: int = 0
    is_fatal: bool = False
    _written: int = 0
    _noted: list[dict[str, Any]] = field(default_factory=list)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The noted rows in the order of the file: one row's faults may be found after the next's."""
        return sorted(self._noted, key=lambda one: int(one["row"]))

    def add(self, number: int, errors: dict[str, list[str]], *, fatal: bool = False) -> None:
        """Note one row. After a fatal one nothing more can be read."""
        self.total += 1
        self.is_fatal = self.is_fatal or fatal
        if len(self._noted) < REJECTED_CAP:
            self._noted.append({"row": number, "errors": errors})
        if self.sink is not None and self._written < SINK_CAP:
            line = orjson.dumps({"row": number, "errors": errors}) + b"\n"
            self._written += self.sink.write(line)


def as_json(value: Any) -> str:
    """JSON text that the database takes. Raises ValueError for numbers out of range."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, orjson.JSONEncodeError) as problem:
        raise ValueError("Holds a number out of range.") from problem


def stage(rows: Iterable[StagedRow]) -> int:
    """Copy rows into the transaction's temporary table; how many. The caller owns the transaction.

    ``rows`` may be a generator over an upload of any size, and may use the database itself.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{TIMEOUT}'")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute(_CREATE)
        cursor.execute("TRUNCATE staged_task")
    total = 0
    for chunk in batches(rows, count=CHUNK, size=CHUNK_BYTES, measure=_length):
        _copy(chunk)
        total += len(chunk)
    return total


def _length(row: StagedRow) -> int:
    return len(row.data) + len(row.media) + len(row.answer or "") + len(row.explanation)


def _copy(rows: Sequence[StagedRow]) -> None:
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(
                (
                    row.number,
                    new_id(),
                    row.external_id,
                    row.data,
                    row.media,
                    row.units,
                    row.reserve_micros,
                    row.answer,
                    row.explanation,
                )
            )


def enter(*, job_id: UUID, role: str, state: str, max_overlap: int) -> int:
    """Make tasks of the staged rows, in the order of the file; how many are new.

    A row whose external id the job has already, from before or from earlier in the file, is left
    out: that makes an import repeatable.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _ENTER, {"job": job_id, "role": role, "state": state, "overlap": max_overlap}
        )
        created = int(cursor.rowcount)
        if role != "work":
            cursor.execute(_ENTER_ANSWERS)
        return created
