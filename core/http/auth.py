"""Who is asking: bearer tokens, looked up by their hash in one statement on every request.

Nothing is cached, so a revoked token, a removed member and a deactivated person are refused at
their next request. Other planes may compose the statement's parts into their own (the submit
loads its assignment in the same round trip).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from core import errors

#: Parts of a statement with the parameter ``digest``; ``u`` is the caller's row of core_user.
CALLER_COLUMNS = (
    "u.id AS caller_user_id, t.organization_id AS caller_organization_id, m.role AS caller_role, "
    "t.scopes AS caller_scopes, u.is_staff AS caller_is_staff, t.id AS caller_token_id"
)
CALLER_TABLES = (
    "core_apitoken t JOIN core_user u ON u.id = t.user_id "
    "LEFT JOIN core_membership m "
    "ON m.user_id = t.user_id AND m.organization_id = t.organization_id"
)
CALLER_WHERE = (
    "t.digest = %(digest)s AND t.revoked_at IS NULL AND t.expires_at > core_now() AND u.is_active "
    "AND (t.organization_id IS NULL OR m.id IS NOT NULL)"
)
_LOOK_UP = f"SELECT {CALLER_COLUMNS} FROM {CALLER_TABLES} WHERE {CALLER_WHERE}"  # noqa: S608 - our own words
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]{16,256})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Caller:
    """The person behind a request, and the organization their token acts for, if it does.

    ``role`` is what the person is in that organization at this moment.
    """

    user_id: UUID
    organization_id: UUID | None
    role: str | None
    scopes: frozenset[str]
    is_staff: bool
    token_id: UUID

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Caller:
        """The caller of a row that has CALLER_COLUMNS."""
        return cls(
            row["caller_user_id"],
            row["caller_organization_id"],
            row["caller_role"],
            frozenset(row["caller_scopes"]),
            row["caller_is_staff"],
            row["caller_token_id"],
        )

    @property
    def is_authenticated(self) -> bool:
        """What Django REST framework asks of a user."""
        return True


def digest_of(request: HttpRequest | Request) -> bytes:
    """The hash of the request's bearer token. Raises Unauthenticated when there is none."""
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if not header:
        raise errors.Unauthenticated("Send a token: `Authorization: Bearer <token>`.")
    found = _BEARER.fullmatch(header)
    if found is None:
        raise errors.Unauthenticated("The Authorization header carries no bearer token.")
    return hashlib.sha256(found[1].encode()).digest()


def look_up(digest: bytes) -> Caller | None:
    """The caller of a token that is good at this moment. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK_UP, {"digest": digest})
        row = cursor.fetchone()
    if row is None:
        return None
    user_id, organization_id, role, scopes, is_staff, token_id = row
    return Caller(user_id, organization_id, role, frozenset(scopes), is_staff, token_id)


def refuse() -> errors.Unauthenticated:
    """What is said of a token that is not good; not which of the reasons it is."""
    return errors.Unauthenticated("The token is unknown, expired or revoked.")


class BearerAuthentication(BaseAuthentication):
    """The same for plain views of Django REST framework: the caller stands as their user."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """The caller of the request's token; None without an Authorization header."""
        if "HTTP_AUTHORIZATION" not in request.META:
            return None
        caller = look_up(digest_of(request))
        if caller is None:
            raise refuse()
        return caller, caller.token_id

    def authenticate_header(self, request: Request) -> str:
        """How to authenticate, for 401 answers."""
        return "Bearer"
