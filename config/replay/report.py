"""What a replay came to: quality, cost and speed, and whether everything that must hold does."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.db import InterfaceError, OperationalError, connection

from config.replay.client import Api
from config.replay.driver import Played
from config.replay.market import Stage
from config.replay.sets import RecordedSet
from core import audit
from marketplace.quality import consensus
from marketplace.quality.consensus import Vote
from marketplace.quality.replay import Replayed
from marketplace.quality.settings import QualitySettings
from workers.services import reputation

SETTLE_SECONDS = 180.0

_UNSETTLED = """
SELECT count(*) FROM workers_assignment
WHERE job_id = %s AND state = 'submitted' AND role IN ('work', 'gold')
"""

_COUNTS = """
SELECT count(*) FILTER (WHERE a.role = 'work'), count(*) FILTER (WHERE a.role = 'gold')
FROM workers_assignment a WHERE a.job_id = %s AND a.state = 'accepted'
"""

_SPENT = """
SELECT spent_micros + fees_micros FROM payments_escrow WHERE job_id = %s
"""

_SUSPENDED = """
SELECT count(DISTINCT s.worker_id) FROM workers_skillrecord s
JOIN workers_workerjob p ON p.worker_id = s.worker_id
WHERE p.job_id = %s AND s.is_suspended
"""

_UNDECIDED = """
SELECT t.external_id, n.author_ref, n.answer::text
FROM marketplace_task t
JOIN marketplace_annotation n ON n.task_id = t.id AND n.is_counted AND NOT n.is_excluded
WHERE t.job_id = %s AND t.role = 'work' AND t.state NOT IN ('resolved', 'escalated')
ORDER BY n.created_at, n.id
"""

#: Each selects one row, which is true when it holds.
_INVARIANTS: Mapping[str, str] = {
    "every_counted_answer_paid_exactly_once": """
        SELECT count(*) = 0 FROM (
            SELECT n.id FROM marketplace_annotation n
            JOIN marketplace_task t ON t.id = n.task_id AND t.job_id = %(job)s
            LEFT JOIN payments_earning e ON e.assignment_ref = n.assignment_ref
            WHERE n.is_counted GROUP BY n.id HAVING count(e.id) <> 1
        ) wrong
    """,
    "nothing_else_paid": """
        SELECT count(*) = 0 FROM payments_earning e
        LEFT JOIN marketplace_annotation n ON n.assignment_ref = e.assignment_ref AND n.is_counted
        WHERE e.job_id = %(job)s AND n.id IS NULL
    """,
    "ledger_sums_to_zero": """
        SELECT count(*) = 0 FROM (
            SELECT t.currency FROM payments_ledgerentry e
            JOIN payments_ledgertransaction t ON t.id = e.transaction_id
            GROUP BY t.currency HAVING sum(e.amount_micros) <> 0
        ) wrong
    """,
    "paid_within_deposit": """
        SELECT coalesce(sum(amount_micros + fee_micros), 0) <= %(deposit)s
        FROM payments_earning WHERE job_id = %(job)s
    """,
    "no_worker_twice_on_a_task": """
        SELECT count(*) = 0 FROM (
            SELECT task_id FROM workers_assignment WHERE job_id = %(job)s
            GROUP BY task_id, worker_id HAVING count(*) > 1
        ) wrong
    """,
    "no_task_over_its_overlap": """
        SELECT count(*) = 0 FROM (
            SELECT t.id FROM marketplace_task t JOIN workers_assignment a ON a.task_id = t.id
            WHERE t.job_id = %(job)s AND t.role = 'work'
              AND a.state IN ('claimed', 'submitted', 'accepted', 'rejected', 'reversed')
            GROUP BY t.id HAVING count(*) > t.max_overlap
        ) wrong
    """,
    "nothing_acknowledged_lost": """
        SELECT count(*) = 0 FROM unnest(%(acknowledged)s::uuid[]) AS said(id)
        LEFT JOIN workers_assignment a ON a.id = said.id AND a.state = 'accepted'
        LEFT JOIN marketplace_annotation n ON n.assignment_ref = a.id
        WHERE n.id IS NULL
    """,
}


def wait_until_settled(stage: Stage) -> bool:
    """Wait until every answer is judged and paid; whether that came to pass in time."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        try:
            if not _value(_UNSETTLED, [stage.job]):
                return True
        except (OperationalError, InterfaceError):
            connection.close()  # the server is being restarted
        time.sleep(0.5)
    return False


