"""Fill a small living market: a requester, workers with a past, jobs of each kind, an exam, reviews,
and payouts that await review. Doing so again changes nothing.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.demo import market, money, people, work
from core import clock

#: How long ago the demo's past lies: longer than the longest hold of earnings, and long enough for
#: the requester to be no stranger.
PAST = timedelta(days=40)
#: How long ago the work begins that still awaits somebody.
LATELY = timedelta(hours=3)


class Command(BaseCommand):
    """For a developer's machine only: it moves the clock and makes people with known passwords."""

    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is missing and tell who can log in."""
        if not settings.PIECEWORK_ADJUSTABLE_CLOCK or not settings.STRIPE_API_BASE:
            raise CommandError(
                "The demo is for a local site: it makes people with known passwords."
            )
        started = time.monotonic()
        clock.reset()  # an earlier run may have been killed in its past
        with money.stand_in():
            try:
                clock.shift(-PAST)
                cast = people.gather()
                money.fund(cast)
                self.stdout.write("The demo's people are there; they begin to work …")
                jobs = market.open_jobs(cast)
                work.live_through(cast, jobs)
                clock.reset()
                clock.shift(-LATELY)
                work.leave_to_review(cast, jobs)
            finally:
                clock.reset()
            waiting = money.pay(cast)
        seconds = time.monotonic() - started
        self.stdout.write(f"The demo is ready ({seconds:.0f} s); {waiting} payouts await review.")
        for line in people.log_ins():
            self.stdout.write(line)
