"""Who may do what: every endpoint and method, for every role, on own, foreign and absent objects.

The table below is written by hand and compared with the routes: an endpoint that is not listed fails
here, and so does one whose view says something else than the table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.test import Client
from django.urls import get_resolver, reverse

from core.models import ApiToken, Membership, User
from core.services import tokens
from tests.factories import world as worlds
from tests.factories.endpoints import (
    ANY,
    BODIES,
    PERSONAL,
    PUBLIC,
    RULES,
    SHARED,
    SIGNED,
    ids_of,
    routes,
)
from tests.factories.world import World


def cells() -> list[tuple[str, str, str]]:
    return [(name, method, rule) for name, by in RULES.items() for method, rule in by.items()]


def test_every_endpoint_and_method_is_listed():
    actual = {
        name: {
            method.upper()
            for method in one.callback.view_class.http_method_names
            if method not in ("options", "head") and hasattr(one.callback.view_class, method)
        }
        for name, one in routes().items()
    }
    assert {name: set(by) for name, by in RULES.items()} == actual


def test_every_view_says_what_the_table_says():
    said = {}
    for name, one in routes().items():
        for method, access in one.callback.view_class.access.items():
            scope = f" {access.scope}" if access.scope else ""
            said[name, method] = f"{access.role}{scope}"
    assert {(name, method): rule for name, method, rule in cells()} == said


def test_every_page_outside_the_api_is_listed():
    """Pages of this plane have no roles yet; a new one must be thought about here."""
    pages = {
        str(one.pattern)
        for one in get_resolver().url_patterns
        if not str(one.pattern).startswith(("api/", "^"))
    }
    assert pages == {"", "healthz", "readyz", "metrics", "favicon.ico", "outbox/", "admin/"}


@dataclass(frozen=True)
class Role:
    """Somebody who calls: ``rank`` in an organization (0 for none), and whether they are a person."""

    name: str
    token: str | None
    rank: int = 0
    is_live: bool = True


RANKS = {"viewer": 1, "manager": 2, "owner": 3}


def roles(world: World) -> list[Role]:
    ours = world.ours
    worker = ours.worker.id
    revoked = tokens.issue(user_id=worker, organization_id=None, name="revoked")
    tokens.revoke(token_id=revoked.token.pk, user_id=worker)
    expired = tokens.issue(user_id=worker, organization_id=None, name="expired")
    ApiToken.objects.filter(pk=expired.token.pk).update(
        created_at=expired.token.created_at.replace(year=2020),
        expires_at=expired.token.created_at.replace(year=2021),
    )
    gone = _removed_member(world)
    return [
        Role("nobody", None, is_live=False),
        Role("garbage", "pw_" + "x" * 43, is_live=False),
        Role("revoked", revoked.text, is_live=False),
        Role("expired", expired.text, is_live=False),
        Role("removed member", gone, is_live=False),
        Role("worker", ours.tokens["worker"]),
        Role("staff", world.staff),
        *(Role(name, ours.tokens[name], rank) for name, rank in RANKS.items()),
    ]


def _removed_member(world: World) -> str:
    organization = world.ours.requester.organization_id
    user = User.objects.create_user("gone@example.org")
    row = Membership.objects.create(
        organization_id=organization, user=user, role="owner", created_at=user.created_at or _now()
    )
    token = tokens.issue(user_id=user.pk, organization_id=organization, name="gone")
    row.delete()
    return token.text


def _now():
    from core import clock

    return clock.now()


def narrow(world: World, role: Role) -> str:
    """A token of the same caller that is good for looking at the account only."""
    if role.rank:
        owner = ApiToken.objects.get(digest=tokens.digest(role.token or ""))
        ids = {"user_id": owner.user_id, "organization_id": owner.organization_id}
    else:
        ids = {"user_id": world.ours.worker.id, "organization_id": None}
    return tokens.issue(**ids, name="narrow", scopes=["account"]).text


def call(name: str, method: str, kwargs: dict[str, UUID], token: str | None) -> Any:
    """One call that leaves nothing behind."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    headers["idempotency-key"] = f"trial-{uuid4()}"
    body = BODIES.get(name, {}) if method != "GET" else None
    with transaction.atomic():
        answer = Client(raise_request_exception=False).generic(
            method,
            reverse(name, kwargs=kwargs),
            b"" if body is None else json.dumps(body).encode(),
            content_type="application/json",
            headers=headers,
        )
        transaction.set_rollback(True)
    return answer


@pytest.fixture
def world(db, settings) -> World:
    settings.THROTTLE_RATES = dict.fromkeys(
        ("token", "public", "sign_up", "log_in_address", "log_in_account", "log_in_both",
         "token_issue"), 0,
    )  # fmt: skip
    return worlds.build()


@pytest.mark.slow
def test_the_matrix(world: World):
    """2,000 cells and more: (endpoint, method) x role x own, foreign, absent object."""
    unexpected, count = [], 0
    everybody = roles(world)
    for name, method, rule in cells():
        needs, _, scope = rule.partition(" ")
        places = {"own": ids_of(name, world.ours.ids)}
        if places["own"]:
            places["foreign"] = ids_of(name, world.theirs.ids)
            places["absent"] = {kwarg: uuid4() for kwarg in places["own"]}
        for role in everybody:
            for where, kwargs in places.items():
                answer = call(name, method, kwargs, role.token)
                count += 1
                wrong = _wrong(name, needs, scope, role, where, answer)
                if wrong:
                    said = "" if answer.streaming else answer.content[:150]
                    unexpected.append(
                        (name, method, role.name, where, answer.status_code, wrong, said)
                    )
        if scope and scope != "account" and needs != PUBLIC:
            role = next(one for one in everybody if one.rank == RANKS.get(needs, 0) and one.is_live)
            answer = call(name, method, places["own"], narrow(world, role))
            count += 1
            if answer.status_code != 403 or answer.json()["code"] != "missing_scope":
                unexpected.append((name, method, "narrow token", answer.status_code))
    assert not unexpected, "\n".join(map(str, unexpected))
    assert count >= 2_000, count


def _wrong(  # noqa: PLR0917
    name: str, needs: str, scope: str, role: Role, where: str, answer: Any
) -> str:
    """What is not as it should be, if anything."""
    status = answer.status_code
    code = answer.json().get("code") if status == 403 else ""
    if status >= 500:
        return "a failure"
    if name in SIGNED:
        return "" if status in (400, 403, 404) else "followed without its signature"
    if needs == PUBLIC:
        said = status in (200, 201, 202, 400, 401, 404) or code == "forbidden"
        return "" if said else "a public place"
    if not role.is_live:
        return "" if status == 401 else "let in"
    allowed = (scope in tokens.PERSON if role.rank == 0 else scope in tokens.REQUESTER) or not scope
    if needs in RANKS:
        allowed = allowed and role.rank >= RANKS[needs]
    if not allowed:
        refused = status == 403 and code in ("missing_scope", "missing_role")
        return "" if refused else "not refused"
    if status == 401 or code in ("missing_scope", "missing_role"):
        return "refused"
    if where == "own" or (where == "foreign" and name in SHARED):
        mine = role.name == ("owner" if name in PERSONAL else "worker") or needs != ANY
        return "own object not found" if status == 404 and mine else ""
    return "" if status == 404 or code == "not_a_worker" else "a foreign object was reached"
