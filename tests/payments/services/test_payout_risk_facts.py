"""What the rules are told of a payout: all that it may pay, however small the one before it was."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from core.models import Membership, Organization
from payments.models import Payout
from payments.services import payout_risk, payouts
from tests.factories import payments as money
from tests.factories import payouts as make

pytestmark = pytest.mark.django_db(transaction=True)


def asked(worker: UUID, dollars: int) -> Payout:
    return payouts.request(worker_id=worker, by=worker, amount_micros=dollars * make.DOLLAR)


def paid_out(payout: Payout) -> None:
    """The payout reached the bank."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE payments_payout SET state = 'paid', transfer_id = %s, destination = 'acct',"
            " approved_at = now(), key_used_at = now(), sent_at = now(), closed_at = now()"
            " WHERE id = %s",
            [f"tr_{payout.pk}", payout.pk],
        )


def rules(payout: Payout) -> set[str]:
    return {hit.rule for hit in payout_risk.assess(payout, None)}


def test_a_small_payout_first_does_not_silence_the_rules() -> None:
    worker = make.earner(200 * make.DOLLAR, risk_notes=("worker suspended",)).worker_id
    first = asked(worker, 25)
    grave = {"one_young_requester", "work_note"}
    assert rules(first) >= grave
    paid_out(first)
    make.later(days=1)
    second = asked(worker, 175)
    assert rules(second) >= grave
    facts = payout_risk.facts_of(second, None)
    assert [one.micros for one in facts.sources] == [175 * make.DOLLAR]


def test_what_waits_for_long_is_still_looked_at() -> None:
    worker = make.earner(200 * make.DOLLAR, risk_notes=("worker suspended",)).worker_id
    paid_out(asked(worker, 25))
    make.later(days=200)
    assert "work_note" in rules(asked(worker, 175))


def test_what_was_paid_lately_counts_for_its_notes_and_later_no_more() -> None:
    made = make.earner(30 * make.DOLLAR, risk_notes=("worker suspended",))
    user: Any = {"user_id": made.worker_id, "organization_id": made.organization_id}
    Membership.objects.create(role="viewer", created_at="2020-01-01T00:00Z", **user)
    paid_out(asked(made.worker_id, 30))
    good = money.requester()
    Organization.objects.filter(pk=good).update(created_at="2020-01-01T00:00Z")
    make.earner(30 * make.DOLLAR, organization_id=good, worker_id=made.worker_id)
    payout = asked(made.worker_id, 30)
    assert rules(payout) >= {"own_requester", "work_note"}
    assert "one_young_requester" not in rules(payout), "that pay is gone"
    payouts.cancel(payout_id=payout.pk, worker_id=made.worker_id, by=made.worker_id)
    make.later(days=91)
    assert not rules(asked(made.worker_id, 30)) & {"own_requester", "work_note"}