def export(api: Api, job: str) -> list[dict[str, Any]]:
    """The job's results, by way of an export file."""
    made = api.post(f"/jobs/{job}/exports", {"format": "jsonl"}, key=f"replay-{job}")
    deadline = time.monotonic() + SETTLE_SECONDS
    while made["state"] not in ("done", "failed"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the export is still {made['state']}")
        time.sleep(0.3)
        made = api.get(f"/exports/{made['id']}")
    if made["state"] == "failed":
        raise RuntimeError(f"the export failed: {made['error']}")
    made = api.get(f"/exports/{made['id']}")
    link = urlsplit(made["file"]["url"])
    _, _, path = link.path.partition("/api/v1")
    lines = api.call("GET", f"{path}?{link.query}").content.splitlines()
    return [json.loads(line) for line in lines]


def best_so_far(
    stage: Stage, recorded: RecordedSet, settings: QualitySettings, specialty: str
) -> dict[str, Any]:
    """The best answer of each task that is still open, as the stopping rule would end it."""
    votes: dict[str, list[tuple[Any, dict[str, Any]]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_UNDECIDED, [stage.job])
        for task, author, answer in cursor.fetchall():
            votes.setdefault(task, []).append((author, json.loads(answer)))
    authors = {author for said in votes.values() for author, _ in said}
    facts = reputation.facts({specialty: authors})
    return {
        task: consensus.decide(
            recorded.rules,
            recorded.spec,
            [
                Vote(answer, facts.get((specialty, author), consensus.UNKNOWN))
                for author, answer in said
            ],
            settings,
            can_ask=False,
        ).value
        for task, said in votes.items()
    }


def grade(
    recorded: RecordedSet, tasks: Collection[str], values: Mapping[str, Any]
) -> dict[str, float]:
    """Values against the truth: accuracy, and for transcripts the word error rate too.

    A task without a value counts as wrong.
    """
    right = wrong = length = 0.0
    for task in tasks:
        true = recorded.truth[task]
        value = values.get(task)
        if value is None:
            errors, size = recorded.rules.distance(recorded.spec, true, true)[1], 0.0
            size = errors = max(errors, 1.0)
        else:
            errors, size = recorded.rules.distance(recorded.spec, value, true)
        right += errors == 0
        wrong += errors
        length += size
    found = {"accuracy": round(right / len(tasks), 4)}
    if recorded.is_speech:
        found = {"wer": round(wrong / length, 4), **found}
    return found


def pure(recorded: RecordedSet, replayed: Replayed) -> dict[str, Any]:
    """The same figures of the same policy as pure code."""
    found: dict[str, Any] = {"accuracy": round(replayed.accuracy, 4)}
    if recorded.is_speech:
        found = {"wer": round(replayed.error_rate, 4), **found}
    return {
        **found,
        "labels_per_task": {
            "work": round(replayed.labels_per_task, 3),
            "gold": round(replayed.gold_per_task, 3),
        },
        "escalated_share": round(replayed.escalated_share, 4),
        "suspended_workers": len(replayed.suspended),
    }


def is_near(found: dict[str, Any], pure_policy: dict[str, Any]) -> bool:
    """Whether the product did what its rules do as pure code: within .02, and 10 % of the labels."""
    measure = "wer" if "wer" in pure_policy else "accuracy"
    labels, expected = found["labels_per_task"]["work"], pure_policy["labels_per_task"]["work"]
    return (
        abs(found[measure] - pure_policy[measure]) <= 0.02
        and abs(labels - expected) <= 0.1 * expected
    )


def invariants(stage: Stage, played: Played, *, is_settled: bool) -> dict[str, bool]:
    """What must hold after a replay, and whether it does."""
    values = {
        "job": stage.job,
        "deposit": stage.deposit_micros,
        "acknowledged": list(played.submitted),
    }
    found = {name: bool(_value(sql, values)) for name, sql in _INVARIANTS.items()}
    found["all_judged_and_settled"] = is_settled
    found["nobody_stalled"] = not played.stalled
    broken = [finding.id for finding in audit.run_all() if not finding.ok]
    found["audit"] = not broken
    found.update({f"audit_{name}": False for name in broken})
    return found


def figures(stage: Stage, played: Played, tasks: int) -> dict[str, Any]:
    """Labels, cost and speed, out of the labour rows, the escrow and what the drivers saw."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [stage.job])
        work, gold = cursor.fetchone()
    return {
        "labels_per_task": {"work": round(work / tasks, 3), "gold": round(gold / tasks, 3)},
        "cost_micros": int(_value(_SPENT, [stage.job]) or 0),
        "suspended_workers": int(_value(_SUSPENDED, [stage.job])),
        "answers_per_second": round(len(played.submitted) / max(played.seconds, 0.001), 1),
        "seconds": round(played.seconds, 1),
        "claim_ms": percentiles(played.claim_ms),
        "submit_ms": percentiles(played.submit_ms),
    }


def percentiles(times: Sequence[float]) -> dict[str, float]:
    """The middle and the slow end of some times in milliseconds."""
    ordered = sorted(times) or [0.0]
    last = len(ordered) - 1
    return {
        "p50": round(ordered[round(last * 0.5)], 2),
        "p95": round(ordered[round(last * 0.95)], 2),
    }


def _value(sql: str, values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
        return None if row is None else row[0]
