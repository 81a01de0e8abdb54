"""Play a recorded crowd data set through the running product over HTTP, and prove the books.

Without --base-url it starts web processes, a Celery worker and beat of its own. With it, the site
at that address is used; the command must see the same database, because it makes the accounts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.replay import playing
from config.replay.sets import SetUnreadable
from marketplace.quality.settings import SettingsError


class Command(BaseCommand):
    """The honest end-to-end check: recorded answers, real money flow in play money."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what may be asked for."""
        parser.add_argument("--data", type=Path, required=True, help="folder of a recorded set")
        parser.add_argument("--base-url", help="a running site, such as http://127.0.0.1:8000")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--workers", type=int, default=8, help="people at work at a time")
        parser.add_argument("--max-tasks", type=int, help="play so many of the set's tasks only")
        parser.add_argument("--policy", type=Path, help="JSON file with quality settings")
        parser.add_argument("--out", type=Path, help="write the JSON here as well")

    def handle(self, *args: Any, **options: Any) -> None:
        """Play, report, and fail when an invariant is broken."""
        try:
            order = playing.Order.read(
                data=options["data"],
                policy=options["policy"],
                seed=options["seed"],
                workers=max(1, options["workers"]),
                max_tasks=options["max_tasks"],
            )
        except (SetUnreadable, SettingsError, OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        found = playing.play(order, base_url=options["base_url"], say=self.stderr.write)
        text = json.dumps(found, indent=2)
        self.stdout.write(text)
        if options["out"]:
            options["out"].write_text(text + "\n")
        broken = [name for name, holds in found["invariants"].items() if not holds]
        if broken:
            raise CommandError(f"Broken: {', '.join(broken)}")
