"""Writing down what was concluded, for many tasks at a time.

The number of statements depends on the number of jobs, never on that of tasks. The caller holds
the tasks' locks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from core.ids import new_id
from marketplace.services import slots, webhooks
from payments.services import escrow


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What a judgement did with a task.

    ``outcome``: ``accept`` (resolved), ``escalate`` (undecided at the end of its overlap; the value
    is the best so far), ``more`` (one more slot opened), ``parked`` (one more is needed and the
    budget does not cover it), ``wait`` (slots are free or claimed, or the task is over).
    """

    task_id: UUID
    job_id: UUID
    outcome: str
    value: Any = None
    confidence: float | None = None
    answers: int = 0


@dataclass(slots=True)
class Conclusion:
    """A decision about one task, ready to be written."""

    task_id: UUID
    job_id: UUID
    organization_id: UUID
    interface_id: UUID
    external_id: str | None
    before: str
    round: int
    is_escalated: bool
    value: Any
    confidence: float | None
    rule: str
    votes: list[dict[str, Any]]
    answers: int


@dataclass(frozen=True, slots=True)
class Request:
    """A task that needs one more answer, and what a slot of it reserves."""

    task_id: UUID
    job_id: UUID
    before: str
    reserve_micros: int


_REOPEN = """
UPDATE marketplace_task SET state = 'open', state_changed_at = %(now)s WHERE id = ANY(%(ids)s)
"""

_MOVE = """
UPDATE marketplace_task t SET
    state = CASE WHEN m.escalated THEN 'escalated' ELSE 'resolved' END,
    state_changed_at = %(now)s, wanted = t.taken, remaining = 0, is_open = false
FROM unnest(%(ids)s::uuid[], %(escalated)s::boolean[]) AS m(id, escalated)
WHERE t.id = m.id
"""

_PAST = """
UPDATE marketplace_resolution SET is_current = false WHERE task_id = ANY(%s) AND is_current
"""

_WRITE = """
INSERT INTO marketplace_resolution (
    id, task_id, interface_id, round, value, confidence, rule, votes, answers, is_escalated,
    is_current, created_at)
SELECT id, task_id, interface_id, round, value, confidence, rule, votes, answers, is_escalated,
    true, %(now)s
FROM unnest(
    %(id)s::uuid[], %(task_id)s::uuid[], %(interface_id)s::uuid[], %(round)s::smallint[],
    %(value)s::jsonb[], %(confidence)s::float8[], %(rule)s::text[], %(votes)s::jsonb[],
    %(answers)s::smallint[], %(is_escalated)s::boolean[]
) AS r(id, task_id, interface_id, round, value, confidence, rule, votes, answers, is_escalated)
"""

_ASK = """
UPDATE marketplace_task SET
    state = 'open', state_changed_at = CASE WHEN state = 'open' THEN state_changed_at ELSE %(now)s END,
    wanted = wanted + 1, remaining = remaining + 1, is_open = true,
    pos = nextval('marketplace_task_pos_seq')
WHERE id = ANY(%(ids)s)
"""

# At the head of the parked: a task that is half done opens before any new one.
_PARK = """
UPDATE marketplace_task SET state = 'parked', state_changed_at = %(now)s, pos = 0
WHERE id = ANY(%(ids)s) AND state <> 'parked'
"""


def conclude(found: Sequence[Conclusion], *, now: datetime) -> None:
    """Write resolutions, move the tasks, queue the notices. Five statements, and one look-up for
    each requester's notices.
    """
    if not found:
        return
    ids = [one.task_id for one in found]
    # Out of these states there is one way only, and it leads through open.
    again = [
        one.task_id
        for one in found
        if one.before == "parked" or (one.before == "resolved" and one.is_escalated)
    ]
    moved = [one for one in found if one.before != "resolved" or one.is_escalated]
    with connection.cursor() as cursor:
        if again:
            cursor.execute(_REOPEN, {"now": now, "ids": again})
        if any(one.before != "open" for one in found):
            cursor.execute(_PAST, [ids])
        cursor.execute(
            _WRITE,
            {
                "now": now,
                "id": [new_id() for _ in found],
                "task_id": ids,
                "interface_id": [one.interface_id for one in found],
                "round": [one.round for one in found],
                "value": [_json(one.value) for one in found],
                "confidence": [one.confidence for one in found],
                "rule": [one.rule for one in found],
                "votes": [_json(one.votes) for one in found],
                "answers": [one.answers for one in found],
                "is_escalated": [one.is_escalated for one in found],
            },
        )
        cursor.execute(
            _MOVE,
            {
                "now": now,
                "ids": [one.task_id for one in moved],
                "escalated": [one.is_escalated for one in moved],
            },
        )
    _notify(found)


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _notify(found: Sequence[Conclusion]) -> None:
    notices: dict[tuple[UUID, str], list[dict[str, Any]]] = {}
    for one in found:
        event = "task.escalated" if one.is_escalated else "task.resolved"
        notices.setdefault((one.organization_id, event), []).append(
            {
                "job": str(one.job_id),
                "task": str(one.task_id),
                "external_id": one.external_id,
                "value": one.value,
                "confidence": one.confidence,
                "rule": one.rule,
            }
        )
    for (organization_id, event), payloads in notices.items():
        webhooks.queue(organization_id=organization_id, event_type=event, payloads=payloads)


def ask_more(wanted: Sequence[Request], *, now: datetime) -> set[UUID]:
    """Open one more slot on each task whose job's budget covers it; which tasks those are.

    The others are parked until it does. Jobs are gone through in order of id.
    """
    by_job: dict[UUID, list[Request]] = {}
    for one in wanted:
        by_job.setdefault(one.job_id, []).append(one)
    opened: set[UUID] = set()
    for job_id in sorted(by_job):
        opened |= _reserved(job_id, by_job[job_id])
    parked = [one for one in wanted if one.task_id not in opened]
    with connection.cursor() as cursor:
        if opened:
            cursor.execute(_ASK, {"now": now, "ids": sorted(opened)})
        if reopened := [one.task_id for one in parked if one.before == "resolved"]:
            cursor.execute(_REOPEN, {"now": now, "ids": reopened})
        if parked:
            cursor.execute(_PARK, {"now": now, "ids": [one.task_id for one in parked]})
        if concluded := [one.task_id for one in wanted if one.before == "resolved"]:
            cursor.execute(_PAST, [concluded])
    return opened


def _reserved(job_id: UUID, wanted: Sequence[Request]) -> set[UUID]:
    """The tasks of one job whose next slot could be reserved: all at once, else as many as go."""
    total = sum(one.reserve_micros for one in wanted)
    if not total or escrow.reserve(job_id=job_id, line=slots.LINE, amount_micros=total):
        return {one.task_id for one in wanted}
    by_price: dict[int, list[UUID]] = {}
    for one in wanted:
        by_price.setdefault(one.reserve_micros, []).append(one.task_id)
    opened: set[UUID] = set()
    for reserve in sorted(by_price):
        ids = by_price[reserve]
        count = escrow.reserve_up_to(
            job_id=job_id, line=slots.LINE, unit_micros=reserve, count=len(ids)
        )
        opened.update(ids[:count])
        if count < len(ids):
            break
    return opened
