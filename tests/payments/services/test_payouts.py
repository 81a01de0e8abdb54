"""What the payout services decide, and what the database refuses whatever a service says."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import Error, connection, transaction

from core import errors, states
from core.ids import new_id
from core.models import Organization
from payments.fakestripe import FakeStripe, accounts, balances
from payments.management.commands.reconcile import Command as ReconcileCommand
from payments.migrations import __name__ as _migrations
from payments.models import Payout, PayoutEvent, StripeEvent, Topup
from payments.services import (
    ledger,
    payees,
    payout_review,
    payout_sending,
    payouts,
    reconcile,
    stripe_events,
)
from tests.factories import payments as money
from tests.factories import payouts as make

pytestmark = pytest.mark.django_db(transaction=True)


def plain(fake: FakeStripe, micros: int = 30 * make.DOLLAR) -> Payout:
    """A payout of a worker about whom no rule speaks, not yet looked at."""
    old = money.requester()
    Organization.objects.filter(pk=old).update(created_at="2020-01-01T00:00Z")
    worker = money.person()
    earlier(worker)
    make.earner(micros, organization_id=old, worker_id=worker)
    make.account(fake, worker, bank=f"9{worker.int % 10**11:011d}")
    return payouts.request(worker_id=worker, by=worker)


def earlier(worker: Any) -> None:
    """A payout of a year ago, and a person who has been here as long."""
    make.earner(30 * make.DOLLAR, worker_id=worker)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_user SET created_at = '2020-01-01' WHERE id = %s", [worker])
    row = payouts.request(worker_id=worker, by=worker, amount_micros=30 * make.DOLLAR)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE payments_payout SET state = 'paid', transfer_id = %s, destination = 'acct',"
            " approved_at = now(), key_used_at = now(), sent_at = now(), closed_at = now()"
            " WHERE id = %s",
            [f"tr_{row.pk}", row.pk],
        )


def test_automatic_approval_is_off_by_default_and_bounded(
    fake_stripe: FakeStripe, settings: Any
) -> None:
    first = payout_review.look(plain(fake_stripe).pk)
    assert (first.state, first.severity) == ("needs_review", Payout.Severity.NOTE)
    assert first.risk[0]["says"] == ("No rule speaks against it; automatic approval is off.")
    settings.PAYOUT_AUTO_LIMIT_MICROS = 30 * make.DOLLAR
    second = payout_review.look(plain(fake_stripe).pk)
    assert (second.state, second.approvals_needed) == ("approved", 0)
    event = PayoutEvent.objects.get(payout=second, to_state="approved")
    assert (event.by_id, event.reason) == (None, "within the automatic limit")
    third = payout_review.look(plain(fake_stripe, 31 * make.DOLLAR).pk)
    assert third.state == "needs_review"
    assert "above the automatic limit of $30.00" in third.risk[0]["says"]


def test_a_stop_asks_for_two_people(fake_stripe: FakeStripe) -> None:
    worker = make.earner().worker_id  # all from a requester of today
    make.account(fake_stripe, worker)
    payout = payout_review.look(payouts.request(worker_id=worker, by=worker).pk)
    assert (payout.severity, payout.approvals_needed) == (Payout.Severity.STOP, 2)
    assert not payout_review.is_for_bulk(payout)
    with pytest.raises(payout_review.NotForBulk):
        payout_review.approve_together(payout_ids=[payout.pk], by=make.reviewer(), reason="x")


def test_together_is_all_or_none(fake_stripe: FakeStripe) -> None:
    good = payout_review.look(plain(fake_stripe).pk)
    worker = make.earner().worker_id
    make.account(fake_stripe, worker)
    bad = payout_review.look(payouts.request(worker_id=worker, by=worker).pk)
    person = make.reviewer()
    with pytest.raises(payout_review.NotForBulk):
        payout_review.approve_together(payout_ids=[good.pk, bad.pk], by=person, reason="x")
    assert Payout.objects.get(pk=good.pk).state == "needs_review"
    (done,) = payout_review.approve_together(payout_ids=[good.pk], by=person, reason="x")
    assert done.state == "approved"


def test_what_one_approved_on_is_not_made_easier(fake_stripe: FakeStripe) -> None:
    worker = make.earner().worker_id
    make.account(fake_stripe, worker)
    payout = payout_review.look(payouts.request(worker_id=worker, by=worker).pk)
    payout_review.approve(payout_id=payout.pk, by=make.reviewer(), reason="x")
    Organization.objects.update(created_at="2020-01-01T00:00Z")
    again = payout_review.look(payout.pk)
    assert (again.severity, again.approvals_needed) == (Payout.Severity.NOTE, 2)


def test_a_released_payout_needs_new_approvals(fake_stripe: FakeStripe) -> None:
    payout = payout_review.look(plain(fake_stripe).pk)
    person = make.reviewer()
    payout_review.approve(payout_id=payout.pk, by=person, reason="x")
    payout_review.hold(payout_id=payout.pk, by=person, reason="wait")
    payout_review.release(payout_id=payout.pk, by=person, reason="go")
    row = payout_review.look(payout.pk)
    assert (row.state, row.review_round) == ("needs_review", 2)
    done = payout_review.approve(payout_id=payout.pk, by=person, reason="again")
    assert done.state == "approved"


def test_outsiders_and_owners_decide_nothing(fake_stripe: FakeStripe) -> None:
    payout = payout_review.look(plain(fake_stripe).pk)
    for act in (
        payout_review.approve, payout_review.reject, payout_review.hold, payout_review.release,
    ):  # fmt: skip
        with pytest.raises(payout_review.MayNotReview):
            act(payout_id=payout.pk, by=payout.worker_id, reason="x")
        with pytest.raises(errors.Invalid):
            act(payout_id=payout.pk, by=make.reviewer(), reason=" ")
        with pytest.raises(errors.NotFound):
            act(payout_id=new_id(), by=make.reviewer(), reason="x")
    with pytest.raises(states.IllegalTransition):
        payout_review.release(payout_id=payout.pk, by=make.reviewer(), reason="x")


def refused(sql: str, *values: Any) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, values)
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except Error:
        return True
    return False


def test_the_database_refuses_what_no_service_does(fake_stripe: FakeStripe) -> None:
    make.fund(fake_stripe)
    payout = payout_review.look(plain(fake_stripe).pk)
    update = "UPDATE payments_payout SET {} WHERE id = %s"
    for change in (
        "state = 'sent', transfer_id = 'tr', sent_at = now(), closed_at = now()",
        "state = 'approved', approved_at = now()",
        "state = 'paid'",
        "amount_micros = amount_micros * 2",
        "amount_micros = 1",
        "worker_id = gen_random_uuid()",
        "currency = 'XTS'",
        "state = 'rejected', closed_at = now()",
        "state = 'lost'",
    ):
        assert refused(update.format(change), payout.pk), change
    own = "INSERT INTO payments_payoutapproval (payout_id, round, by_id, reason, created_at)"
    assert refused(f"{own} SELECT id, 1, worker_id, 'mine', now() FROM payments_payout")
    assert refused("DELETE FROM payments_payout WHERE id = %s", payout.pk)
    assert refused("UPDATE payments_payoutevent SET reason = 'other'")
    assert refused("DELETE FROM payments_payoutevent")
    assert refused("TRUNCATE payments_payoutevent CASCADE")
    payout_review.approve(payout_id=payout.pk, by=make.reviewer(), reason="x")
    payout_sending.sweep()
    for change in ("transfer_id = 'tr_other'", "epoch = 0", "state = 'approved'"):
        assert refused(update.format(change), payout.pk), change
    assert not refused(update.format("last_error = 'x'"), payout.pk)


def test_the_code_and_the_database_have_one_table_of_transitions() -> None:
    import importlib

    rules = importlib.import_module(f"{_migrations}.0004_payout_rules")
    assert rules.PAYOUT_TRANSITIONS == Payout.TRANSITIONS
    assert rules.TOPUP_TRANSITIONS == Topup.TRANSITIONS
    assert rules.EVENT_TRANSITIONS == StripeEvent.TRANSITIONS
    assert set(Payout.TRANSITIONS) == set(Payout.State.values)


def test_blockers_say_what_to_do_first(fake_stripe: FakeStripe) -> None:
    from payments.fakestripe import accounts

    assert [one.code for one in payees.blockers(None)] == ["no_account"]
    worker = money.person()
    made = payees.set_up(user_id=worker, country="US").account
    assert [one.code for one in payees.blockers(made)] == ["setup_incomplete"]
    assert made.stripe_id is not None
    accounts.onboard(fake_stripe.store, made.stripe_id)
    assert payees.blockers(payees.refresh(made)) == []
    accounts.restrict(fake_stripe.store, made.stripe_id)
    assert [one.code for one in payees.blockers(payees.refresh(made))] == [
        "transfers_inactive", "past_due",
    ]  # fmt: skip


def test_every_kind_of_break_is_found_and_named(
    fake_stripe: FakeStripe, capsys: pytest.CaptureFixture[str]
) -> None:
    make.fund(fake_stripe)
    payout = make.approved(fake_stripe)
    payout_sending.sweep()
    # The factories put money into the books that Stripe never saw, and the other way round.
    found = reconcile.run()
    assert {one.kind for one in found.breaks} == {"missing_here", "missing_there"}
    row = Payout.objects.get(pk=payout.pk)
    assert f"transfer:{row.transfer_id}" not in {one.key for one in found.breaks}
    line = next(
        one for one in fake_stripe.store.all("balance_transaction") if one["type"] == "transfer"
    )
    line["amount"] -= 100
    assert [
        (one.key, one.there_micros, one.here_micros)
        for one in reconcile.run().breaks
        if one.kind == "amount_differs"
    ] == [(f"transfer:{row.transfer_id}", -31_000_000, -30_000_000)]
    balances.book(
        fake_stripe.store, owner="", type="charge", source="ch_new", amount=5, currency="usd", fee=1
    )
    keys = {one.key for one in reconcile.run().breaks}
    assert "charge:ch_new" in keys
    from django.core.management import CommandError, call_command

    with pytest.raises(CommandError, match="not explained"):
        call_command(ReconcileCommand())
    assert "missing_here" in capsys.readouterr().out
    with pytest.raises(CommandError):
        call_command(ReconcileCommand(), json=True)


def event(kind: str, object_id: str, account: str = "") -> StripeEvent:
    from core import clock

    now = clock.now()
    return StripeEvent.objects.create(
        event_id=f"evt_{new_id()}",
        type=kind,
        object_id=object_id,
        account=account,
        livemode=False,
        payload="{}",
        created_at=now,
        received_at=now,
        next_attempt_at=now,
    )


def test_notices_of_nothing_of_ours_are_ignored_and_failures_are_tried_again(
    fake_stripe: FakeStripe,
) -> None:
    strange = event("invoice.paid", "in_1")
    other = event("account.updated", "acct_other", "acct_other")
    gone = event("checkout.session.completed", "cs_none")
    stripe_events.sweep()
    found = dict(StripeEvent.objects.values_list("pk", "state"))
    assert (found[strange.pk], found[other.pk], found[gone.pk]) == ("ignored", "ignored", "failed")

    worker = money.person()
    made = payees.set_up(user_id=worker, country="US").account
    ours = event("account.updated", made.stripe_id or "")
    fake_stripe.store.faults.order("500_before", "GET /v1/accounts", times=0)
    for _ in range(stripe_events.TRIES):
        assert StripeEvent.objects.get(pk=ours.pk).state == "received"
        make.later(hours=2)
        assert stripe_events.sweep() == 1
    assert StripeEvent.objects.get(pk=ours.pk).state == "failed"
    fake_stripe.store.faults.orders.clear()
    stripe_events.try_again(event_id=ours.pk)
    stripe_events.sweep()
    assert StripeEvent.objects.get(pk=ours.pk).state == "done"
    assert money.balance(ledger.worker_available(worker), "USD") == 0


def test_what_waits_too_long_can_be_seen(fake_stripe: FakeStripe) -> None:
    from core import sweeps
    from payments import selectors

    assert selectors.oldest_payout("requested", "blocked") is None
    worker = make.earner().worker_id
    payouts.request(worker_id=worker, by=worker)
    event("invoice.paid", "in_1")
    make.later(minutes=10)
    ages = [
        selectors.oldest_payout("requested", "blocked"),
        selectors.oldest_stripe_event(),
        selectors.oldest_topup(),
    ]
    assert [age is not None and 600 <= age < 660 for age in ages] == [True, True, False]
    ours = [one for name, one in sweeps.registry().items() if name.startswith("payments.")]
    assert len(ours) == 6
    for one in ours:
        assert one.oldest_due is not None
        one.oldest_due()
        assert one.run() >= 0


def test_a_bank_account_changed_during_the_assessment_is_looked_at_again(
    fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    payout = plain(fake_stripe)
    account = payees.of(payout.worker_id)
    assert account is not None
    assert account.stripe_id is not None
    stripe_id, really = account.stripe_id, payees.current

    def outrun(user_id: UUID) -> Any:
        """The account is read; before anything is made of it, it is another one."""
        found = really(user_id)
        accounts.onboard(fake_stripe.store, stripe_id, "000999999999")
        payees.refresh_by_id(stripe_id)
        return found

    monkeypatch.setattr(payees, "current", outrun)
    row = payout_review.look(payout.pk)
    assert row.state == "needs_review"
    assert [hit["rule"] for hit in row.risk] == ["bank_changed"]


@pytest.mark.parametrize("state", ["requested", "needs_review", "approved"])
def test_what_is_found_with_another_bank_account_counts_no_more(
    state: str, fake_stripe: FakeStripe
) -> None:
    """Whatever the two clocks say: the later commit may have begun first."""
    payout = plain(fake_stripe)
    if state != "requested":
        payout_review.look(payout.pk)
    if state == "approved":
        payout_review.approve(payout_id=payout.pk, by=make.reviewer(), reason="the old bank")
    account = payees.of(payout.worker_id)
    assert account is not None
    assert account.stripe_id is not None
    accounts.onboard(fake_stripe.store, account.stripe_id, "000999999999")
    payees.refresh(account)
    row = Payout.objects.get(pk=payout.pk)
    assert (row.state, row.checked_at) == (state, None)
    assert row.next_attempt_at is not None
