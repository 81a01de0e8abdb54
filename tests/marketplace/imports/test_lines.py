"""Lines of any stream: split alike whatever the chunks are, bounded whatever the line is."""

import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.imports import lines


class Dripping(io.RawIOBase):
    """A stream that gives a few bytes at a time, whatever is asked."""

    def __init__(self, body: bytes, step: int) -> None:
        self._body, self._step = io.BytesIO(body), step

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._body.read(self._step)


@given(
    body=st.lists(st.sampled_from([b"a", b"bc", b"\r", b"\n", b"\r\n", b"", b"\xff"])).map(
        b"".join
    ),
    step=st.integers(1, 5),
)
def test_split_agrees_with_splitlines_for_any_chunks(body: bytes, step: int) -> None:
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return
    assert list(lines.split(Dripping(body, step))) == body.splitlines(keepends=True)


@given(
    parts=st.lists(st.sampled_from([b"a", b"a" * 9, b"b" * 30, b"\r", b"\n", b"\r\n"])),
    step=st.integers(1, 40),
)
def test_a_long_line_is_none_and_the_others_stay(parts: list[bytes], step: int) -> None:
    body = b"".join(parts)
    expected = [None if len(line) > 10 else line for line in body.splitlines(keepends=True)]
    assert list(lines.split(Dripping(body, step), cap=10)) == expected


def test_a_byte_order_mark_is_left_out() -> None:
    assert list(lines.split(Dripping(b"\xef\xbb\xbfa\n", 1))) == [b"a\n"]
    assert list(lines.split(io.BytesIO(b"a\n\xef\xbb\xbfb"))) == [b"a\n", b"\xef\xbb\xbfb"]


@pytest.mark.parametrize(
    "start", [b"\x1f\x8b\x08", b"PK\x03\x04", b"\xff\xfea\x00", b"\xfe\xff\x00a", b"BZh9", b"\x00a"]
)
def test_other_encodings_and_archives_are_told_apart(start: bytes) -> None:
    with pytest.raises(lines.Unreadable):
        list(lines.split(io.BytesIO(start + b"\n" * 10)))


class Endless(io.RawIOBase):
    """So many bytes of one line, made on the way."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return b"x" * size


def test_a_line_of_hundreds_of_megabytes_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        assert list(lines.split(Endless(200 * 1024 * 1024))) == [None]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
