"""Rows taken together: bounded in number and in bytes, read no further than needed."""

import pytest

from marketplace.imports.batches import batches


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([1], [[1]]),
        ([1, 1, 1], [[1, 1, 1]]),
        ([1, 1, 1, 1], [[1, 1, 1], [1]]),
        ([9, 1], [[9, 1]]),
        ([10, 1], [[10], [1]]),
        ([50, 50], [[50], [50]]),
        ([4, 6, 1], [[4, 6], [1]]),
    ],
)
def test_a_batch_ends_by_number_or_by_bytes(sizes: list[int], expected: list[list[int]]) -> None:
    assert list(batches(sizes, count=3, size=10, measure=lambda one: one)) == expected


def test_nothing_is_read_ahead() -> None:
    read: list[int] = []

    def rows():  # type: ignore[no-untyped-def]
        for number in range(100):
            read.append(number)
            yield number

    found = batches(rows(), count=5, size=1000, measure=lambda one: 1)
    assert next(found) == [0, 1, 2, 3, 4]
    assert read == [0, 1, 2, 3, 4]
