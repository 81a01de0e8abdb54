"""While Stripe is slow, batches end in time, and nothing is counted that was not tried."""

from __future__ import annotations

import time
from typing import Any

import pytest

from core import clock
from core.ids import new_id
from payments.fakestripe import FakeStripe
from payments.gateways import facts
from payments.gateways import stripe as gateway
from payments.models import Payout, StripeEvent
from payments.services import batches, payout_sending, stripe_events
from tests.factories import payouts as make

pytestmark = pytest.mark.django_db(transaction=True)


def notices(count: int) -> None:
    now = clock.now()
    StripeEvent.objects.bulk_create(
        StripeEvent(
            event_id=f"evt_{new_id()}",
            type="checkout.session.completed",
            object_id="cs_test_1",
            livemode=False,
            payload="{}",
            created_at=now,
            received_at=now,
            next_attempt_at=now,
        )
        for _ in range(count)
    )


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every call takes ten seconds of the batches' clock, and brings nothing."""
    asked: list[str] = []
    start = time.monotonic()

    def hang(*args: Any, **_given: Any) -> Any:
        asked.append(str(args))
        raise facts.Unclear("a time-out", code="APIConnectionError")

    class Watch:
        @staticmethod
        def monotonic() -> float:
            return start + 10.0 * len(asked)

    for name in ("get_checkout", "get_account"):
        monkeypatch.setattr(gateway, name, hang)
    monkeypatch.setattr(batches, "time", Watch)
    return asked


def test_a_notice_that_was_not_reached_has_no_try_less(slow: list[str]) -> None:
    notices(5)
    assert stripe_events.sweep() == 2
    assert sorted(StripeEvent.objects.values_list("attempts", flat=True)) == [0, 0, 0, 1, 1]
    tried = 2
    while StripeEvent.objects.filter(state="received").exists():
        make.later(hours=2)
        tried += stripe_events.sweep()
        assert tried <= 5 * stripe_events.TRIES
    assert set(StripeEvent.objects.values_list("state", "attempts")) == {("failed", 12)}
    assert tried == len(slow) == 5 * stripe_events.TRIES


def test_a_batch_of_payouts_ends_in_time(
    fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    make.fund(fake_stripe, 1_000_000)
    for _ in range(4):
        make.approved(fake_stripe)
    slow = request.getfixturevalue("slow")
    assert payout_sending.sweep() == 2
    assert len(slow) == 2
    assert payout_sending.sweep() == 0, "the others keep their lease"
    monkeypatch.undo()
    make.later(minutes=2)
    payout_sending.sweep()
    assert set(Payout.objects.values_list("state", flat=True)) == {"sent"}


def test_a_read_is_asked_for_once_and_a_page_twice_at_most(fake_stripe: FakeStripe) -> None:
    seen: list[str] = []
    fake_stripe.watch = seen.append
    fake_stripe.store.faults.order("drop_before", "", times=0)
    with pytest.raises(facts.Unclear):
        gateway.get_checkout("cs_test_1")
    assert seen == ["GET /v1/checkout/sessions/cs_test_1"]
    seen.clear()
    with pytest.raises(facts.Unclear):
        gateway.make_account(key="k", country="US", email="a@example.org", reference="r")
    assert seen == ["POST /v1/accounts"] * 2
    assert gateway.CONNECT_SECONDS + gateway.ANSWER_SECONDS <= 20, "as the module says"
