"""Run every sweep to exhaustion once, without Celery: by hand, from cron, or after an outage.

With ``--forever`` it goes on until it is stopped, each sweep at its own pace: a site without a
broker.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from core import sweeps


class Command(BaseCommand):
    """The operator's way to do what the Celery workers do."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what may be asked for."""
        parser.add_argument("names", nargs="*", help="sweeps to run; all when none is named")
        parser.add_argument("--list", action="store_true", help="only tell what there is")
        parser.add_argument("--forever", action="store_true", help="go on until stopped")
        parser.add_argument(
            "--seconds", type=float, default=600.0, help="longest time to give one sweep"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the sweeps in the order of their registration; one that fails stops none."""
        registry = sweeps.registry()
        unknown = set(options["names"]) - set(registry)
        if unknown:
            raise CommandError(f"No such sweep: {', '.join(sorted(unknown))}")
        if options["forever"]:
            self._go_on([registry[name] for name in options["names"] or registry])
            return
        failed = []
        for name in options["names"] or registry:
            sweep = registry[name]
            if options["list"]:
                self.stdout.write(f"{name}  queue {sweep.queue}, every {sweep.every:g} s")
                continue
            started = time.monotonic()
            rows, error = _exhaust(sweep, options["seconds"])
            seconds = time.monotonic() - started
            self.stdout.write(f"{name}  {rows} rows, {seconds:.2f} s{f': {error}' * bool(error)}")
            if error:
                failed.append(name)
        if failed:
            raise CommandError(f"Failed: {', '.join(failed)}")

    def _go_on(self, chosen: Sequence[sweeps.Sweep]) -> None:
        """Run each sweep when its time comes. A failure is told, and its sweep tried again."""
        stopping: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda seen, _frame: stopping.append(seen))
        due = dict.fromkeys((sweep.name for sweep in chosen), 0.0)
        while not stopping:
            for sweep in chosen:
                if not stopping and time.monotonic() >= due[sweep.name]:
                    try:
                        sweeps.exhaust(sweep)
                    except Exception as error:  # noqa: BLE001 - the others must have their turn
                        self.stderr.write(f"{sweep.name}: {type(error).__name__}: {error}")
                        connection.close()
                    due[sweep.name] = time.monotonic() + sweep.every
            time.sleep(min(0.5, max(0.0, min(due.values()) - time.monotonic())))


def _exhaust(sweep: sweeps.Sweep, seconds: float) -> tuple[int, str]:
    """Run one sweep until it finds nothing; answer its rows and what went wrong, if anything."""
    rows = 0
    until = time.monotonic() + seconds
    try:
        while done := sweep.run():
            rows += done
            if time.monotonic() > until:
                return rows, f"not finished within {seconds:g} s"
    except Exception as error:  # noqa: BLE001 - the other sweeps must have their turn
        return rows, f"{type(error).__name__}: {error}"
    return rows, ""
