"""A request that is sent twice under one key has one effect and one answer.

Three classes of endpoints (``Access.idempotency``):

- *natural*: sending twice is harmless by the row's own state; the key is not looked at.
- *ordinary*: the key's row, the effect and the answer commit together. A request that fails leaves
  nothing behind, so its key may be used again once its cause is gone.
- *external*: the effect reaches an outside service and cannot share a transaction. The key's row is
  committed first, the answer last; if the process dies in between, the same request under the same
  key runs again, and the service finds by that key what it began. A request that was refused gives
  its key back, unless an earlier one under it broke off: what that one began belongs to the key.

Keys belong to a person, or to a person acting for an organization, and are kept for a day.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from rest_framework import exceptions as drf

from core import errors
from core.http.auth import Caller

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replay"
_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
_NOBODY = UUID(int=0)

Run = Callable[[], HttpResponse]


class KeyRequired(errors.Invalid):
    """Money is not moved without a key."""

    code = "idempotency_key_required"


class BadKey(errors.Invalid):
    """1 to 255 printable ASCII characters, no space at either end."""

    code = "idempotency_key_invalid"


class Mismatch(errors.Unprocessable):
    """The key stands for another request."""

    code = "idempotency_mismatch"


class InProgress(errors.Conflict):
    """The same request is running at this moment."""

    code = "idempotency_in_progress"


@dataclass(frozen=True, slots=True)
class Key:
    """A key with its owner and the request it stands for."""

    user_id: UUID
    acting_for: UUID
    text: str
    method: str
    path: str
    request_hash: bytes

    @property
    def lock(self) -> int:
        """The number of this key's advisory lock."""
        name = self.user_id.bytes + self.acting_for.bytes + self.text.encode()
        return int.from_bytes(hashlib.sha256(name).digest()[:8], signed=True)


def text_of(request: HttpRequest) -> str | None:
    """The request's key; None when it has none. Raises BadKey."""
    text: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if text is not None and not _KEY.fullmatch(text):
        raise BadKey("An Idempotency-Key has 1 to 255 printable ASCII characters.")
    return text


def key(text: str, *, caller: Caller, request: HttpRequest, body: bytes) -> Key:
    """The key of this request."""
    path = request.get_full_path()
    return Key(
        user_id=caller.user_id,
        acting_for=caller.organization_id or _NOBODY,
        text=text,
        method=request.method or "",
        path=path,
        request_hash=hashlib.sha256(body).digest(),
    )


def ordinary(found: Key, run: Run) -> HttpResponse:
    """Run the request once, in one transaction with its key. Raises Mismatch, InProgress."""
    with transaction.atomic():
        row = _insert(found, "pg_try_advisory_xact_lock(%(lock)s)")
        if row is None:
            return _answered(found)
        response = run()
        if response.status_code < 400:
            _store(row, response)
        else:
            transaction.set_rollback(True)
        return response


def external(found: Key, run: Run) -> HttpResponse:
    """Run the request, or go on with one that broke off; store the answer when it is known.

    ``run`` is called outside any transaction and must be safe to call again under the same key.
    Raises Mismatch, InProgress.
    """
    with _locked(found) as is_ours:
        made = _insert(found, "true") if is_ours else None
        row = made
        if row is None:
            known, response = _known(found)
            if response is not None:
                return response
            if known is None or not is_ours:
                raise _in_progress()
            row = known
        try:
            response = run()
        except (errors.Problem, drf.APIException) as problem:
            if made is not None and _status_of(problem) < 500:
                _free(made)
            raise
        if response.status_code < 400:
            _store(row, response)
        elif made is not None and response.status_code < 500:
            _free(made)
        return response


def _status_of(problem: errors.Problem | drf.APIException) -> int:
    return problem.status if isinstance(problem, errors.Problem) else problem.status_code


@contextmanager
def _locked(found: Key) -> Iterator[bool]:
    """Hold the key's lock outside any transaction; it falls with the connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [found.lock])
        is_ours: bool = cursor.fetchone()[0]
    try:
        yield is_ours
    finally:
        if is_ours and connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [found.lock])


def _insert(found: Key, condition: str) -> int | None:
    """Make the key's row; None when it is there already or the condition does not hold."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO core_idempotencykey
                (user_id, acting_for, key, method, path, request_hash, created_at)
            SELECT %(user)s, %(acting_for)s, %(key)s, %(method)s, %(path)s, %(hash)s, now()
            WHERE {condition}
            ON CONFLICT (user_id, acting_for, key) DO NOTHING
            RETURNING id
            """,
            {
                "user": found.user_id,
                "acting_for": found.acting_for,
                "key": found.text,
                "method": found.method,
                "path": found.path,
                "hash": found.request_hash,
                "lock": found.lock,
            },
        )
        row = cursor.fetchone()
    return None if row is None else row[0]


def _known(found: Key) -> tuple[int | None, HttpResponse | None]:
    """The key's row and its answer, as far as they are committed. Raises Mismatch."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, method, path, request_hash, status, body FROM core_idempotencykey
            WHERE user_id = %s AND acting_for = %s AND key = %s
            """,
            [found.user_id, found.acting_for, found.text],
        )
        row: Any = cursor.fetchone()
    if row is None:
        return None, None
    pk, method, path, request_hash, status, body = row
    same = (method, path, bytes(request_hash)) == (found.method, found.path, found.request_hash)
    if not same:
        raise Mismatch("This key was used for another request; take a new one.")
    if status is None:
        return pk, None
    body = bytes(body or b"")
    response = HttpResponse(body, status=status)
    if body:
        response["Content-Type"] = "application/json"
    else:
        del response["Content-Type"]
    response[REPLAYED] = "true"
    return pk, response


def _answered(found: Key) -> HttpResponse:
    _, response = _known(found)
    if response is None:
        raise _in_progress()
    return response


def _in_progress() -> InProgress:
    return InProgress("The same request is running; ask again in a moment.", retry_after=1)


def _free(row: int) -> None:
    """Give a refused request's key back, while its lock is held: no twin can be running on it."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM core_idempotencykey WHERE id = %s AND status IS NULL", [row])


def _store(row: int, response: HttpResponse) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE core_idempotencykey SET status = %s, body = %s, completed_at = now()
            WHERE id = %s
            """,
            [response.status_code, response.content, row],
        )
