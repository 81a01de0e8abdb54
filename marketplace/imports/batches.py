"""Rows taken together, bounded in number and in bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Row = TypeVar("_Row")


def batches(
    rows: Iterable[_Row], *, count: int, size: int, measure: Callable[[_Row], int]
) -> Iterator[list[_Row]]:
    """Yield rows in lists of at most ``count``; a list ends with the row that brings it to ``size``.

    ``measure`` tells the size of one row. Nothing is read ahead of the list being filled.
    """
    batch: list[_Row] = []
    held = 0
    for row in rows:
        batch.append(row)
        held += measure(row)
        if len(batch) >= count or held >= size:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
