"""Invariants: statements that select the rows which should not exist.

Each plane states its own in ``invariants.py``; ``manage.py audit`` checks them all in one snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.utils.module_loading import autodiscover_modules

SHOWN = 20


@dataclass(frozen=True)
class Invariant:
    """``sql`` returns a SELECT of the rows that break what ``says`` claims."""

    id: str
    says: str
    sql: Callable[[], str]


@dataclass(frozen=True)
class Finding:
    """What one check found: how many rows break it, and the first of them."""

    id: str
    says: str
    rows: int
    sample: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the invariant holds."""
        return self.rows == 0


_registry: dict[str, Invariant] = {}


def invariant(*, id: str, says: str) -> Callable[[Callable[[], str]], Callable[[], str]]:  # noqa: A002
    """Register a function that returns the SELECT of the breaking rows."""

    def register(sql: Callable[[], str]) -> Callable[[], str]:
        known = _registry.get(id)
        if known is not None and known.sql.__module__ != sql.__module__:
            raise ValueError(f"two invariants are called {id}")
        _registry[id] = Invariant(id, says, sql)
        return sql

    return register


def registry() -> dict[str, Invariant]:
    """Every plane's invariants by id, the floor's first."""
    autodiscover_modules("invariants")
    return dict(sorted(_registry.items()))


def check(id: str) -> Finding:  # noqa: A002
    """Check one invariant in the present transaction. Raises KeyError for an unknown id."""
    return _check(registry()[id])


def run_all() -> Iterator[Finding]:
    """Check all invariants against one snapshot of the database, in order of id."""
    found = registry().values()
    with _snapshot():
        for one in found:
            yield _check(one)


def _check(one: Invariant) -> Finding:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) OVER () AS rows_in_all, broken.* FROM ({one.sql()}) broken"  # noqa: S608
            f" LIMIT {SHOWN}"
        )
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    total = rows[0]["rows_in_all"] if rows else 0
    for row in rows:
        del row["rows_in_all"]
    return Finding(one.id, one.says, total, rows)


@contextmanager
def _snapshot() -> Iterator[None]:
    """One read-only snapshot; inside a transaction of the caller's, that one."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
