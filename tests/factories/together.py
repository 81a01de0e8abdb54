"""Doing things at the same moment, on connections of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection


def together(*acts: Callable[[], Any]) -> list[Any]:
    """Run each act in a thread of its own, all from the same moment; errors are answers."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            start.wait()
            return act()
        except Exception as problem:  # noqa: BLE001 - an answer like any other
            return problem
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def failures(answers: Sequence[Any], *expected: type[Exception]) -> list[Exception]:
    """The answers that are errors, but those that may be."""
    return [one for one in answers if isinstance(one, Exception) and not isinstance(one, expected)]
