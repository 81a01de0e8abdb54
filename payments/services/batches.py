"""Batches of calls to Stripe end in time: what was not reached is left to its lease's end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from uuid import UUID

#: No call is begun later than this in a batch, in seconds of wall time.
SECONDS = 20.0


def in_time(ids: Iterable[UUID]) -> Iterator[UUID]:
    """The ids of a batch one by one, until its time is over; the first one in any case."""
    end = time.monotonic() + SECONDS
    for number, one in enumerate(ids):
        if number and time.monotonic() >= end:
            return
        yield one
