"""Statements of a claim and a submit, counted where Django sends them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.test import Client

from config.bench import ground

PAIRS = 10


def statements_per_pair(house: ground.House) -> dict[str, float]:
    """The mean over some pairs of one worker, authentication included, first ones left out.

    BEGIN and COMMIT are not counted; these two endpoints open no transaction.
    """
    made = ground.job(house, tasks=200)
    hand = ground.hands(1)[0]
    client = Client(headers={"authorization": f"Bearer {hand.token}", "host": "127.0.0.1"})

    def post(path: str, body: dict[str, Any], *expected: int) -> dict[str, Any]:
        response = client.post(f"/api/v1{path}", json.dumps(body), content_type="application/json")
        if response.status_code not in expected:
            raise RuntimeError(f"{path}: {response.status_code} {response.content[:300]!r}")
        found: dict[str, Any] = json.loads(response.content)
        return found

    def pair() -> None:
        claim = post(f"/jobs/{made.pk}/claim", {}, 201)
        post(f"/assignments/{claim['id']}/submit", {"answer": ground.ANSWER}, 200)

    pair()  # the first one makes the worker's place and reads the interface
    with connection.cursor() as cursor:  # places begin anywhere: here no lap comes in between
        cursor.execute("UPDATE workers_workerjob SET pos = 0 WHERE job_id = %s", [made.pk])
    two_calls = _counted(pair)
    held = post(f"/jobs/{made.pk}/claim", {}, 201)["id"]

    def fused() -> None:
        nonlocal held
        told = post(f"/assignments/{held}/submit?next=1", {"answer": ground.ANSWER}, 200)
        held = told["next"]["id"]

    return {"http": two_calls, "http_fused": _counted(fused)}


def _counted(work: Callable[[], None]) -> float:
    with _counter() as seen:
        for _ in range(PAIRS):
            work()
    return len(seen) / PAIRS


@contextmanager
def _counter() -> Iterator[list[str]]:
    seen: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield seen
