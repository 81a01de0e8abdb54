"""How long statements take, seen from where they are sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection


@dataclass
class Longest:
    """The longest statement so far: its time in seconds and how it begins."""

    seconds: float = 0.0
    begins: str = ""
    count: int = 0


@contextmanager
def longest_statement() -> Iterator[Longest]:
    """Time every statement of this connection inside the block."""
    found = Longest()

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            seconds = time.perf_counter() - began
            found.count += 1
            if seconds > found.seconds:
                found.seconds, found.begins = seconds, " ".join(sql.split())[:60]

    with connection.execute_wrapper(note):
        yield found
