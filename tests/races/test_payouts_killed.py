"""A sender dies at every step of sending a payout, and Stripe fails in every way it knows: in the
end exactly one transfer was made, counted at Stripe, and the books agree.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings as django_settings
from django.db import connection

from payments.fakestripe import FakeStripe
from payments.gateways import stripe as gateway
from payments.models import Payout, PayoutEvent
from payments.services import ledger, payout_recovery, payout_sending
from tests.factories import payments as money
from tests.factories import payouts as make

pytestmark = pytest.mark.django_db(transaction=True)

DAY = {"hours": 25}
MINUTE = {"minutes": 2}


class Killed(BaseException):
    """The process is gone at this point: nothing catches it, nothing is cleaned up."""


def die(*_args: Any, **_given: Any) -> Any:
    raise Killed


def die_after(act: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **given: Any) -> Any:
        act(*args, **given)
        raise Killed

    return run


#: Where it dies: what to put in place of what.
STEPS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "before the account is read": lambda m: m.setattr(gateway, "get_account", die),
    "after the account was read": lambda m: m.setattr(
        gateway, "get_account", die_after(gateway.get_account)
    ),
    "after the intent, before the call": lambda m: m.setattr(gateway, "make_transfer", die),
    "after the call, before anything is written": lambda m: m.setattr(
        gateway, "make_transfer", die_after(gateway.make_transfer)
    ),
    "in the middle of writing it down": lambda m: m.setattr(ledger, "post", die),
    "after it was written down": lambda m: m.setattr(
        payout_sending, "sent", die_after(payout_sending.sent)
    ),
}


def settle(fake: FakeStripe, payout: Payout, wait: dict[str, float], rounds: int = 12) -> None:
    """Run the sweeps as beat would, with time passing at both ends."""
    seconds = int(wait.get("hours", 0) * 3600 + wait.get("minutes", 0) * 60)
    for number in range(rounds):
        if Payout.objects.get(pk=payout.pk).state == "sent":
            return
        make.later(**(wait if number == 0 else {"hours": 1}))
        fake.store.advance(seconds if number == 0 else 3600)
        payout_recovery.sweep()
        payout_sending.sweep()
    row = Payout.objects.get(pk=payout.pk)
    raise AssertionError(f"{row.state}: {row.last_error}")


def paid_once(fake: FakeStripe, payout: Payout) -> None:
    row = Payout.objects.get(pk=payout.pk)
    assert row.state == "sent"
    assert make.transfers(fake) == [row.amount_micros // 10_000]
    assert money.balance(ledger.worker_in_flight(row.worker_id), "USD") == 0
    assert make.broken() == []


@pytest.mark.slow
@pytest.mark.parametrize("wait", [MINUTE, DAY], ids=["a minute later", "a day later"])
@pytest.mark.parametrize("step", STEPS)
def test_a_sender_that_dies_pays_once(
    step: str, wait: dict[str, float], fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    with monkeypatch.context() as patch:
        STEPS[step](patch)
        with pytest.raises(Killed):
            payout_sending.sweep()
    settle(fake_stripe, payout, wait)
    paid_once(fake_stripe, payout)


@pytest.mark.slow
@pytest.mark.parametrize("wait", [MINUTE, DAY], ids=["a minute later", "a day later"])
@pytest.mark.parametrize(
    "fault",
    ["429", "500_before", "500_after", "drop_before", "drop_after", "balance_insufficient"],
)
def test_a_call_that_fails_pays_once(
    fault: str, wait: dict[str, float], fake_stripe: FakeStripe
) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    fake_stripe.store.faults.order(fault, "POST /v1/transfers")
    payout_sending.sweep()
    assert Payout.objects.get(pk=payout.pk).state in ("approved", "unknown")
    settle(fake_stripe, payout, wait)
    paid_once(fake_stripe, payout)


def test_a_stored_failure_gets_a_new_key_only_after_a_look_up(fake_stripe: FakeStripe) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    fake_stripe.store.faults.order("500_before", "POST /v1/transfers")
    payout_sending.sweep()
    row = Payout.objects.get(pk=payout.pk)
    assert (row.state, row.epoch) == ("unknown", 1)
    # While the look-up fails nothing is concluded, however long it takes.
    fake_stripe.store.faults.order("500_before", "GET /v1/transfers", times=0)
    for _ in range(3):
        make.later(hours=30)
        payout_recovery.sweep()
        assert Payout.objects.get(pk=payout.pk).state == "unknown"
    fake_stripe.store.faults.orders.clear()
    make.later(hours=1)
    payout_recovery.sweep()
    row = Payout.objects.get(pk=payout.pk)
    assert (row.state, row.epoch) == ("approved", 2)
    settle(fake_stripe, payout, MINUTE)
    paid_once(fake_stripe, payout)
    kinds = list(
        PayoutEvent.objects.filter(payout=payout).order_by("id").values_list("kind", flat=True)
    )
    assert kinds == [
        "requested", "needs_review", "approval", "approved", "sending", "unknown", "returned",
        "sending", "sent",
    ]  # fmt: skip


def test_the_look_up_comes_before_a_repeated_call(fake_stripe: FakeStripe) -> None:
    """The transfer was made, Stripe remembers only the failure: it is found by its group."""
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    fake_stripe.store.faults.order("500_after", "POST /v1/transfers")
    payout_sending.sweep()
    assert make.transfers(fake_stripe) == [3000]
    make.later(minutes=2)
    payout_recovery.sweep()
    row = Payout.objects.get(pk=payout.pk)
    assert (row.state, row.epoch) == ("sent", 1)
    paid_once(fake_stripe, payout)


@pytest.mark.slow
def test_a_process_that_is_killed_while_stripe_works_pays_once(fake_stripe: FakeStripe) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    place = urlsplit(django_settings.DATABASE_URL)
    database = urlunsplit(place._replace(path=f"/{connection.settings_dict['NAME']}"))
    code = (
        "import django; django.setup()\n"
        "from django.conf import settings\n"
        f"settings.STRIPE_API_BASE = {fake_stripe.url!r}\n"
        "from payments.services import payout_sending; payout_sending.sweep()"
    )
    environment = {**os.environ, "DATABASE_URL": database, "PYTHONWARNINGS": "default"}
    sender = subprocess.Popen([sys.executable, "-c", code], env=environment)

    def kill(request: str) -> None:
        if request == "POST /v1/transfers":
            sender.send_signal(signal.SIGKILL)
            sender.wait()

    fake_stripe.watch = kill
    assert sender.wait(timeout=60) == -signal.SIGKILL
    fake_stripe.watch = None
    assert Payout.objects.get(pk=payout.pk).state == "sending"
    settle(fake_stripe, payout, MINUTE)
    paid_once(fake_stripe, payout)
