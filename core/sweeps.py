"""Sweeps: bounded, idempotent pieces of work over rows that say by themselves when they are due.

A sweep may run zero, one or many times, beside itself, from Celery's beat, a nudge or
``manage.py sweep``; the rows decide what is left to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from zlib import crc32

from celery import shared_task
from django.db import connection

#: A run goes on for this long while there is more to do, then leaves the rest to the next one.
BUSY_SECONDS = 10.0
_LOCKS = 0x5057  # our own half of PostgreSQL's space of advisory locks


@dataclass(frozen=True)
class Sweep:
    """``run`` handles one batch and returns how many rows it handled; 0 when nothing is left.

    ``every`` is in seconds. ``oldest_due`` tells the age in seconds of the oldest due row, None
    when nothing is due. At most ``parallel`` Celery runs are at it at a time.
    """

    name: str
    queue: str
    every: float
    run: Callable[[], int]
    oldest_due: Callable[[], float | None] | None = None
    parallel: int = 1


_registry: dict[str, Sweep] = {}


def sweep(
    *,
    name: str,
    queue: str,
    every: float,
    oldest_due: Callable[[], float | None] | None = None,
    parallel: int = 1,
) -> Callable[[Callable[[], int]], Callable[[], int]]:
    """Register a function as a sweep and as the Celery task of the same name."""

    def register(run: Callable[[], int]) -> Callable[[], int]:
        found = Sweep(name, queue, every, run, oldest_due, parallel)
        if name in _registry and _registry[name].run.__module__ != run.__module__:
            raise ValueError(f"two sweeps are called {name}")
        _registry[name] = found

        def task() -> int:  # Celery asks a task for its name: a lambda has none
            return exhaust(found)

        shared_task(name=name)(task)
        return run

    return register


def registry() -> dict[str, Sweep]:
    """Every registered sweep by name, in the order of registration."""
    return dict(_registry)


def exhaust(found: Sweep, *, seconds: float = BUSY_SECONDS) -> int:
    """Run a sweep until nothing is left or the time is up; how many rows it handled.

    Leaves at once when as many runs as may be are at it already: they will see the same rows.
    """
    rows = 0
    until = time.monotonic() + seconds
    with _turn(found) as ours:
        while ours and (done := found.run()):
            rows += done
            if time.monotonic() > until:
                break
    return rows


@contextmanager
def _turn(found: Sweep) -> Iterator[bool]:
    """One of the sweep's places, for as long as the block runs; False when all are taken."""
    place = None
    first = crc32(found.name.encode()) & 0x3FFFFFF0
    with connection.cursor() as cursor:
        for number in range(first, first + found.parallel):
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCKS, number])
            if cursor.fetchone()[0]:
                place = number
                break
    try:
        yield place is not None
    finally:
        # A connection that broke meanwhile has lost its lock with it.
        if place is not None and _is_connected():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCKS, place])


def _is_connected() -> bool:
    return connection.connection is not None and not connection.connection.closed
