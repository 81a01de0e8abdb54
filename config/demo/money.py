"""Money in and out of the demo, by way of the stand-in for Stripe."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from django.conf import settings

from config.demo.people import Cast
from config.embedded import places
from payments import selectors
from payments.fakestripe import FakeStripe
from payments.services import earnings, payees, payout_review, payouts, topups, wallets

DEPOSIT = 1_000_000_000
GOOD_CARD = "4242424242424242"
#: Workers who have set up where their money goes.
PAYEES = 4
LOOK_SECONDS = 15.0


@contextlib.contextmanager
def stand_in() -> Iterator[None]:
    """The stand-in for Stripe: the one that runs with the site, else one for as long as it takes."""
    address = urlsplit(str(settings.STRIPE_API_BASE))
    with socket.socket() as probe:
        runs = probe.connect_ex((address.hostname or "", address.port or 0)) == 0
    if runs:
        yield
        return
    file = Path(os.environ.get("PIECEWORK_DATA") or places.data_root()) / "fakestripe.json"
    with FakeStripe(host="127.0.0.1", port=address.port or 0, file=file):
        yield


def fund(cast: Cast) -> None:
    """Fill the requester's wallet, paid with a test card on the stand-in's page. Once."""
    topup = wallets.start_topup(
        organization_id=cast.organization,
        amount_micros=DEPOSIT,
        currency="USD",
        by=cast.owner,
        key="demo",
    )
    if topup.state != topup.State.PAID:
        httpx.post(topup.checkout_url, data={"card": GOOD_CARD}, timeout=30, trust_env=False)
        topups.look(topup.pk)


def pay(cast: Cast) -> int:
    """Release what has matured, set up payout accounts, ask for payouts, look at their risks.

    Returns how many payouts there are to review. Workers who asked before do not ask again.
    """
    while earnings.release_matured():
        pass
    for number, worker in enumerate(cast.workers[:PAYEES]):
        if payees.of(worker.id) is None:
            made = payees.set_up(user_id=worker.id, country="US")
            # The last two share a bank account: a person has to look at that.
            bank = f"1000000000{min(number, PAYEES - 2):02d}"
            httpx.post(made.url, data={"bank": bank}, timeout=30, trust_env=False)
            payees.refresh(made.account)
        available = selectors.buckets(worker.id, "USD").available
        if available >= settings.PAYOUT_MINIMUM_MICROS and not selectors.payouts_of(worker.id):
            payouts.request(worker_id=worker.id, by=worker.id)
    deadline = time.monotonic() + LOOK_SECONDS
    while _count(cast, "requested") and time.monotonic() < deadline:
        if not payout_review.sweep():
            time.sleep(0.2)  # the site's own sweep is at it
    return _count(cast, "needs_review")


def _count(cast: Cast, state: str) -> int:
    """How many of the demo's payouts are in a state."""
    return sum(
        selectors.payouts_of(worker.id).filter(state=state).count() for worker in cast.workers
    )
