"""Payments that take days at a bank, and fees that are late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core import clock
from payments.fakestripe import FakeStripe, checkout
from payments.models import StripeEvent, Topup
from payments.services import stripe_events, topups, wallets
from tests.factories import payments as money
from tests.factories import payouts as make

pytestmark = pytest.mark.django_db(transaction=True)


def started() -> Topup:
    return topups.start(
        organization_id=money.requester(),
        amount_micros=100 * make.DOLLAR,
        currency="USD",
        by=money.person(),
        key="k",
    )


def debited(fake: FakeStripe, topup: Topup) -> dict[str, Any]:
    """The page is completed with a bank debit; the payment at the bank, which takes days."""
    session = fake.store.get("checkout.session", topup.checkout_id or "")
    intent = checkout._intent(fake.store, session)
    intent["status"] = "processing"
    session.update(status="complete", payment_status="unpaid", url=None)
    fake.store.emit("checkout.session.completed", session)
    return intent


def hear(fake: FakeStripe) -> None:
    for notice in fake.notices.take():
        stripe_events.receive(payload=notice.body, signature=notice.signature)
    stripe_events.sweep()


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("end", ["requires_payment_method", "canceled"])
def test_a_payment_that_fails_days_later_is_failed(
    end: str, is_told: bool, fake_stripe: FakeStripe
) -> None:
    topup = started()
    intent = debited(fake_stripe, topup)
    hear(fake_stripe)
    for _ in range(3):
        make.later(days=1)
        topups.sweep()
        assert Topup.objects.get().state == "processing", "the bank has not said anything"
    intent["status"] = end
    if is_told:
        session = fake_stripe.store.get("checkout.session", topup.checkout_id or "")
        fake_stripe.store.emit("checkout.session.async_payment_failed", session)
        hear(fake_stripe)
    else:
        make.later(hours=1)
        topups.sweep()
    row = Topup.objects.get()
    assert (row.state, row.next_check_at) == ("failed", None)
    assert end in row.last_error
    assert wallets.balance(topup.organization_id) == 0
    assert not StripeEvent.objects.filter(state="received").exists()
    assert make.broken() == []


def test_a_payment_that_succeeds_days_later_is_credited(fake_stripe: FakeStripe) -> None:
    topup = started()
    intent = debited(fake_stripe, topup)
    hear(fake_stripe)
    make.later(days=3)
    charge = checkout._charge(fake_stripe.store, intent, wait=0)
    intent.update(status="succeeded", amount_received=intent["amount"], latest_charge=charge["id"])
    topups.sweep()
    assert Topup.objects.get().state == "paid"
    assert wallets.balance(topup.organization_id) == 100 * make.DOLLAR
    assert make.broken() == []


def test_a_fee_that_does_not_come_is_asked_for_ever_more_rarely(fake_stripe: FakeStripe) -> None:
    topup = started()
    assert topup.checkout_id is not None
    checkout.pay(fake_stripe.store, topup.checkout_id, "4000000000000077")
    charge = next(fake_stripe.store.all("charge"))
    line, charge["balance_transaction"] = charge["balance_transaction"], None
    topups.look(topup.pk)
    pauses = []
    for _ in range(14):
        row = Topup.objects.get()
        assert (row.state, row.fee_micros) == ("paid", None)
        assert row.next_check_at is not None
        wait = row.next_check_at - clock.now()
        pauses.append(round(wait / timedelta(minutes=1)))
        make.later(seconds=wait.total_seconds())
        assert topups.sweep() == 1
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-2:] == [720, 720]
    charge["balance_transaction"] = line
    make.later(hours=12)
    topups.sweep()
    row = Topup.objects.get()
    assert (row.fee_micros, row.next_check_at) == (3_200_000, None)
    assert make.broken() == []
