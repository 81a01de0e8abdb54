"""Many overdue claims at once: how long until every slot is back, and the longest statement."""

from __future__ import annotations

import time
from typing import Any

from config.bench import bulk, ground
from config.bench.timing import longest_statement
from core import audit
from workers.services import assignments

MUST_BE_ZERO = ("left", "audit_broken")
#: Claims of one job: a worker holds one live claim a job, so this is the number of workers too.
EACH = 2_000


def measure(*, claims: int) -> dict[str, Any]:
    """Make overdue claims over several jobs, then run the sweep until nothing is left."""
    ground.start_afresh()
    house = ground.requester()
    people = ground.hands(min(EACH, claims))
    made = 0
    while made < claims:
        ground.say(f"  {made:,} of {claims:,} overdue claims are there")
        job = ground.job(house, tasks=len(people))
        ground.seat(job, people)
        made += bulk.claimed(job, people)
    ground.settle_down()
    ground.say(f"Expiring {made:,} claims …")
    batches = []
    with longest_statement() as longest:
        started = time.perf_counter()
        while count := assignments.expire():
            batches.append(count)
        seconds = time.perf_counter() - started
    return {
        "claims": made,
        "expired": sum(batches),
        "seconds": round(seconds, 2),
        "batches": len(batches),
        "longest_statement_seconds": round(longest.seconds, 3),
        "longest_statement": longest.begins,
        "left": ground.waiting("state = 'claimed'"),
        "audit_broken": [finding.id for finding in audit.run_all() if not finding.ok],
    }


def lines(found: dict[str, Any]) -> list[str]:
    """For a person to read."""
    return [
        (
            f"{found['expired']:,} overdue claims expired in {found['seconds']} s (guard 15), "
            f"{found['batches']} batches"
        ),
        (
            f"longest statement {found['longest_statement_seconds']} s (guard 1): "
            f"{found['longest_statement']}"
        ),
        f"left {found['left']}, audit {found['audit_broken'] or 'clean'}",
    ]
