"""Tokens: had for a password or for another token, listed, revoked."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import errors
from core.api import shapes
from core.http import throttles
from core.http.serializers import StrictInteger, StrictSerializer, StrictString, StrictUUID
from core.http.views import Access, ApiView
from core.models import ApiToken
from core.services import logins, tokens


class TokenInput(StrictSerializer):
    """``email`` and ``password``, or neither and a token in the header. ``organization`` makes a
    token that acts for it. Without ``scopes`` the token is good for all that its kind can do.
    """

    email = StrictString(max_length=254, required=False)
    password = StrictString(max_length=200, required=False)
    name = StrictString(max_length=tokens.NAME_CAP, required=False, default="token")
    organization = StrictUUID(required=False)
    scopes = serializers.ListField(
        child=StrictString(max_length=32), required=False, max_length=20, allow_empty=False
    )
    days = StrictInteger(
        min_value=1, max_value=tokens.MOST_DAYS, required=False, default=tokens.DAYS
    )


_ACCOUNT = Access(scope="account", role="user", idempotency="natural")


class TokensView(ApiView):
    """The caller's tokens."""

    access = {
        "GET": Access(scope="account", role="user"),
        # Each call makes a token of its own: an answer with a secret in it is never kept.
        "POST": Access(scope=None, role="public", idempotency="natural"),
    }
    bodies = {"POST": TokenInput}
    responses = {
        "GET": {200: shapes.TokenShape(many=True)},
        "POST": {201: shapes.IssuedShape, 401: None, 403: None},
    }

    def get(self, request: Request) -> Response:
        """Newest first, without their texts."""
        return self.page(own_tokens(self), render)

    def post(self, request: Request) -> Response:
        """Log in with a password, or make a further token with one that has the scope `account`.

        A person's token makes tokens for the person and for their organizations; one that acts for
        an organization makes tokens for that one, good for no more than itself.
        """
        body = self.body(TokenInput)
        wanted: dict[str, Any] = {
            name: body[name] for name in ("name", "scopes", "days") if name in body
        }
        organization_id: UUID | None = body.get("organization")
        if "email" in body or "password" in body:
            user_id = _log_in(request, body)
        else:
            user_id, organization_id = self._by_token(organization_id, wanted)
        throttles.count(throttles.TOKEN_ISSUE, user_id)
        made = tokens.issue(user_id=user_id, organization_id=organization_id, **wanted)
        return Response({**render(made.token), "token": made.text}, status=201)

    def _by_token(
        self, organization_id: UUID | None, wanted: dict[str, Any]
    ) -> tuple[UUID, UUID | None]:
        """For whom a token makes a token; narrows ``scopes`` to what it may pass on."""
        self.caller = self.authenticate(self.request)
        self.require(_ACCOUNT)
        own = self.caller.organization_id
        if own is None:
            return self.caller.user_id, organization_id
        if organization_id not in (None, own):
            raise errors.NotFound("There is no such organization.")
        given = set(wanted.setdefault("scopes", sorted(self.caller.scopes)))
        if beyond := given - self.caller.scopes:
            raise errors.Forbidden(f"This token is not good for {', '.join(sorted(beyond))}.")
        return self.caller.user_id, own


class TokenView(ApiView):
    """One token."""

    access = {"DELETE": _ACCOUNT}
    responses = {"DELETE": {204: None}}

    def delete(self, request: Request, token: UUID) -> Response:
        """Revoke it: its next request is refused. Twice is as once."""
        found = own_tokens(self).filter(pk=token).first()
        if found is None:
            raise errors.NotFound("There is no such token.")
        tokens.revoke(token_id=found.pk, user_id=self.caller.user_id)
        return Response(status=204)


def _log_in(request: Request, body: dict[str, Any]) -> UUID:
    missing = {name: ["Required to log in."] for name in ("email", "password") if name not in body}
    if missing:
        raise errors.Invalid("Send address and password together.", errors=missing)
    throttles.count_log_in(request, body["email"])
    return logins.authenticate(email=body["email"], password=body["password"]).pk


def own_tokens(view: ApiView) -> QuerySet[ApiToken]:
    """The tokens a caller may see: the person's own, or those of the organization acted for."""
    found = ApiToken.objects.filter(user_id=view.caller.user_id)
    if view.caller.organization_id is not None:
        found = found.filter(organization_id=view.caller.organization_id)
    return found


def render(row: ApiToken) -> dict[str, Any]:
    """A token without its text."""
    return {
        "id": str(row.pk),
        "name": row.name,
        "hint": row.hint,
        "organization": str(row.organization_id) if row.organization_id else None,
        "scopes": row.scopes,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
    }
