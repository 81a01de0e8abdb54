"""Running the hot statements (``workers.statements``): claim, submit, assign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection

from core.ids import new_id
from workers import statements

WALK = statements.WALK


def _rows(sql: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def claim(
    *, job_id: UUID, worker_id: UUID, ahead: bool = False, hints: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Run the claim statement once.

    Returns no row when this worker has no place in the job or another request holds its lock;
    else one row (two when the worker holds two live claims), oldest claim first: ``verdict`` and,
    where there is a claim, its columns. The caller owns the transaction.
    """
    params = {
        "job": job_id,
        "worker": worker_id,
        "assignment": new_id(),
        "ahead": ahead,
        "hinted": hints is not None,
    }
    if hints is None:
        return _rows(statements.CLAIM, params)
    return _rows(statements.CLAIM_HINTED, {**params, "hints": list(hints)})


def load_for_submit(*, digest: bytes, assignment_id: UUID) -> dict[str, Any] | None:
    """The caller of a token together with their assignment, in one statement.

    None when the token is unknown, revoked or expired; assignment columns are None when the
    assignment is absent or another worker's.
    """
    rows = _rows(statements.LOAD_FOR_SUBMIT, {"digest": digest, "assignment": assignment_id})
    return rows[0] if rows else None


def submit(
    *,
    assignment_id: UUID,
    worker_id: UUID,
    interface_id: UUID,
    answer: str,
    answer_hash: bytes,
    undo_seconds: int,
) -> dict[str, Any] | None:
    """Record an answer (canonical JSON text) and the assignment's change of state together.

    Returns ``is_late``, ``submitted_at`` and ``judge_after``, or None when the assignment was no
    longer claimed: nothing was written then.
    """
    rows = _rows(
        statements.SUBMIT,
        {
            "assignment": assignment_id,
            "worker": worker_id,
            "interface": interface_id,
            "annotation": new_id(),
            "answer": answer,
            "hash": answer_hash,
            "undo": undo_seconds,
        },
    )
    return rows[0] if rows else None


def assign(*, job_id: UUID, worker_id: UUID, task_id: UUID) -> dict[str, Any] | None:
    """Make the assignment of a task whose slot the caller already holds (an accepted offer).

    Gold holds no slot: it takes one of the worker's gold credits, and is refused when none is left.
    Waits for the worker's place; returns None when there is none, else one row as ``claim`` does
    (``id`` is None unless the verdict allowed it). The caller owns the transaction.
    """
    rows = _rows(
        statements.ASSIGN,
        {
            "job": job_id,
            "worker": worker_id,
            "task": task_id,
            "assignment": new_id(),
            "ahead": False,
            "hinted": True,
        },
    )
    return rows[0] if rows else None


def claimed(*, assignment_id: UUID, worker_id: UUID) -> dict[str, Any] | None:
    """A live claim with its task and quote, as ``claim`` returns it; None when it is none."""
    rows = _rows(statements.CLAIMED, {"assignment": assignment_id, "worker": worker_id})
    return rows[0] if rows else None
