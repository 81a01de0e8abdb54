"""Reading a job's results in order of their tasks, a page at a time, however many there are.

Each page is a statement of its own behind the last task read: no transaction, snapshot or
connection is held while a slow reader takes its time. A row is as it was when its page was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Func, QuerySet, TextField

from marketplace.exports import jsonl, rows
from marketplace.models import Job, Resolution, Task

PAGE = 200
#: Data or value with more fields than this are one column of JSON in a table.
FIELDS_CAP = 200


# The page of tasks first, by the index of decided ones: each has one current resolution. Joined all
# at once, the planner merges by walking every resolution before the page.
_PAGE = """
WITH page AS MATERIALIZED (
    SELECT id, external_id, data, state FROM marketplace_task
    WHERE job_id = %(job)s AND state IN ('resolved', 'escalated') AND id > %(after)s
    ORDER BY id LIMIT %(limit)s
)
SELECT t.id, t.external_id, t.data::text, t.state, r.value::text, r.confidence, r.rule,
    r.votes::text, r.is_escalated, r.round, r.interface_id, i.version, i.kind, r.created_at
FROM page t
JOIN marketplace_resolution r ON r.task_id = t.id AND r.is_current
JOIN marketplace_interface i ON i.id = r.interface_id
ORDER BY t.id
"""
_FIRST = UUID(int=0)


def page(job: Job, *, after: UUID | None = None, limit: int = PAGE) -> list[dict[str, Any]]:
    """Read up to `limit` results of tasks behind `after`, in order of task id. Two statements."""
    with connection.cursor() as cursor:
        cursor.execute(_PAGE, {"job": job.id, "after": after or _FIRST, "limit": limit})
        found = [_result(row) for row in cursor.fetchall()]
    answers = _answers([one.task_id for one in found])
    return [
        rows.result_row(
            one, job_id=job.id, currency=job.currency, answers=answers.get(one.task_id, {})
        )
        for one in found
    ]


def _result(row: tuple[Any, ...]) -> rows.Result:
    task_id, external_id, data, state, value, confidence, rule, votes, *rest = row
    return rows.Result(
        task_id,
        external_id,
        orjson.loads(data),
        state,
        None if value is None else orjson.loads(value),
        confidence,
        rule,
        orjson.loads(votes),
        *rest,
    )


# What was paid is the money plane's; it knows an answer by the same reference as we do.
_ANSWERS = """
SELECT a.task_id, a.id::text, a.author_ref, a.answer::text, e.amount_micros + e.fee_micros
FROM marketplace_annotation a
LEFT JOIN payments_earning e ON e.assignment_ref = a.assignment_ref
WHERE a.task_id = ANY(%s)
"""


def _answers(task_ids: list[UUID]) -> dict[UUID, dict[str, rows.Answer]]:
    """All answers to these tasks by id, with what each was paid for so far. One statement."""
    found: dict[UUID, dict[str, rows.Answer]] = {}
    if task_ids:
        with connection.cursor() as cursor:
            cursor.execute(_ANSWERS, [task_ids])
            for task_id, pk, author, answer, paid in cursor.fetchall():
                said = rows.Answer(author, orjson.loads(answer), paid)
                found.setdefault(task_id, {})[pk] = said
    return found


class Pages:
    """All results behind a task, up to a limit; `last` is the task read last."""

    def __init__(self, job: Job, *, after: UUID | None = None, limit: int | None = None) -> None:
        self._job = job
        self._left = limit
        self.last = after

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows, reading the next page when it is asked for."""
        while self._left is None or self._left > 0:
            size = PAGE if self._left is None else min(PAGE, self._left)
            found = page(self._job, after=self.last, limit=size)
            for row in found:
                self.last = UUID(row["task"])
                yield row
            if len(found) < size:
                return
            if self._left is not None:
                self._left -= size


def stream(job: Job) -> Iterator[bytes]:
    """Yield all results as lines of JSON, a page of lines at a time."""
    after = None
    while found := page(job, after=after):
        if not connection.in_atomic_block:
            # A reader may be slow: others need the connection meanwhile.
            connection.close()
        yield b"".join(map(jsonl.line, found))
        if len(found) < PAGE:
            return
        after = UUID(found[-1]["task"])


def count(job: Job) -> int:
    """Count the results there are now."""
    return Resolution.objects.filter(task__job_id=job.id, is_current=True).count()


def fields(job: Job) -> dict[str, list[str] | None]:
    """Name the fields that occur in `data` and `value`, sorted; None for more than 200.

    None also when some are not objects: then there are no fields to name.
    """
    tasks = Task.objects.filter(job_id=job.id, role=Task.Role.WORK)
    resolutions = Resolution.objects.filter(task__job_id=job.id, is_current=True)
    return {"data": _keys(tasks, "data"), "value": _keys(resolutions, "value")}


_KEYS = """
SELECT DISTINCT key
  FROM ({rows}) AS found (fields)
 CROSS JOIN LATERAL jsonb_object_keys(
       CASE WHEN jsonb_typeof(fields) = 'object' THEN fields ELSE '{{}}' END) AS key
 LIMIT %s
"""


def _keys(found: QuerySet[Any], column: str) -> list[str] | None:
    kinds = found.annotate(kind=Func(column, function="jsonb_typeof", output_field=TextField()))
    if kinds.filter(kind__in=["array", "string", "number", "boolean"]).exists():
        return None
    inner, parameters = found.values_list(column).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_KEYS.format(rows=inner), [*parameters, FIELDS_CAP + 1])
        keys = sorted(key for (key,) in cursor.fetchall())
    return None if len(keys) > FIELDS_CAP else keys
