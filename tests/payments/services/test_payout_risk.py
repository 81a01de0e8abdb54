"""Each rule speaks where it should, in words a reviewer understands, and is silent elsewhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payments.services.payout_risk import Facts, Limits, Source, judge

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DOLLAR = 1_000_000
OLD = NOW - timedelta(days=400)
#: A worker about whom there is nothing to say.
PLAIN = Facts(
    now=NOW,
    amount_micros=60 * DOLLAR,
    currency="USD",
    worker_since=OLD,
    earlier_payouts=5,
    usual_micros=50 * DOLLAR,
    sources=[Source("Acme", 60 * DOLLAR, OLD, False)],
)


def test_nothing_is_said_of_an_ordinary_payout() -> None:
    assert judge(PLAIN) == []


@pytest.mark.parametrize(
    ("facts", "rule", "severity", "says"),
    [
        ({"earlier_payouts": 0, "usual_micros": 0}, "first_payout", "note", "first payout"),
        ({"worker_since": NOW - timedelta(days=6)}, "young_worker", "note", "joined 6 days ago"),
        ({"worker_since": NOW}, "young_worker", "note", "joined less than a day ago"),
        (
            {"amount_micros": 200 * DOLLAR + 10_000, "usual_micros": 0},
            "large_amount", "warn", "$200.01 is over $200.00: two people",
        ),
        ({"amount_micros": 151 * DOLLAR}, "unusual_amount", "warn", "3 times this worker's usual"),
        (
            {"sources": [Source("Neu", 8, NOW - timedelta(days=29), False), Source("A", 2, OLD, False)]},
            "one_young_requester", "stop", "80 % of the pay came from Neu, a requester for 29 days",
        ),
        (
            {"sources": [Source("Own", 1, OLD, True), Source("A", 99, OLD, False)]},
            "own_requester", "stop", "a member of Own",
        ),
        ({"bank_sharers": 1}, "shared_bank", "stop", "used by another worker"),
        ({"bank_sharers": 3}, "shared_bank", "stop", "used by 3 other workers"),
        ({"bank_changed_at": NOW - timedelta(hours=71)}, "bank_changed", "warn", "71 hours ago"),
        ({"notes": {"worker suspended": 2}}, "work_note", "warn", "on 2 of the paid answers"),
        ({"notes": {"submitted late": 1}}, "work_note", "note", "submitted late"),
    ],
)  # fmt: skip
def test_a_rule_speaks(facts: dict[str, Any], rule: str, severity: str, says: str) -> None:
    hits = [hit.as_dict() for hit in judge(replace(PLAIN, **facts))]
    assert [(hit["rule"], hit["severity"]) for hit in hits] == [(rule, severity)]
    assert says in hits[0]["says"]


@pytest.mark.parametrize(
    "facts",
    [
        {"worker_since": NOW - timedelta(days=7)},
        {"amount_micros": 200 * DOLLAR, "usual_micros": 0},
        {"amount_micros": 150 * DOLLAR},
        {"sources": [Source("Neu", 799, NOW, False), Source("A", 201, OLD, False)]},
        {"sources": [Source("Neu", 9, NOW - timedelta(days=30), False)]},
        {"sources": []},
        {"bank_changed_at": NOW - timedelta(hours=72)},
    ],
)
def test_just_outside_a_bound_it_is_silent(facts: dict[str, Any]) -> None:
    assert judge(replace(PLAIN, **facts)) == []


def test_the_gravest_stands_first_and_bounds_can_be_set() -> None:
    bad = replace(PLAIN, earlier_payouts=0, usual_micros=0, bank_sharers=1, notes={"x": 1})
    assert [hit.rule for hit in judge(bad)] == ["shared_bank", "work_note", "first_payout"]
    young = replace(PLAIN, worker_since=NOW - timedelta(days=20))
    assert judge(young) == []
    assert [hit.rule for hit in judge(young, Limits(young_worker_days=30))] == ["young_worker"]
