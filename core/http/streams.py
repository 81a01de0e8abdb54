"""Bodies: small ones read whole, large ones spooled to disk; bounded in either case.

Django reads nothing of a body without a length. Here a body sent in chunks is read to its end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from django.db import connection
from django.http import HttpRequest, UnreadablePostError
from rest_framework.request import Request

from core import errors
from core.http.errors import TooLarge, UnsupportedMedia

_CHUNK = 256 * 1024
#: Of a refused request, so much more is read; smaller bodies lie in the connection's buffers.
_DRAINED, _BUFFERED = 16 * 1024 * 1024, 256 * 1024


class Incomplete(errors.Invalid):
    """The connection ended before the body did."""

    code = "incomplete"


@dataclass(frozen=True)
class Upload:
    """A body on disk, at its beginning; gone when the block that spooled it ends."""

    file: BinaryIO
    content_type: str
    bytes: int


@contextmanager
def spool(
    request: Request | HttpRequest, *, content_types: Collection[str], max_bytes: int
) -> Iterator[Upload]:
    """Stream a request's body to a temporary file; memory stays at one chunk.

    While a slow client sends, no database connection is held: outside a transaction the present one
    goes back to its pool first. Raises UnsupportedMedia, TooLarge, Incomplete.
    """
    plain = _plain(request)
    content_type = require_content_type(plain, content_types)
    _let_go()
    with tempfile.TemporaryFile() as file:
        size = 0
        for chunk in _chunks(plain, max_bytes):
            size += len(chunk)
            file.write(chunk)
        file.seek(0)
        yield Upload(file, content_type, size)


def read(request: Request | HttpRequest, *, max_bytes: int) -> bytes:
    """A request's whole body, which stays readable. Raises TooLarge, Incomplete."""
    plain = _plain(request)
    if not hasattr(plain, "_body"):
        plain._body = b"".join(_chunks(plain, max_bytes))  # type: ignore[attr-defined]
    body: bytes = plain._body  # type: ignore[attr-defined]
    if len(body) > max_bytes:
        raise TooLarge(f"The body may have {max_bytes} bytes.")
    return body


def require_content_type(request: HttpRequest, allowed: Collection[str]) -> str:
    """The body's content type, one of those allowed, in UTF-8, packed in no encoding.

    Raises UnsupportedMedia.
    """
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() != "identity":
        raise UnsupportedMedia("Send the body unpacked, without a Content-Encoding.")
    content_type, _, parameters = request.META.get("CONTENT_TYPE", "").partition(";")
    kind: str = content_type.strip().lower()
    if kind not in allowed:
        raise UnsupportedMedia(f"Send one of these content types: {', '.join(sorted(allowed))}.")
    for parameter in parameters.split(";") if parameters else ():
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(' "').lower() not in ("utf-8", "utf8"):
            raise UnsupportedMedia("Send text in UTF-8.")
    return kind


def drain(request: HttpRequest) -> None:
    """Read on what a refused client still sends, up to a bound: many look at the answer only when
    they have sent everything, and a connection closed before that loses it. Never fails.
    """
    if hasattr(request, "_body"):
        return
    try:
        length = _length(request)
        if length is not None and not _BUFFERED < length <= _DRAINED:
            return
        _let_go()
        stream: Any = request if length is not None else request.META["wsgi.input"]
        seen = 0
        while seen < _DRAINED and (chunk := stream.read(_CHUNK)):
            seen += len(chunk)
    except (errors.Problem, UnreadablePostError, OSError):
        return


def has_body(request: HttpRequest) -> bool:
    """Whether the client said that a body comes."""
    return _length(request) != 0


def _let_go() -> None:
    """Give the database connection back while a client takes its time to send."""
    if not connection.in_atomic_block:
        connection.close()


def _plain(request: Request | HttpRequest) -> HttpRequest:
    return request._request if isinstance(request, Request) else request


def _length(request: HttpRequest) -> int | None:
    """The body's announced length; None when it comes in chunks."""
    announced = request.META.get("CONTENT_LENGTH") or request.META.get("HTTP_CONTENT_LENGTH")
    if announced:
        if not announced.isascii() or not announced.isdigit() or len(announced) > 18:
            raise errors.Invalid("The Content-Length is no number.")
        return int(announced)
    if "HTTP_TRANSFER_ENCODING" in request.META:
        return None
    return 0


def _chunks(request: HttpRequest, max_bytes: int) -> Iterator[bytes]:
    length = _length(request)
    if length is not None and length > max_bytes:
        raise TooLarge(f"The body may have {max_bytes} bytes.")
    if length == 0:
        return
    # Django's own stream ends at once where no length was announced.
    stream: Any = request if length is not None else request.META["wsgi.input"]
    seen = 0
    while True:
        try:
            chunk = stream.read(_CHUNK if length is None else min(_CHUNK, length - seen))
        except (UnreadablePostError, OSError) as problem:
            raise Incomplete("The body broke off.") from problem
        if not chunk:
            break
        seen += len(chunk)
        if seen > max_bytes:
            raise TooLarge(f"The body may have {max_bytes} bytes.")
        yield chunk
        if seen == length:
            break
    if length is not None and seen < length:
        raise Incomplete("The body broke off.")
