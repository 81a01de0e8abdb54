"""A worker withdraws: the account, the request, the decision, the transfer, the bank."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest

from payments.fakestripe import FakeStripe, accounts
from payments.fakestripe import payouts as bank
from payments.models import ConnectedAccount, Payout
from payments.services import (
    ledger,
    payout_recovery,
    payout_review,
    payout_sending,
    payouts,
    stripe_events,
)
from tests.factories import callers
from tests.factories import payments as money
from tests.factories import payouts as make

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = ["earnings"]


@pytest.fixture
def paid() -> make.Paid:
    return make.earner(30_123_456)


@pytest.fixture
def worker(paid: make.Paid) -> callers.Caller:
    return callers.of(paid.worker_id, None, WORKER)


def set_up(worker: callers.Caller, bank_number: str = "000123456789") -> dict[str, Any]:
    made = worker.post("/payout-account", {"country": "US"}, expect=201).json()
    answer = httpx.post(made["url"], data={"bank": bank_number}, trust_env=False)
    assert answer.status_code == 303
    make.later(minutes=6)  # what was read last is no longer fresh
    return dict(made)


def hear(fake: FakeStripe) -> None:
    """Stripe's notices arrive and are worked off."""
    for notice in fake.notices.take():
        stripe_events.receive(payload=notice.body, signature=notice.signature)
    stripe_events.sweep()


def asked_for(fake: FakeStripe) -> Payout:
    """A payout that waits for two people."""
    worker = make.earner().worker_id
    make.account(fake, worker)
    payout = payouts.request(worker_id=worker, by=worker)
    payout_review.sweep()
    return Payout.objects.get(pk=payout.pk)


def state_of(payout: dict[str, Any], worker: callers.Caller) -> dict[str, Any]:
    return dict(worker.get(f"/payouts/{payout['id']}", expect=200).json())


def test_from_earned_to_the_bank(
    fake_stripe: FakeStripe, paid: make.Paid, worker: callers.Caller
) -> None:
    make.fund(fake_stripe)
    before = worker.get("/payout-account", expect=200).json()
    assert (before["is_ready"], before["blockers"][0]["code"]) == (False, "no_account")
    set_up(worker)
    after = worker.get("/payout-account", expect=200).json()
    assert (after["is_ready"], after["bank"]) == (True, "TEST BANK …6789")

    payout = worker.post("/payouts", {}, key="w1", expect=201).json()
    assert payout["amount"]["amount_micros"] == 30_120_000, "whole cents; the rest stays"
    assert worker.post("/payouts", {}, key="w1").json() == payout
    buckets = worker.get("/earnings", expect=200).json()["buckets"]
    assert (buckets["available"]["amount_micros"], buckets["in_flight"]["amount_micros"]) == (
        3_456,
        30_120_000,
    )

    payout_review.sweep()
    assert state_of(payout, worker)["state"] == "needs_review"
    assert payout_sending.sweep() == 0, "nobody has said yes"
    for reviewer in (make.reviewer(), make.reviewer()):
        payout_review.approve(payout_id=UUID(payout["id"]), by=reviewer, reason="checked")
    assert payout_sending.sweep() == 1
    shown = state_of(payout, worker)
    assert shown["state"] == "sent"
    assert make.transfers(fake_stripe) == [3012]

    account = ConnectedAccount.objects.get()
    assert account.stripe_id is not None
    bank.pay_out(fake_stripe.store, account.stripe_id)
    hear(fake_stripe)
    shown = state_of(payout, worker)
    assert [step["state"] for step in shown["history"]] == [
        "requested", "needs_review", "approved", "sending", "sent", "paid",
    ]  # fmt: skip
    assert shown["paid_at"] is not None
    assert make.broken() == []


def test_without_an_account_it_waits_and_goes_on_by_itself(
    fake_stripe: FakeStripe, worker: callers.Caller
) -> None:
    payout = worker.post("/payouts", {}, key="w1", expect=201).json()
    payout_review.sweep()
    shown = state_of(payout, worker)
    assert (shown["state"], shown["reason_code"]) == ("blocked", "no_account")
    assert shown["reason"] == "There is no payout account yet."
    set_up(worker)
    hear(fake_stripe)  # account.updated
    assert payout_review.sweep() == 1, "the notice made it due"
    assert state_of(payout, worker)["state"] == "needs_review"


