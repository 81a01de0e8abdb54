"""Workers, reviewers and senders at the same moment, on real PostgreSQL and over real HTTP."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from core import errors
from payments.fakestripe import FakeStripe
from payments.models import Payout, PayoutApproval, PayoutEvent, Topup
from payments.services import (
    ledger,
    payout_recovery,
    payout_review,
    payout_sending,
    payouts,
    topups,
)
from tests.factories import payments as money
from tests.factories import payouts as make

pytestmark = pytest.mark.django_db(transaction=True)


def together(*acts: Callable[[], Any]) -> list[Any]:
    """Run acts in threads that start at the same moment; what they raise are answers."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            start.wait()
            return act()
        except Exception as problem:  # noqa: BLE001
            return problem
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def state(payout: Payout) -> str:
    return Payout.objects.values_list("state", flat=True).get(pk=payout.pk)


def test_twenty_senders_make_one_transfer(fake_stripe: FakeStripe) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)

    def send_and_recover() -> None:
        # Both at once, past every lease: the keys and the states alone must hold.
        payout_sending.send(payout.pk)
        payout_recovery.resolve(payout.pk)

    answers = together(*[send_and_recover] * 20)
    assert [one for one in answers if one is not None] == []
    for _ in range(5):
        make.later(minutes=10)
        payout_recovery.sweep()
        payout_sending.sweep()
    assert state(payout) == "sent"
    assert make.transfers(fake_stripe) == [3000]
    assert make.broken() == []


def test_sweeps_side_by_side_send_each_payout_once(fake_stripe: FakeStripe) -> None:
    make.fund(fake_stripe, 1_000_000)
    made = [make.approved(fake_stripe) for _ in range(6)]
    fake_stripe.store.faults.order("drop_after", "POST /v1/transfers", times=2)
    fake_stripe.store.faults.order("500_after", "POST /v1/transfers", times=1)
    for _ in range(4):
        together(*[payout_sending.sweep, payout_recovery.sweep] * 3)
        make.later(minutes=10)
    assert {state(one) for one in made} == {"sent"}
    assert make.transfers(fake_stripe) == [3000] * 6
    assert make.broken() == []


def test_a_worker_asking_ten_times_at_once_has_one_payout() -> None:
    worker = make.earner(300 * make.DOLLAR).worker_id
    answers = together(
        *[lambda: payouts.request(worker_id=worker, by=worker, amount_micros=30 * make.DOLLAR)] * 10
    )
    assert Counter(type(one).__name__ for one in answers) == {"Payout": 1, "PayoutOpen": 9}
    assert money.balance(ledger.worker_in_flight(worker), "USD") == 30 * make.DOLLAR
    assert make.broken() == []


def reviewed(fake: FakeStripe, micros: int) -> Payout:
    worker = make.earner(micros).worker_id
    make.account(fake, worker)
    payout = payouts.request(worker_id=worker, by=worker)
    payout_review.look(payout.pk)
    return Payout.objects.get(pk=payout.pk)


def test_one_person_approving_twice_at_once_counts_once(fake_stripe: FakeStripe) -> None:
    payout = reviewed(fake_stripe, 300 * make.DOLLAR)
    person = make.reviewer()
    answers = together(
        *[lambda: payout_review.approve(payout_id=payout.pk, by=person, reason="x")] * 6
    )
    assert sum(isinstance(one, Payout) for one in answers) == 1
    assert state(payout) == "needs_review"
    assert PayoutApproval.objects.count() == 1


def test_four_people_approving_at_once_approve_once(fake_stripe: FakeStripe) -> None:
    payout = reviewed(fake_stripe, 300 * make.DOLLAR)
    people = [make.reviewer() for _ in range(4)]
    together(
        *[
            lambda who=who: payout_review.approve(payout_id=payout.pk, by=who, reason="x")
            for who in people
        ]
    )
    assert state(payout) == "approved"
    assert PayoutApproval.objects.count() == 2
    assert PayoutEvent.objects.filter(payout=payout, to_state="approved").count() == 1


@pytest.mark.parametrize("turn", range(4))
def test_cancel_reject_hold_and_send_at_once_end_in_one_place(
    turn: int, fake_stripe: FakeStripe
) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    person = make.reviewer()
    acts: list[Callable[[], Any]] = [
        lambda: payouts.cancel(
            payout_id=payout.pk, worker_id=payout.worker_id, by=payout.worker_id
        ),
        lambda: payout_review.hold(payout_id=payout.pk, by=person, reason="x"),
        lambda: payout_review.reject(payout_id=payout.pk, by=person, reason="x"),
        lambda: payout_sending.send(payout.pk),
    ]
    answers = together(*acts[turn:], *acts[:turn])
    assert all(one is None or isinstance(one, (Payout, errors.Problem)) for one in answers), answers
    end = state(payout)
    assert end in ("cancelled", "held", "rejected", "sent")
    assert len(make.transfers(fake_stripe)) == (1 if end == "sent" else 0)
    assert make.broken() == []


def test_a_notice_a_sweep_and_a_second_notice_credit_once(fake_stripe: FakeStripe) -> None:
    from payments.fakestripe import checkout

    organization = money.requester()
    topup = topups.start(
        organization_id=organization,
        amount_micros=100 * make.DOLLAR,
        currency="USD",
        by=money.person(),
        key="k",
    )
    assert topup.checkout_id is not None
    checkout.pay(fake_stripe.store, topup.checkout_id, "4000000000000077")
    answers = together(*[lambda: topups.look(topup.pk)] * 8)
    assert {one.state for one in answers} == {"paid"}
    assert money.balance(ledger.requester_balance(organization), "USD") == 100 * make.DOLLAR
    assert Topup.objects.get().fee_micros == 3_200_000
    assert make.broken() == []


def test_the_same_top_up_begun_ten_times_at_once_is_one_page(fake_stripe: FakeStripe) -> None:
    organization, person = money.requester(), money.person()
    answers = together(
        *[
            lambda: topups.start(
                organization_id=organization,
                amount_micros=100 * make.DOLLAR,
                currency="USD",
                by=person,
                key="k",
            )
        ]
        * 10
    )
    assert len({one.pk for one in answers}) == 1
    make.later(minutes=10)
    topups.sweep()
    assert sum(1 for _ in fake_stripe.store.all("checkout.session")) == 1
    assert Topup.objects.get().state == "open"
