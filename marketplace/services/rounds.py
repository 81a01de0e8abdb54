"""A round over many jobs: what breaks at one of them does not keep the others waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

import structlog
from celery.exceptions import SoftTimeLimitExceeded

log = structlog.get_logger()

#: A job, and what is to be done with it: how many rows that changed.
Turn = tuple[UUID, Callable[[UUID], int]]


def play(turns: Iterable[Turn]) -> int:
    """Take each turn by itself; how many rows they changed together.

    A turn opens its own transaction. One that raises is logged and the next is taken: it falls due
    again with the next round. When every single one raised, so does this, with the last problem: it
    is not the jobs then.
    """
    rows, taken, broken = 0, 0, 0
    last: Exception | None = None
    for job_id, act in turns:
        taken += 1
        try:
            rows += act(job_id)
        except SoftTimeLimitExceeded:
            raise  # the time of the whole round is up, not this turn's
        except Exception as problem:
            log.exception("job_turn_broke", job=str(job_id), act=act.__name__)
            broken += 1
            last = problem
    if last is not None and broken == taken:
        raise last
    return rows
