"""Records of a CSV file: a header line, then one record per line or several quoted ones."""

from __future__ import annotations

import collections
import csv
import dataclasses
import re
from collections.abc import Iterator
from typing import BinaryIO

from marketplace.imports import lines
from marketplace.imports.lines import Record

COLUMNS_CAP = 1000
NAME_CAP = 200

# The reader's own cell limit counts characters for the whole process. Records are capped in
# bytes below, which is never looser, so that its limit is never the one that strikes.
csv.field_size_limit(max(csv.field_size_limit(), lines.CAP))

#: Text that a spreadsheet would run as a formula, behind any apostrophes already there.
_FORMULA = re.compile(r"[\s']*[=+\-@＝＋－＠]|'*[\t\r\n]")


def records(stream: BinaryIO) -> Iterator[Record]:
    """Yield one record per row below the header: column name to text.

    An apostrophe before what a spreadsheet would take for a formula is left out: our own
    exports put it there. Errors are rows too; this never raises on any bytes.
    """
    header: list[str] | None = None
    for row in _rows(stream):
        if isinstance(row, Record):
            is_fatal = row.fatal or header is None
            yield dataclasses.replace(row, fatal=is_fatal)
            if is_fatal:
                return
            continue
        number, cells, size = row
        if header is None:
            header = [cell.strip() for cell in cells]
            if problems := _header_problems(header):
                yield Record(number, None, {"header": problems}, fatal=True)
                return
        elif len(cells) != len(header):
            said = f"The header names {len(header)} columns; this row has {len(cells)}."
            yield Record(number, None, {"row": [said]})
        else:
            named = dict(zip(header, map(_unescaped, cells), strict=True))
            yield Record(number, named, size=size)
    if header is None:
        said = "The file is empty: a header line with the names of columns is needed."
        yield Record(1, None, {"file": [said]}, fatal=True)


def _rows(stream: BinaryIO) -> Iterator[tuple[int, list[str], int] | Record]:
    """Yield what the reader makes of each row, the header included: cells and bytes, or its error."""
    feed = _Feed(stream)
    reader = csv.reader(feed, strict=True)
    while True:
        start = feed.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (lines.Unreadable, _Overlong) as problem:
            yield Record(start, None, {"file": [str(problem)]}, fatal=True)
            return
        except csv.Error as problem:
            if feed.is_done:
                said = "A quote opened in this row is never closed."
                yield Record(start, None, {"file": [said]}, fatal=True)
                return
            where = f"Lines {start} to {feed.number}" if feed.number > start else "The row"
            yield Record(start, None, {"row": [f"{where} cannot be read as CSV: {problem}."]})
            continue
        if feed.fault is not None:
            yield Record(start, None, {"row": [feed.fault]})
        elif cells:
            yield start, cells, feed.size


class _Overlong(Exception):
    """A record is longer than the cap."""


class _Feed:
    """The lines for the reader as text; knows where it is and what was wrong on the way."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = lines.split(stream)
        self.size = 0
        self.number = 0
        self.fault: str | None = None
        self.is_done = False

    def begin(self) -> int:
        """Begin a record with the next line; answer that line's number."""
        self.size, self.fault = 0, None
        return self.number + 1

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        try:
            raw = next(self._lines)
        except StopIteration:
            self.is_done = True
            raise
        self.number += 1
        self.size += lines.CAP + 1 if raw is None else len(raw)
        if raw is None or self.size > lines.CAP:
            raise _Overlong(
                f"The row is longer than {lines.CAP} bytes, or a quote in it is not closed."
                " What follows was not read."
            )
        if b"\x00" in raw:
            self.fault = "The row contains NUL."
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.fault = "The row is not encoded in UTF-8."
            return raw.decode(errors="replace")


def _header_problems(names: list[str]) -> list[str]:
    if len(names) > COLUMNS_CAP:
        return [f"The header has {len(names)} columns; {COLUMNS_CAP} are allowed."]
    problems = []
    if any(not name for name in names):
        problems.append("A column has no name.")
    if any(len(name) > NAME_CAP for name in names):
        problems.append(f"A column's name is longer than {NAME_CAP} characters.")
    counts = collections.Counter(names)
    if twice := sorted(name for name, count in counts.items() if name and count > 1):
        problems.append(f"Columns are named twice: {', '.join(twice[:10])}.")
    if len(names) == 1 and re.search(r"[;\t|]", names[0]):
        problems.append("Columns are separated by commas, not by other marks.")
    return problems


def _unescaped(cell: str) -> str:
    if cell.startswith("'") and _FORMULA.match(cell, 1):
        return cell[1:]
    return cell
