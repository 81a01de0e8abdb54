"""Records of a file with one JSON object per line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from core.http import parser
from marketplace.imports import lines
from marketplace.imports.lines import Record


def records(stream: BinaryIO) -> Iterator[Record]:
    """Yield one record per line that is not blank. Errors are rows too; this never raises."""
    number = 0
    try:
        for number, raw in enumerate(lines.split(stream), start=1):
            if raw is None:
                said = f"The line is longer than {lines.CAP} bytes."
                yield Record(number, None, {"row": [said]})
            elif not raw.isspace():
                yield _record(number, raw)
    except lines.Unreadable as problem:
        yield Record(1, None, {"file": [str(problem)]}, fatal=True)
        return
    if number == 0:
        yield Record(1, None, {"file": ["The file is empty."]}, fatal=True)


def loads(raw: bytes) -> Any:
    """Read one JSON value as strictly as a request body.

    Raises:
        ValueError: it is not such a value; the argument says why.
    """
    return parser.loads(raw)


def _record(number: int, raw: bytes) -> Record:
    try:
        value = loads(raw)
    except ValueError as problem:
        return Record(number, None, {"row": [str(problem)]})
    if not isinstance(value, dict):
        return Record(number, None, {"row": ["A JSON object is required."]})
    return Record(number, value, size=len(raw))
