"""A requester's money on its way: wallet, job, worker; every balance after every step."""

from datetime import timedelta

import pytest

from core import audit, clock
from core.ids import new_id
from payments import pricing, selectors
from payments.services import earnings, escrow, ledger, rates, wallets
from tests.factories import payments as make

pytestmark = pytest.mark.django_db


def everything_adds_up():
    assert [one for one in audit.run_all() if one.id.startswith("P") and not one.ok] == []


def income():
    entries = selectors.statement(ledger.PLATFORM_FEES, "XTS").values_list(
        "amount_micros", flat=True
    )
    return -sum(entries)


class Story:
    """Acme, with 10.00 of play money, and Ada who works."""

    def __init__(self):
        self.acme = make.person()
        self.whose = make.requester()
        self.ada = make.person()
        wallets.start_topup(
            organization_id=self.whose, amount_micros=10_000_000, currency="XTS", by=self.acme,
            key="first",
        )  # fmt: skip
        self.card = rates.current("XTS")

    def reserve_of(self, units=1):
        return pricing.slot_reserve(
            self.card, base_rate_micros=35_000, specialty="image", difficulty=pricing.Decimal(1),
            seconds_per_unit=pricing.Decimal(12), bonus_pct=pricing.Decimal("0.2"),
            units=pricing.Decimal(units),
        )  # fmt: skip

    def balances(self, job):
        found = escrow.summary(job)
        bucket = earnings.buckets(self.ada, "XTS")
        return {
            "wallet": wallets.balance(self.whose, "XTS"),
            "escrow": found.balance,
            "reserved": sum(found.lines.values()),
            "free": found.free,
            "pending": bucket.pending,
            "available": bucket.available,
            "income": income(),
        }


def test_from_top_up_to_withdrawable_pay():
    story = Story()
    reserve = story.reserve_of()
    # The image tag of the worked examples, at the top tier: 0.0455 pay, 0.0091 bonus and 0.0114
    # later addition at most, each with its fee.
    assert reserve == 45_500 + 9_100 + 9_100 + 1_900 + 11_400 + 2_300

    job = make.funded_job(story.whose, 1_000_000, by=story.acme)
    assert story.balances(job) == {
        "wallet": 9_000_000, "escrow": 1_000_000, "reserved": 0, "free": 1_000_000,
        "pending": 0, "available": 0, "income": 0,
    }  # fmt: skip

    assert escrow.reserve(job_id=job, line="work", amount_micros=3 * reserve)
    assert story.balances(job)["free"] == 1_000_000 - 3 * 79_300

    # Ada, of tier 1.10, earns 0.0385; the fee is 0.0077.
    earnings.credit(
        [make.accepted(job, story.whose, story.ada, amount_micros=38_500, fee_micros=7_700,
                       reserve_micros=reserve)],
        now=clock.now(),
    )  # fmt: skip
    assert story.balances(job) == {
        "wallet": 9_000_000, "escrow": 953_800, "reserved": 158_600, "free": 795_200,
        "pending": 38_500, "available": 0, "income": 7_700,
    }  # fmt: skip
    everything_adds_up()

    # A second answer is rejected: its reserve waits for the contest and is freed when it lapses.
    escrow.move(job_id=job, from_line="work", to_line="contested", amount_micros=reserve)
    with pytest.raises(escrow.StillReserved):
        escrow.close(job_id=job, by=story.acme)
    escrow.unreserve(job_id=job, line="contested", amount_micros=reserve)
    # The third slot is wanted no more.
    escrow.unreserve(job_id=job, line="work", amount_micros=reserve)
    assert escrow.close(job_id=job, by=story.acme) == 953_800
    assert story.balances(job) == {
        "wallet": 9_953_800, "escrow": 0, "reserved": 0, "free": 0,
        "pending": 38_500, "available": 0, "income": 7_700,
    }  # fmt: skip

    clock.shift(timedelta(days=3, seconds=1))
    assert earnings.release_matured() == 1
    found = story.balances(job)
    assert (found["pending"], found["available"]) == (0, 38_500)
    assert found["wallet"] + found["available"] + found["income"] == 10_000_000
    everything_adds_up()


def test_an_upheld_contest_is_paid_from_its_own_reserve():
    story = Story()
    job = make.funded_job(story.whose, 100_000, by=story.acme)
    # One slot takes nearly all; after the rejection the task wants another answer, and the free
    # budget does not cover it. The rejected answer's reserve is still there for Ada.
    assert escrow.reserve(job_id=job, line="work", amount_micros=79_300)
    escrow.move(job_id=job, from_line="work", to_line="contested", amount_micros=79_300)
    assert not escrow.reserve(job_id=job, line="work", amount_micros=79_300)
    earnings.credit(
        [make.accepted(job, story.whose, story.ada, amount_micros=38_500, fee_micros=7_700,
                       reserve_micros=79_300, line="contested")],
        now=clock.now(),
    )  # fmt: skip
    found = story.balances(job)
    assert (found["escrow"], found["reserved"], found["free"]) == (53_800, 0, 53_800)
    assert found["pending"] == 38_500
    everything_adds_up()


def test_a_wallet_that_runs_dry_stops_the_next_job_only():
    story = Story()
    job = make.funded_job(story.whose, 10_000_000, by=story.acme)
    second = new_id()
    escrow.open(job_id=second, organization_id=story.whose, currency="XTS")
    with pytest.raises(escrow.InsufficientFunds):
        escrow.fund(job_id=second, amount_micros=1, key=f"launch:{second}", by=story.acme)
    assert escrow.reserve(job_id=job, line="work", amount_micros=10_000_000)
    everything_adds_up()
