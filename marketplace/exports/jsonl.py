"""JSON Lines: the exact format. One row, one JSON object, one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import orjson


def line(row: dict[str, Any]) -> bytes:
    """Write one row as a line of UTF-8 JSON with its end."""
    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # Integers of more than 64 bits: JSON has them, the fast writer does not.
        return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class Jsonl:
    """Rows as they are."""

    name = "jsonl"
    extension = "jsonl"
    content_type = "application/x-ndjson"
    options: Mapping[str, bool] = {}

    def write(
        self,
        rows: Iterable[dict[str, Any]],
        file: BinaryIO,
        *,
        layout: Mapping[str, Any],
        is_first: bool,
    ) -> int:
        """Write one part; see `formats.Format`."""
        count = 0
        for count, row in enumerate(rows, start=1):  # noqa: B007
            file.write(line(row))
        return count
