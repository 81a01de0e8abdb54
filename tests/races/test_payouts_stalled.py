"""A sender stalls, others go on without it, and what it then says of its own call changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from payments.fakestripe import FakeStripe
from payments.gateways import facts
from payments.gateways import stripe as gateway
from payments.models import Payout
from payments.services import payees, payout_recovery, payout_sending
from tests.factories import payouts as make

pytestmark = pytest.mark.django_db(transaction=True)

LATE = {
    "refused": facts.Refused("no such destination", code="resource_missing", is_stored=True),
    "restricted": facts.Restricted("not now", code="transfers_not_allowed", is_stored=True),
    "too little": facts.InsufficientBalance("", code="balance_insufficient", is_stored=True),
    "nothing": facts.NothingHappened("no connection", code="APIConnectionError"),
    "unclear": facts.Unclear("a time-out", code="APIConnectionError"),
    "unclear and stored": facts.Unclear("a 500", code="api_error", is_stored=True),
}


@pytest.mark.parametrize("said", LATE)
@pytest.mark.parametrize("has_begun", [True, False], ids=["another is at it", "another may begin"])
def test_a_sender_that_wakes_after_another_began_changes_nothing(
    said: str, has_begun: bool, fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    really = gateway.make_transfer

    def stall(**given: Any) -> facts.Transfer:
        """The call of epoch 1: while it hangs, recovery finds nothing at Stripe for a day."""
        monkeypatch.setattr(gateway, "make_transfer", really)
        make.later(hours=26)
        payout_recovery.resolve(payout.pk)
        row = Payout.objects.get(pk=payout.pk)
        assert (row.state, row.epoch) == ("approved", 2)
        if has_begun:
            monkeypatch.setattr(payout_sending, "call", lambda row: None)
            payout_sending.send(payout.pk)
            monkeypatch.undo()
            assert Payout.objects.get(pk=payout.pk).state == "sending"
        raise LATE[said]

    monkeypatch.setattr(gateway, "make_transfer", stall)
    payout_sending.send(payout.pk)
    row = Payout.objects.get(pk=payout.pk)
    assert (row.state, row.epoch) == ("sending" if has_begun else "approved", 2)
    assert make.transfers(fake_stripe) == []
    monkeypatch.undo()

    for _ in range(4):
        make.later(minutes=10)
        payout_recovery.sweep()
        payout_sending.sweep()
    assert Payout.objects.get(pk=payout.pk).state == "sent"
    assert make.transfers(fake_stripe) == [3000]
    assert make.broken() == []


def test_who_comes_to_a_row_that_was_sent_again_does_not_park_it(fake_stripe: FakeStripe) -> None:
    """Recovery read the row before its sender gave up and another one began."""
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    old = Payout.objects.get(pk=payout.pk)
    fake_stripe.store.faults.order("429", "POST /v1/transfers")
    payout_sending.send(payout.pk)
    assert Payout.objects.get(pk=payout.pk).attempts == old.attempts + 1
    old.refresh_from_db()
    call = payout_sending._begin(payout.pk, payees.of(payout.worker_id))
    assert call is not None
    payout_sending.lost(old, facts.Unclear("late", code="late"))
    assert Payout.objects.get(pk=payout.pk).state == "sending"
    payout_sending.call(call)
    assert Payout.objects.get(pk=payout.pk).state == "sent"
