"""Rows of tasks out of an upload, whatever its format.

An NDJSON row is `{"external_id"?: text, "data": {…}, "media"?: {…}, "seconds"?: number}`. In CSV the
columns `external_id`, `data.<field>` and `media.<name>` say the same; a column of any other name is
a field of data, and the columns `data` and `media` hold whole objects in JSON. Rows with more than
a task in them (known answers, predictions) are read by `imports.extended`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from marketplace.imports import csv, ndjson
from marketplace.imports.lines import Record

EXTERNAL_ID_CAP = 200
NDJSON = "application/x-ndjson"
CSV = "text/csv"
#: Readers by content type.
FORMATS: Mapping[str, Callable[[BinaryIO], Iterator[Record]]] = {
    NDJSON: ndjson.records,
    CSV: csv.records,
}
_KNOWN = frozenset({"external_id", "data", "media", "seconds"})


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """One task as uploaded, or what is wrong with it.

    `number` is the line of the file, from 1, on which the row begins. After a `fatal` row
    nothing more comes: the file as a whole cannot be read. `seconds` is a declared duration, not
    yet looked at: who may declare one is not a matter of the format. `size` is in bytes.
    """

    number: int
    external_id: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    media: dict[str, Any] = field(default_factory=dict)
    error: dict[str, list[str]] | None = None
    fatal: bool = False
    seconds: Any = None
    size: int = field(default=0, compare=False)


def records(stream: BinaryIO, content_type: str) -> Iterator[Record]:
    """Read an upload of one of FORMATS. Errors are rows too; no bytes make this raise."""
    return FORMATS[content_type](stream)


def parse(stream: BinaryIO, content_type: str) -> Iterator[ParsedRow]:
    """Read an upload of tasks in one of FORMATS. Errors are rows too; no bytes make this raise."""
    shape = from_cells if content_type == CSV else from_object
    for record in records(stream, content_type):
        if record.value is None:
            yield ParsedRow(record.number, error=record.error, fatal=record.fatal)
        else:
            yield shape(record.number, record.value, record.size)


def external_id_errors(value: object) -> list[str]:
    """Say what is wrong with the requester's own name of a task, if anything."""
    if not isinstance(value, str):
        return ["Must be text."]
    if not 1 <= len(value) <= EXTERNAL_ID_CAP:
        return [f"Must have 1 to {EXTERNAL_ID_CAP} characters."]
    if not value.isprintable():
        return ["Must not contain control characters or line ends."]
    return []


def from_object(number: int, value: Mapping[str, Any], size: int = 0) -> ParsedRow:
    """Read a task out of a row's JSON object; what is wrong with it is in the row."""
    errors = {str(name): ["There is no such field."] for name in value.keys() - _KNOWN}
    external_id = value.get("external_id")
    if external_id is not None and (problems := external_id_errors(external_id)):
        errors["external_id"] = problems
    data = value.get("data")
    if not isinstance(data, dict):
        errors["data"] = ["An object is required."]
    media = value.get("media")
    if media is not None and not isinstance(media, dict):
        errors["media"] = ["Must be an object."]
    if errors:
        return ParsedRow(number, error=errors)
    return ParsedRow(
        number, external_id, data or {}, media or {}, seconds=value.get("seconds"), size=size
    )


def from_cells(number: int, cells: Mapping[str, str], size: int = 0) -> ParsedRow:
    """Read a task out of a row's cells by column; what is wrong with it is in the row."""
    errors: dict[str, list[str]] = {}
    parts: dict[str, dict[str, Any]] = {"data": {}, "media": {}}
    external_id: str | None = None
    for column, text in cells.items():
        if column == "external_id":
            external_id = text or None
            continue
        part, dot, name = column.partition(".")
        if part not in parts:
            part, given = "data", {column: text}
        elif dot and not name:
            errors[column] = ["The column has no name behind the dot."]
            continue
        elif dot:
            # A task without that medium leaves its cell empty.
            given = {name: text} if text or part == "data" else {}
        else:
            try:
                given = whole(text)
            except ValueError as problem:
                errors[column] = [str(problem)]
                continue
        if twice := parts[part].keys() & given.keys():
            errors[column] = [f"Named twice: {', '.join(sorted(twice)[:5])}."]
        parts[part].update(given)
    if external_id is not None and (problems := external_id_errors(external_id)):
        errors["external_id"] = problems
    if errors:
        return ParsedRow(number, error=errors)
    return ParsedRow(number, external_id, parts["data"], parts["media"], size=size)


def whole(text: str) -> dict[str, Any]:
    """Read a cell that holds a JSON object or nothing; ValueError says what is wrong."""
    if not text:
        return {}
    value = ndjson.loads(text.encode())
    if not isinstance(value, dict):
        raise ValueError("Must be a JSON object.")  # noqa: TRY004 - one error for all callers
    return value
