"""Pages by key: constant work however deep a client reads, and cursors that only we can make."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import QuerySet
from django.utils.crypto import salted_hmac

from core import errors
from core.http.serializers import StrictInteger, StrictSerializer, StrictString

DEFAULT, MOST = 50, 200
_CURSOR_CAP = 300
_SIGNATURE = 12
_SALT = "core.http.pagination"


class PageQuery(StrictSerializer):
    """``after`` is the ``next`` of the page before."""

    limit = StrictInteger(min_value=1, max_value=MOST, required=False, default=DEFAULT)
    after = StrictString(max_length=_CURSOR_CAP, required=False)


#: Parameters that every list takes beside its own.
PARAMETERS = frozenset({"limit", "after"})


class BadCursor(errors.Invalid):
    """A cursor that is not one of this list's."""

    code = "bad_cursor"


@dataclass(frozen=True)
class Page:
    """Rows, and the cursor of the page behind them; None when this is the last."""

    rows: list[Any]
    next: str | None


def page(rows: QuerySet[Any], *, order: str, limit: int, after: str | None, place: str) -> Page:
    """One page of rows ordered by one unique field (``-`` before it: descending). One statement.

    ``place`` names the list, so that a cursor of another one is refused. Raises BadCursor.
    """
    name = order.removeprefix("-")
    bound = f"{place}\n{order}"
    if after is not None:
        comparison = "lt" if order.startswith("-") else "gt"
        rows = rows.filter(**{f"{name}__{comparison}": _read(after, bound, _reader(rows, name))})
    found = list(rows.order_by(order)[: limit + 1])
    if len(found) <= limit:
        return Page(found, None)
    found = found[:limit]
    last = found[-1]
    value = last[name] if isinstance(last, Mapping) else getattr(last, name)
    return Page(found, _write(str(value), bound))


def _reader(rows: QuerySet[Any], name: str) -> Callable[[str], Any]:
    """What makes a value of the ordering field out of text."""
    try:
        reader: Callable[[str], Any] = rows.model._meta.get_field(name).to_python  # type: ignore[union-attr]
    except FieldDoesNotExist:  # an annotation or a relation's field: the database compares text
        return str
    return reader


def _sign(text: bytes, bound: str) -> bytes:
    mac = salted_hmac(_SALT, bound.encode() + b"\0" + text, algorithm="sha256")
    return mac.digest()[:_SIGNATURE]


def _write(value: str, bound: str) -> str:
    text = value.encode()
    return _encode(_sign(text, bound) + text)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read(cursor: str, bound: str, reader: Callable[[str], Any]) -> Any:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        signature, text = raw[:_SIGNATURE], raw[_SIGNATURE:]
        is_ours = hmac.compare_digest(signature, _sign(text, bound))
        if is_ours and _encode(raw) == cursor:  # no second spelling either
            return reader(text.decode())
    except (ValueError, binascii.Error, ValidationError):
        pass
    raise BadCursor(
        "Take `after` from the `next` of this list's last page.",
        errors={"after": ["Not a cursor of this list."]},
    )
