"""Looking at one's payout account while Stripe hangs."""

from __future__ import annotations

import time

import pytest

from payments.fakestripe import FakeStripe
from payments.models import ConnectedAccount
from tests.factories import callers
from tests.factories import payouts as make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.slow
def test_while_stripe_hangs_one_look_a_minute_waits_and_not_for_long(
    fake_stripe: FakeStripe,
) -> None:
    worker = make.earner().worker_id
    account = make.account(fake_stripe, worker)
    caller = callers.of(worker, None, ["earnings"])
    asked: list[str] = []
    fake_stripe.watch = asked.append
    make.later(minutes=6)
    fake_stripe.store.faults.order("slow", "GET /v1/accounts", times=0, seconds=6.0)
    begun = time.monotonic()
    for _ in range(5):
        assert caller.get("/payout-account", expect=200).json()["is_ready"], "the kept copy"
    assert time.monotonic() - begun < 6, "not even one answer came in this time"
    assert len(asked) == 1

    make.later(minutes=1)
    fake_stripe.store.faults.orders.clear()
    caller.get("/payout-account", expect=200)
    assert len(asked) == 2, "a minute later it is asked again"
    row = ConnectedAccount.objects.get()
    assert row.checked_at is not None
    assert account.checked_at is not None
    assert row.checked_at > account.checked_at
    caller.get("/payout-account", expect=200)
    assert len(asked) == 2, "and what was just read is fresh"
