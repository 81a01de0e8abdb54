"""Callers of the HTTP API with real tokens, over the real URLs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from rest_framework.test import APIClient

from core.ids import new_id
from core.services import accounts, tokens
from tests.factories import promises

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"


class Caller:
    """Somebody with a token. Answers are Django's, with ``.json()`` and ``.status_code``."""

    def __init__(self, text: str = "") -> None:
        self.client = APIClient(raise_request_exception=True)
        self.headers = {"HTTP_AUTHORIZATION": f"Bearer {text}"} if text else {}

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        accept: str | None = None,
        expect: int | None = None,
    ) -> Any:
        """One call with a JSON body; ``expect`` is the status that must come."""
        raw = b"" if body is None else json.dumps(body).encode()
        return self.send(method, path, raw, JSON, key=key, accept=accept, expect=expect)

    def send(
        self,
        method: str,
        path: str,
        raw: bytes,
        content_type: str,
        *,
        key: str | None = None,
        accept: str | None = None,
        expect: int | None = None,
    ) -> Any:
        """One call with a body of any type."""
        headers = dict(self.headers)
        if key is not None:
            headers["HTTP_IDEMPOTENCY_KEY"] = key
        if accept is not None:
            headers["HTTP_ACCEPT"] = accept
        answer = self.client.generic(
            method, f"/api/v1{path}", raw, content_type=content_type, **headers
        )
        if expect is not None:
            assert answer.status_code == expect, (answer.status_code, shown(answer))
        promises.hold(method, path, answer)
        return answer

    def get(self, path: str, **options: Any) -> Any:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self.call("POST", path, {} if body is None else body, **options)

    def patch(self, path: str, body: Any, **options: Any) -> Any:
        return self.call("PATCH", path, body, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self.call("DELETE", path, **options)

    def upload(self, path: str, rows: Iterable[Any], **options: Any) -> Any:
        """A POST of rows as NDJSON."""
        raw = "\n".join(json.dumps(row) for row in rows).encode()
        return self.send("POST", path, raw, NDJSON, **options)

    def pages(self, path: str, *, limit: int = 2) -> list[Any]:
        """All rows of a list, read page by page."""
        found: list[Any] = []
        mark = "&" if "?" in path else "?"
        after = ""
        while True:
            page = self.get(f"{path}{mark}limit={limit}{after}", expect=200).json()
            found += page["data"]
            assert len(page["data"]) <= limit
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"


def shown(answer: Any) -> str:
    """An answer's body as text, for messages."""
    if answer.streaming:
        return "(a stream)"
    return str(answer.content[:2000].decode(errors="replace"))


def of(user_id: UUID, organization_id: UUID | None, scopes: Iterable[str] | None = None) -> Caller:
    """A caller with a new token of this person, for this organization or for themselves."""
    issued = tokens.issue(
        user_id=user_id, organization_id=organization_id, name="test", scopes=scopes
    )
    return Caller(issued.text)


def member(organization_id: UUID, role: str, scopes: Iterable[str] | None = None) -> Caller:
    """A new member of an organization, in this role."""
    email = f"{new_id()}@example.org"
    user = accounts.create_user(email=email, password=None)
    accounts.set_member(organization_id=organization_id, email=email, role=role, by=user.pk)
    return of(user.pk, organization_id, scopes)


def person(scopes: Iterable[str] | None = None) -> Caller:
    """Somebody who acts for nobody but themselves."""
    user = accounts.create_user(email=f"{new_id()}@example.org", password=None)
    return of(user.pk, None, scopes)
