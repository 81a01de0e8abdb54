"""The formats an export can have. Another one is a file beside these and a line here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO, Protocol

from marketplace.exports import csv, jsonl


class Format(Protocol):
    """How result rows become bytes.

    A file is written in parts that are simply put one behind the other, so that a long export
    can go on where it stopped.
    """

    name: str
    extension: str
    content_type: str
    #: Options a caller may set, with their defaults.
    options: Mapping[str, bool]

    def write(
        self,
        rows: Iterable[dict[str, Any]],
        file: BinaryIO,
        *,
        layout: Mapping[str, Any],
        is_first: bool,
    ) -> int:
        """Write one part and answer the number of rows.

        `layout` is what is fixed for the whole file: the options, and the names of the data
        and value fields that occur (`data`, `value`: lists of text, or None for too many).

        Raises:
            rows.Outgrown: a row has a field that the layout does not name.
        """
        ...


FORMATS: Mapping[str, Format] = {one.name: one for one in (jsonl.Jsonl(), csv.Csv())}