def test_bounds(fake_stripe: FakeStripe, paid: make.Paid, worker: callers.Caller) -> None:
    poor = callers.of(make.earner(24_999_999).worker_id, None, WORKER)
    answer = poor.post("/payouts", {}, key="a")
    assert (answer.status_code, answer.json()["code"]) == (409, "below_minimum")
    assert answer.json()["minimum_micros"] == 25_000_000
    for micros in (0, -1, 25_000_001, True, "5", 10**17):
        assert (
            worker.post("/payouts", {"amount_micros": micros}, key=f"x{micros}").status_code == 400
        )
    answer = worker.post("/payouts", {"amount_micros": 31_000_000}, key="b")
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_funds")
    assert answer.json()["available_micros"] == 30_123_456
    assert worker.post("/payouts", {}).json()["code"] == "idempotency_key_required"
    assert Payout.objects.count() == 0


def test_one_at_a_time_and_back_again(fake_stripe: FakeStripe, worker: callers.Caller) -> None:
    first = worker.post("/payouts", {"amount_micros": 25_000_000}, key="1", expect=201).json()
    again = worker.post("/payouts", {}, key="2")
    assert (again.status_code, again.json()["code"]) in (
        (409, "below_minimum"),
        (409, "payout_open"),
    )
    for _ in range(2):
        gone = worker.post(f"/payouts/{first['id']}/cancel", expect=200).json()
        assert gone["state"] == "cancelled"
    buckets = worker.get("/earnings").json()["buckets"]
    assert buckets["available"]["amount_micros"] == 30_123_456
    assert worker.post("/payouts", {}, key="3", expect=201).json()["state"] == "requested"
    assert [one["state"] for one in worker.pages("/payouts")] == ["requested", "cancelled"]
    assert [one["id"] for one in worker.pages("/payouts?state=cancelled")] == [first["id"]]


def test_an_open_payout_stands_in_the_way_of_another(fake_stripe: FakeStripe) -> None:
    rich = make.earner(90_000_000)
    worker = callers.of(rich.worker_id, None, WORKER)
    worker.post("/payouts", {"amount_micros": 30_000_000}, key="1", expect=201)
    answer = worker.post("/payouts", {"amount_micros": 30_000_000}, key="2")
    assert (answer.status_code, answer.json()["code"]) == (409, "payout_open")
    assert money.balance(ledger.worker_available(rich.worker_id), "USD") == 60_000_000


def test_what_is_sent_cannot_be_taken_back(fake_stripe: FakeStripe) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    worker = callers.of(payout.worker_id, None, WORKER)
    payout_sending.sweep()
    answer = worker.post(f"/payouts/{payout.pk}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")


def test_others_payouts_and_earnings_look_absent(
    fake_stripe: FakeStripe, worker: callers.Caller
) -> None:
    payout = worker.post("/payouts", {}, key="w", expect=201).json()
    line = worker.get("/earnings").json()["data"][0]
    other = callers.person(WORKER)
    for method, path in (
        ("GET", f"/payouts/{payout['id']}"),
        ("POST", f"/payouts/{payout['id']}/cancel"),
        ("GET", f"/earnings/{line['id']}"),
    ):
        assert other.call(method, path).status_code == 404
    assert other.get("/payouts").json()["data"] == []
    assert callers.person(["work"]).get("/payouts").status_code == 403


def test_the_receipt_has_every_factor_and_the_booking(worker: callers.Caller) -> None:
    page = worker.get("/earnings?limit=1", expect=200).json()
    assert page["currency"] == "USD"
    line = page["data"][0]
    receipt = worker.get(f"/earnings/{line['id']}", expect=200).json()
    assert receipt["quote"]["guaranteed_micros"] == 30_123_456
    assert "90" in receipt["explanation"]
    legs = {
        leg["account"]: leg["amount"]["amount_micros"] for leg in receipt["transaction"]["legs"]
    }
    assert sum(legs.values()) == 0
    assert receipt["transaction"]["key"] == f"accept:{line['assignment']}"
    assert worker.get("/earnings?state=pending").json()["data"] == []
    assert worker.get("/earnings?currency=XTS").json()["data"] == []


