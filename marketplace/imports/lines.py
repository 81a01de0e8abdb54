"""Numbered lines of an upload of any size, in bounded memory.

An upload is whatever a client sent: the reader trusts neither its size nor its line ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

#: The longest line, and the longest record of several lines, that is read: 1 MiB.
CAP = 1024 * 1024
_CHUNK = 256 * 1024
_BOM = b"\xef\xbb\xbf"
_FOREIGN = (
    (b"\x1f\x8b", "The file is compressed with gzip: send it unpacked."),
    (b"PK\x03\x04", "The file is a ZIP archive or a spreadsheet: send plain text."),
    (b"\x28\xb5\x2f\xfd", "The file is compressed with zstd: send it unpacked."),
    (b"BZh", "The file is compressed with bzip2: send it unpacked."),
    (b"\xff\xfe", "The file is not encoded in UTF-8."),
    (b"\xfe\xff", "The file is not encoded in UTF-8."),
    (b"\x00", "The file is not text encoded in UTF-8."),
)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an upload: its values, or what is wrong with it.

    `number` is the line of the file, from 1, on which the record begins. `fatal` says that
    nothing can be read beyond this record: the file as a whole is not what it should be. `size` is
    how many bytes it took.
    """

    number: int
    value: dict[str, Any] | None
    error: dict[str, list[str]] | None = None
    fatal: bool = False
    size: int = field(default=0, compare=False)


class Unreadable(Exception):
    """The upload is not text that lines can be read from; the argument says why."""


def split(stream: BinaryIO, *, cap: int = CAP) -> Iterator[bytes | None]:
    r"""Yield the lines of a stream with their ends (`\n`, `\r\n` or `\r`), or None.

    None stands for a line longer than `cap` bytes; it is skipped to its end. A byte order mark
    is left out. At most `cap` plus one chunk of 256 KiB is held.

    Raises:
        Unreadable: the stream begins like a compressed file or another encoding.
    """
    rest, skipping, first = b"", False, True
    while chunk := stream.read(_CHUNK):
        buffer = rest + chunk
        if first:
            # A short read may cut the mark in two.
            while len(buffer) < 4 and (more := stream.read(_CHUNK)):
                buffer += more
            buffer, first = _opened(buffer), False
        pieces = buffer.splitlines(keepends=True)
        # The last piece may go on in the next chunk; so may a lone \r, by its \n.
        rest = pieces.pop() if pieces and not pieces[-1].endswith(b"\n") else b""
        for piece in pieces:
            yield None if skipping or len(piece) > cap else piece
            skipping = False
        if len(rest) > cap:
            # Only what may be half of a line end matters of a line that is too long.
            skipping, rest = True, rest[-1:] if rest.endswith(b"\r") else b""
    if rest or skipping:
        yield None if skipping or len(rest) > cap else rest


def _opened(buffer: bytes) -> bytes:
    for mark, detail in _FOREIGN:
        if buffer.startswith(mark):
            raise Unreadable(detail)
    return buffer.removeprefix(_BOM)
