"""One hot job: how many answers a second are judged, and accepted and paid."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from config.bench import bulk, ground
from config.bench.timing import longest_statement
from core import audit
from workers.services import judging, settlement

MUST_BE_ZERO = ("left", "audit_broken")
OVERLAP = 3


def measure(*, answers: int, workers: int) -> dict[str, Any]:
    """Submitted answers of one job, judged to the end, then settled to the end."""
    ground.start_afresh()
    house = ground.requester()
    people = ground.hands(max(workers, OVERLAP))
    tasks = -(-answers // OVERLAP)
    job = ground.job(house, tasks=tasks, overlap=OVERLAP)
    ground.seat(job, people)
    count = bulk.submitted(job, people, tasks=tasks)
    ground.settle_down("marketplace_task", "workers_assignment", "marketplace_annotation")
    ground.say(f"Judging {count:,} answers …")
    judged, judging_seconds, _ = _exhaust(judging.judge_batch)
    ground.settle_down("workers_assignment")
    ground.say(f"Settling {judged:,} answers …")
    settled, seconds, longest = _exhaust(settlement.sweep)
    return {
        "answers": count,
        "judged": judged,
        "judged_per_second": round(judged / judging_seconds, 1),
        "settled": settled,
        "settled_per_second": round(settled / seconds, 1),
        "seconds": round(seconds, 2),
        "longest_statement_seconds": longest,
        "left": ground.waiting("state <> 'accepted'"),
        "audit_broken": [finding.id for finding in audit.run_all() if not finding.ok],
    }


def _exhaust(sweep: Callable[[], int]) -> tuple[int, float, float]:
    """Rows, seconds, and the longest statement's seconds of a sweep run until nothing is left."""
    rows = 0
    with longest_statement() as longest:
        started = time.perf_counter()
        while done := sweep():
            rows += done
        seconds = time.perf_counter() - started
    return rows, seconds, round(longest.seconds, 3)


def lines(found: dict[str, Any]) -> list[str]:
    """For a person to read."""
    return [
        (
            f"one job: {found['settled']:,} answers accepted and paid in {found['seconds']} s, "
            f"{found['settled_per_second']:.0f}/s (guard 1,500); judged before at "
            f"{found['judged_per_second']:.0f}/s"
        ),
        (
            f"longest statement {found['longest_statement_seconds']} s; left {found['left']}, "
            f"audit {found['audit_broken'] or 'clean'}"
        ),
    ]