def test_too_little_at_stripe_is_waited_for_and_never_fails(fake_stripe: FakeStripe) -> None:
    payout = make.approved(fake_stripe)
    for _ in range(3):
        payout_sending.sweep()
        row = Payout.objects.get(pk=payout.pk)
        assert row.state == "approved"
        make.later(hours=1)
    assert row.epoch == 4, "each stored refusal takes a key, after a look-up"
    make.fund(fake_stripe)
    payout_sending.sweep()
    assert Payout.objects.get(pk=payout.pk).state == "sent"
    assert make.transfers(fake_stripe) == [3000]


def test_an_account_that_is_restricted_before_the_call_blocks(fake_stripe: FakeStripe) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    account = ConnectedAccount.objects.get()
    assert account.stripe_id is not None
    accounts.restrict(fake_stripe.store, account.stripe_id)
    payout_sending.sweep()
    row = Payout.objects.get(pk=payout.pk)
    assert (row.state, row.review_round) == ("blocked", 2)
    assert make.transfers(fake_stripe) == []
    accounts.onboard(fake_stripe.store, account.stripe_id)
    hear(fake_stripe)
    payout_review.sweep()
    assert Payout.objects.get(pk=payout.pk).state == "needs_review", "earlier approvals are void"


def test_a_restriction_that_only_the_call_meets_blocks_too(fake_stripe: FakeStripe) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    fake_stripe.store.faults.order("account_restricted", "POST /v1/transfers")
    payout_sending.sweep()
    row = Payout.objects.get(pk=payout.pk)
    assert (row.state, row.epoch, row.reason_code) == ("blocked", 2, "restricted")


def test_a_bank_account_changed_after_the_approval_is_looked_at(fake_stripe: FakeStripe) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    account = ConnectedAccount.objects.get()
    assert account.stripe_id is not None
    make.later(minutes=1)
    accounts.onboard(fake_stripe.store, account.stripe_id, "000999999999")
    payout_sending.sweep()
    row = Payout.objects.get(pk=payout.pk)
    assert (row.state, row.severity, row.review_round) == ("needs_review", 3, 2)
    assert "bank_changed" in [hit["rule"] for hit in row.risk]
    assert make.transfers(fake_stripe) == []
    for _ in range(2):
        payout_review.approve(payout_id=payout.pk, by=make.reviewer(), reason="asked the worker")
    payout_sending.sweep()
    assert make.transfers(fake_stripe) == [3000], "a new look is had once for a change"


@pytest.mark.parametrize("is_looked_at", [True, False])
def test_a_bank_account_changed_before_the_approval_is_looked_at(
    is_looked_at: bool, fake_stripe: FakeStripe
) -> None:
    make.fund(fake_stripe)
    payout = asked_for(fake_stripe)
    account = ConnectedAccount.objects.get()
    assert account.stripe_id is not None
    first, second = make.reviewer(), make.reviewer()
    payout_review.approve(payout_id=payout.pk, by=first, reason="the old bank")
    accounts.onboard(fake_stripe.store, account.stripe_id, "000999999999")
    hear(fake_stripe)
    if is_looked_at:
        assert payout_review.sweep() == 1, "the change made it due"
        row = Payout.objects.get(pk=payout.pk)
        assert (row.state, row.review_round, row.next_attempt_at) == ("needs_review", 2, None)
        assert "bank_changed" in [hit["rule"] for hit in row.risk]
        payout_review.approve(payout_id=payout.pk, by=first, reason="the new bank")
        payout_review.approve(payout_id=payout.pk, by=second, reason="the new bank")
    else:
        make.later(minutes=1)
        payout_review.approve(payout_id=payout.pk, by=second, reason="on what was known")
        payout_sending.sweep()
        row = Payout.objects.get(pk=payout.pk)
        assert (row.state, row.review_round) == ("needs_review", 2)
        assert "bank_changed" in [hit["rule"] for hit in row.risk]
        assert make.transfers(fake_stripe) == []
        payout_review.approve(payout_id=payout.pk, by=first, reason="the new bank")
        payout_review.approve(payout_id=payout.pk, by=second, reason="the new bank")
    payout_sending.sweep()
    assert make.transfers(fake_stripe) == [3000]
    assert make.broken() == []


