"""CSV for spreadsheets: fields of data and value in columns of their own, no cell a formula.

Text that a spreadsheet would run as a formula gets an apostrophe before it, and so does text
that would read like such an escape, so that the import takes back exactly what was exported.
Numbers stay numbers. The raw option leaves text as it is.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from marketplace.exports.rows import Outgrown

_FORMULA = re.compile(r"[\s']*[=+\-@＝＋－＠]|'*[\t\r\n]")
_BEFORE = ("task", "external_id")
_AFTER = (
    "confidence", "rule", "escalated", "state", "round", "votes",
    "interface.id", "interface.version", "interface.kind",
    "resolved_at", "cost.amount_micros", "cost.currency",
)  # fmt: skip


def escape(text: str) -> str:
    """Make text harmless in a spreadsheet; one-to-one, undone by the import."""
    return f"'{text}" if _FORMULA.match(text) else text


def columns(layout: Mapping[str, Any]) -> list[str]:
    """Name the columns of a file: `data.<field>` and `value.<field>` for each field there is.

    A part whose fields are too many (None) is one column of JSON.
    """
    return [*_BEFORE, *_fields("data", layout), *_fields("value", layout), *_AFTER]


class Csv:
    """One line per row below a header, in the dialect of RFC 4180."""

    name = "csv"
    extension = "csv"
    content_type = "text/csv; charset=utf-8"
    options: Mapping[str, bool] = {"raw": False}

    def write(
        self,
        rows: Iterable[dict[str, Any]],
        file: BinaryIO,
        *,
        layout: Mapping[str, Any],
        is_first: bool,
    ) -> int:
        """Write one part; the header belongs to the first. See `formats.Format`."""
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        try:
            writer = csv.writer(text, lineterminator="\r\n")
            names = columns(layout)
            known = {
                part: frozenset(layout[part])
                for part in ("data", "value")
                if layout.get(part) is not None
            }
            is_raw = bool(layout.get("raw"))
            if is_first:
                writer.writerow([_text(name, is_raw=is_raw) for name in names])
            count = 0
            for count, row in enumerate(rows, start=1):  # noqa: B007
                _require_place(row, known)
                writer.writerow([_cell(_pick(row, name), is_raw=is_raw) for name in names])
            return count
        finally:
            text.detach()


def _fields(part: str, layout: Mapping[str, Any]) -> list[str]:
    names = layout.get(part)
    return [part] if names is None else [f"{part}.{name}" for name in names]


def _require_place(row: Mapping[str, Any], known: Mapping[str, frozenset[str]]) -> None:
    for part, names in known.items():
        if row[part] is not None and not (
            isinstance(row[part], dict) and row[part].keys() <= names
        ):
            raise Outgrown(part)


def _pick(row: Mapping[str, Any], column: str) -> Any:
    part, dot, field = column.partition(".")
    found = row.get(part)
    if not dot:
        return found
    return found.get(field) if isinstance(found, Mapping) else None


def _cell(value: Any, *, is_raw: bool) -> str | int | float:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case str():
            return _text(value, is_raw=is_raw)
        case _:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _text(text: str, *, is_raw: bool) -> str:
    return text if is_raw else escape(text)
