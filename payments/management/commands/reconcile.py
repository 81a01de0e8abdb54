"""Compare Stripe's balance with the ledger; exit 1 when a cent is not explained."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from payments import money
from payments.gateways.facts import StripeProblem
from payments.services import reconcile


class Command(BaseCommand):
    """Lists what does not match; changes nothing."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what may be asked for."""
        parser.add_argument("--currency", default="USD")
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare and tell."""
        currency = options["currency"]
        try:
            found = reconcile.run(currency)
        except StripeProblem as problem:
            raise CommandError(f"Stripe does not answer: {problem}", returncode=2) from problem
        if options["json"]:
            self.stdout.write(json.dumps({**asdict(found), "is_clean": found.is_clean}, indent=2))
        else:
            self._tell(found)
        if not found.is_clean:
            raise CommandError(f"{len(found.breaks)} movements are not explained.")

    def _tell(self, found: reconcile.Reconciliation) -> None:
        there, here = (
            money.display(micros, found.currency)
            for micros in (found.there_micros, found.here_micros)
        )
        self.stdout.write(f"At Stripe {there}, in the ledger {here}, {found.matched} matched.")
        for one in found.breaks:
            shown = [
                "–" if micros is None else money.display(micros, found.currency)
                for micros in (one.there_micros, one.here_micros)
            ]
            self.stdout.write(
                f"{one.kind:15} {one.key}: there {shown[0]}, here {shown[1]}. {one.says}"
            )