def test_a_refusal_for_good_gives_the_money_back(fake_stripe: FakeStripe) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    account = ConnectedAccount.objects.get()
    assert account.stripe_id is not None
    fake_stripe.watch = lambda request: (
        fake_stripe.store.objects.pop(account.stripe_id, None)
        if request == "POST /v1/transfers"
        else None
    )
    payout_sending.sweep()
    row = Payout.objects.get(pk=payout.pk)
    assert (row.state, row.reason_code) == ("failed", "resource_missing")
    assert money.balance(ledger.worker_available(row.worker_id), "USD") == 30_000_000
    assert make.broken() == []


def test_a_bank_that_sends_it_back_is_shown_and_mended(fake_stripe: FakeStripe) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    payout_sending.sweep()
    account = ConnectedAccount.objects.get()
    assert account.stripe_id is not None
    fake_stripe.store.faults.order("payout_failed")
    bank.pay_out(fake_stripe.store, account.stripe_id)
    hear(fake_stripe)
    row = Payout.objects.get(pk=payout.pk)
    assert row.state == "bank_failed"
    bank.pay_out(fake_stripe.store, account.stripe_id)
    hear(fake_stripe)
    assert Payout.objects.get(pk=payout.pk).state == "paid"


def test_all_orders_of_four_events_come_to_the_same(fake_stripe: FakeStripe) -> None:
    from itertools import permutations

    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    payout_sending.sweep()
    account = ConnectedAccount.objects.get()
    assert account.stripe_id is not None
    fake_stripe.notices.take()
    fake_stripe.store.faults.order("payout_failed")
    bank.pay_out(fake_stripe.store, account.stripe_id)
    bank.pay_out(fake_stripe.store, account.stripe_id)
    kinds = ("payout.failed", "payout.paid", "account.updated", "transfer.created")
    accounts.onboard(fake_stripe.store, account.stripe_id)
    found = {json.loads(one.body)["type"]: one for one in fake_stripe.notices.take()}
    notices = [found[kind] for kind in kinds if kind in found]
    for order in permutations(notices):
        for notice in (*order, *order):
            stripe_events.receive(payload=notice.body, signature=notice.signature)
        stripe_events.sweep()
        assert Payout.objects.get(pk=payout.pk).state == "paid"


def test_a_link_is_good_once_and_a_country_stays(
    fake_stripe: FakeStripe, worker: callers.Caller
) -> None:
    made = set_up(worker)
    assert httpx.post(made["url"], trust_env=False).status_code == 410
    another = worker.post("/payout-account", {"country": "US"}, expect=201).json()
    assert urlsplit(another["url"]).path != urlsplit(made["url"]).path
    assert ConnectedAccount.objects.count() == 1
    answer = worker.post("/payout-account", {"country": "DE"})
    assert (answer.status_code, answer.json()["code"]) == (409, "country_fixed")
    other = callers.person(WORKER)
    answer = other.post("/payout-account", {"country": "KP"})
    assert (answer.status_code, answer.json()["code"]) == (422, "country_not_supported")
    assert other.post("/payout-account", {"country": "DE"}, expect=201).json()["country"] == "DE"
    assert other.post("/payout-account", {"country": "de"}).status_code == 400


def test_stripe_away_is_told_and_nothing_is_doubled(
    fake_stripe: FakeStripe, worker: callers.Caller
) -> None:
    fake_stripe.store.faults.order("drop_after", "POST /v1/accounts", times=0)
    first = worker.post("/payout-account", {"country": "US"}, key="a")
    assert first.status_code in (201, 503)
    fake_stripe.store.faults.orders.clear()
    worker.post("/payout-account", {"country": "US"}, key="a", expect=201)
    assert sum(1 for _ in fake_stripe.store.all("account")) == 1


def test_a_recheck_asks_stripe_now(fake_stripe: FakeStripe) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    fake_stripe.store.faults.order("drop_after", "POST /v1/transfers")
    payout_sending.sweep()
    assert Payout.objects.get(pk=payout.pk).state == "unknown"
    reviewer = make.reviewer()
    found = payout_recovery.recheck(payout_id=payout.pk, by=reviewer, reason="worker asks")
    assert found.state == "sent"
    with pytest.raises(payout_review.MayNotReview):
        payout_recovery.recheck(payout_id=payout.pk, by=payout.worker_id, reason="me")
