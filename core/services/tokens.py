"""Tokens: issued once in the clear, kept as a hash, revoked at once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction

from core import clock, errors
from core.models import ApiToken, Membership

PREFIX = "pw_"
DAYS = 90
MOST_DAYS = 366
#: What a person's own token may be good for, and one that acts for an organization.
PERSON = ("account", "earnings", "work")
REQUESTER = ("account", "jobs:read", "jobs:write", "org", "wallet")
NAME_CAP = 100
#: Live tokens a person may have.
MOST = 100


class TooManyTokens(errors.Conflict):
    """Revoke some tokens first."""

    code = "too_many_tokens"


@dataclass(frozen=True)
class Issued:
    """A new token; ``text`` is shown now and never again."""

    text: str
    token: ApiToken


def digest(text: str) -> bytes:
    """What is kept of a token: it is long and random, so a plain hash is enough."""
    return hashlib.sha256(text.encode()).digest()


def issue(
    *,
    user_id: UUID,
    organization_id: UUID | None,
    name: str,
    scopes: Iterable[str] | None = None,
    days: int = DAYS,
) -> Issued:
    """Make a token of a person, or one that acts for an organization they are a member of.

    ``scopes``: None means all that such a token can have. Raises Invalid, NotFound, TooManyTokens.
    """
    allowed = PERSON if organization_id is None else REQUESTER
    wanted = list(dict.fromkeys(allowed if scopes is None else scopes))
    problems: dict[str, list[str]] = {}
    if not wanted or set(wanted) - set(allowed):
        problems["scopes"] = [f"One or more of: {', '.join(allowed)}."]
    if not 1 <= days <= MOST_DAYS:
        problems["days"] = [f"From 1 to {MOST_DAYS}."]
    if not name.strip() or len(name) > NAME_CAP:
        problems["name"] = [f"1 to {NAME_CAP} characters."]
    if problems:
        raise errors.Invalid("The token cannot be made like that.", errors=problems)
    with transaction.atomic():
        if (
            organization_id is not None
            and not Membership.objects.filter(
                user_id=user_id, organization_id=organization_id
            ).exists()
        ):
            raise errors.NotFound("There is no such organization.")
        now = clock.now()
        live = ApiToken.objects.filter(user_id=user_id, revoked_at=None, expires_at__gt=now)
        if live.count() >= MOST:
            raise TooManyTokens(f"You have {MOST} tokens; revoke some first.")
        text = PREFIX + secrets.token_urlsafe(32)
        made = ApiToken.objects.create(
            user_id=user_id,
            organization_id=organization_id,
            name=name.strip(),
            digest=digest(text),
            hint=text[-4:],
            scopes=wanted,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
    return Issued(text, made)


def revoke(*, token_id: UUID, user_id: UUID) -> ApiToken:
    """End a token of this person's; the next request with it is refused. Twice is as once.

    Raises NotFound.
    """
    with transaction.atomic():
        row = ApiToken.objects.select_for_update().filter(pk=token_id, user_id=user_id).first()
        if row is None:
            raise errors.NotFound("There is no such token.")
        if row.revoked_at is None:
            row.revoked_at = clock.now()
            row.save(update_fields=["revoked_at"])
        return row
