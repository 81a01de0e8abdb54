"""What time it is. Deadlines are decided by the database's clock alone, never by a host's.

In SQL the clock is ``core_now()``, the start of the transaction plus an offset that only tests and
demos may set. Pure code takes the time as an argument.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection


class NotAdjustable(RuntimeError):
    """The clock of this site cannot be moved."""


def now() -> datetime:
    """The time by the database, with its time zone. One statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT core_now()")
        found: datetime = cursor.fetchone()[0]
        return found


def shift(by: timedelta) -> None:
    """Move the clock by so much for everybody. Raises NotAdjustable outside tests and demos."""
    _require_adjustable()
    offset: dict[str, Any] = {"by": by}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO core_clockoffset (id, shift) VALUES (1, %(by)s)
            ON CONFLICT (id) DO UPDATE SET shift = core_clockoffset.shift + %(by)s
            """,
            offset,
        )


def reset() -> None:
    """Put the clock right again. Raises NotAdjustable outside tests and demos."""
    _require_adjustable()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM core_clockoffset")


def _require_adjustable() -> None:
    if not settings.PIECEWORK_ADJUSTABLE_CLOCK:
        raise NotAdjustable("The clock can be moved in tests and demos only.")
