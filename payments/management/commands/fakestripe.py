"""Run the stand-in for Stripe, for development and the demo."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    """Serves until it is told to stop; what it knows is kept in a file."""

    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what may be asked for."""
        root = Path(os.environ.get("PIECEWORK_DATA") or settings.BASE_DIR / ".piecework")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=12111)
        parser.add_argument(
            "--webhook-url",
            default=os.environ.get(
                "FAKE_STRIPE_WEBHOOK_URL", f"{settings.PUBLIC_URL}/api/v1/stripe/webhook"
            ),
            help="where events are sent",
        )
        parser.add_argument(
            "--public-url",
            default=os.environ.get("FAKE_STRIPE_PUBLIC_URL", ""),
            help="where browsers find its pages, when not at its own address",
        )
        parser.add_argument("--file", type=Path, default=root / "fakestripe.json")
        parser.add_argument("--settle-seconds", type=int, default=10)
        parser.add_argument("--payout-seconds", type=int, default=20)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until a signal comes."""
        from payments.fakestripe import FakeStripe

        try:
            fake = FakeStripe(
                host=options["host"],
                port=options["port"],
                settle_seconds=options["settle_seconds"],
                payout_seconds=options["payout_seconds"],
                file=options["file"],
                webhook_url=options["webhook_url"],
                # One of the endpoints is enough for it: the first secret signs.
                webhook_secret=settings.STRIPE_WEBHOOK_SECRET.split(",")[0].strip(),
                public_url=options["public_url"],
            )
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {options['host']}:{options['port']} ({error.strerror}). "
                "Choose another --port."
            ) from None
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with fake:
            self.stdout.write(f"A stand-in for Stripe listens at {fake.url}")
            self.stdout.flush()
            stop.wait()
