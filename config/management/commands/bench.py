"""Measure the running product: claims, import, expiry, settlement, offers, faults.

Each starts from an empty database on servers of its own (under the data folder) unless
DATABASE_URL and REDIS_URL name others, which must hold nothing.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

#: Subcommand: module of config.bench, and its options with their defaults.
BENCHES: Mapping[str, tuple[str, dict[str, int]]] = {
    "claims": ("claims", {"tasks": 20_000, "workers": 16, "seconds": 60, "big": 1_000_000}),
    "import": ("imports", {"tasks": 100_000}),
    "expiry": ("expiry", {"claims": 100_000}),
    "settlement": ("settlement", {"answers": 20_000, "workers": 200}),
    "offers": ("offers", {"slots": 10_000, "workers": 200, "idle": 2_000}),
}


class Command(BaseCommand):
    """What is measured is told with the guards beside it; --json is for scripts."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the measurements and what each may be asked for."""
        kinds = parser.add_subparsers(dest="what", required=True)
        for name, (_, numbers) in BENCHES.items():
            one = kinds.add_parser(name)
            one.add_argument("--json", action="store_true", help="print JSON")
            for option, usual in numbers.items():
                one.add_argument(f"--{option}", type=int, default=usual)
        faults = kinds.add_parser("faults")
        faults.add_argument("--json", action="store_true", help="print JSON")
        faults.add_argument("--data", required=True, help="folder of a recorded set to replay")
        faults.add_argument("--max-tasks", type=int, default=None)
        faults.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure and tell. Fails when something broke that no load may break."""
        from config.bench import ground

        try:
            self._measure(options)
        finally:
            ground.clear()

    def _measure(self, options: dict[str, Any]) -> None:
        what = options["what"]
        if what == "faults":
            module = importlib.import_module("config.bench.faults")
            found = module.measure(
                data=options["data"], max_tasks=options["max_tasks"], seed=options["seed"]
            )
        else:
            name, numbers = BENCHES[what]
            module = importlib.import_module(f"config.bench.{name}")
            found = module.measure(**{option: options[option] for option in numbers})
        lines: Callable[[dict[str, Any]], list[str]] = module.lines
        self.stdout.write(
            json.dumps(found, indent=2) if options["json"] else "\n".join(lines(found))
        )
        wrong = [name for name in module.MUST_BE_ZERO if found.get(name)]
        if wrong:
            raise CommandError(f"Must be 0: {', '.join(wrong)}")
