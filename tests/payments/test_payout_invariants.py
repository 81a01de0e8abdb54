"""Every invariant of money in and out finds what it is there to find."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from core import audit
from core.ids import new_id
from payments.fakestripe import FakeStripe, checkout
from payments.services import payout_review, payout_sending, payouts, topups
from tests.factories import payments as money
from tests.factories import payouts as make

pytestmark = pytest.mark.django_db(transaction=True)

OURS = ["S1", "S2", "S3", "S4", "S5", "S6"]
#: One way, or more, to break each, with the guards taken away.
BREAKS = {
    "S1": [
        "UPDATE payments_payout SET transfer_id = 'tr_other' WHERE state = 'sent'",
        "UPDATE payments_payout SET amount_micros = amount_micros + 10000 WHERE state = 'sent'",
        "UPDATE payments_ledgertransaction SET idem_key = 'transfer:x' WHERE kind = 'transfer'",
        "DELETE FROM payments_payout WHERE state = 'sent'",
    ],
    "S2": [
        "UPDATE payments_payout SET state = 'requested', closed_at = NULL WHERE state = 'cancelled'",
        "UPDATE payments_payout SET state = 'failed' WHERE state = 'needs_review'",
        "UPDATE payments_ledgertransaction SET idem_key = 'x' WHERE kind = 'payout_undo'",
        "UPDATE payments_ledgertransaction SET idem_key = 'x' || idem_key WHERE kind = 'payout'",
    ],
    "S3": [
        "DELETE FROM payments_payoutapproval",
        (
            "UPDATE payments_payoutapproval SET by_id = (SELECT worker_id FROM payments_payout p"
            " WHERE p.id = payout_id) WHERE id = (SELECT min(id) FROM payments_payoutapproval)"
        ),
        "UPDATE payments_payout SET review_round = 2 WHERE state = 'sent'",
        "UPDATE payments_payout SET state = 'approved' WHERE state = 'needs_review'",
    ],
    "S4": [
        "UPDATE payments_payout SET state = 'paid' WHERE state = 'sent'",
        "DELETE FROM payments_payoutevent WHERE kind = 'sending'",
        "DELETE FROM payments_payoutevent",
        "UPDATE payments_payoutevent SET to_state = 'held' WHERE kind = 'sent'",
    ],
    "S5": [
        "UPDATE payments_topup SET state = 'open', paid_at = NULL WHERE currency = 'USD'",
        "UPDATE payments_topup SET amount_micros = amount_micros * 2",
        "UPDATE payments_topup SET payment_id = 'pi_other' WHERE currency = 'USD'",
        "UPDATE payments_topup SET state = 'open' WHERE currency = 'XTS'",
    ],
    "S6": [
        (
            "UPDATE payments_payout SET worker_id = (SELECT worker_id FROM payments_payout"
            " WHERE state = 'needs_review') WHERE state = 'blocked'"
        ),
    ],
}


@pytest.fixture
def books(fake_stripe: FakeStripe) -> None:
    """Payouts that left, wait, are blocked and were taken back; top-ups of both currencies."""
    make.fund(fake_stripe)
    make.approved(fake_stripe)
    payout_sending.sweep()
    waiting, blocked, back = (make.earner().worker_id for _ in range(3))
    make.account(fake_stripe, waiting)
    for worker in (waiting, blocked):
        payouts.request(worker_id=worker, by=worker)
    payout_review.sweep()
    row = payouts.request(worker_id=back, by=back)
    payouts.cancel(payout_id=row.pk, worker_id=back, by=back)
    for currency in ("USD", "XTS"):
        topup = topups.start(
            organization_id=money.requester(),
            amount_micros=100 * make.DOLLAR,
            currency=currency,
            by=money.person(),
            key=str(new_id()),
        )
        if topup.checkout_id is not None:
            checkout.pay(fake_stripe.store, topup.checkout_id, "4000000000000077")
            topups.look(topup.pk)


def test_good_rows_are_clean(books: None) -> None:
    assert {one: audit.check(one).sample for one in OURS if audit.check(one).rows} == {}


def test_every_break_is_found(books: None) -> None:
    assert set(BREAKS) == set(OURS)
    missed = []
    for one, statements in BREAKS.items():
        for statement in statements:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL session_replication_role = replica")
                    if one == "S6":
                        cursor.execute("DROP INDEX payout_one_open")
                    for name in ("payout_moved_facts", "payout_closed_facts", "payout_approved_facts",
                                 "payout_sending_facts", "payout_reason"):  # fmt: skip
                        cursor.execute(f"ALTER TABLE payments_payout DROP CONSTRAINT {name}")
                    for name in ("topup_paid_facts", "topup_checkout_facts", "topup_payment_facts"):
                        cursor.execute(f"ALTER TABLE payments_topup DROP CONSTRAINT {name}")
                    cursor.execute(statement)
                    assert cursor.rowcount > 0, statement
                if audit.check(one).ok:
                    missed.append((one, statement))
                transaction.set_rollback(True)
    assert missed == []


def test_the_audit_exits_with_an_error_when_the_books_do_not_hold() -> None:
    # Only what every plane takes for granted: the audit asks them all.
    organization = money.requester(credit_micros=10 * make.DOLLAR, currency="USD")
    said = io.StringIO()
    call_command("audit", stdout=said)
    assert "invariants hold." in said.getvalue()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE payments_ledgerbalance b SET amount_micros = amount_micros + 1"
            " FROM payments_ledgeraccount a WHERE a.id = b.account_id AND a.code = %s",
            [f"requester:{organization}:balance"],
        )
        assert cursor.rowcount == 1
    with pytest.raises(CommandError, match=r"Broken: P4$") as refused:
        call_command("audit", stdout=io.StringIO())
    assert refused.value.returncode != 0
    found = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("audit", "--json", stdout=found)
    assert end.value.code == 1
    assert [one["id"] for one in json.loads(found.getvalue()) if not one["ok"]] == ["P4"]
