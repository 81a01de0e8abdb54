"""The chart of accounts is known twice, to Python and to the database: they agree."""

import importlib

import pytest
from django.db import connection

from core.ids import new_id
from payments.models import Earning, accounts

OURS = {
    accounts.STRIPE_BALANCE: "asset",
    accounts.BANK_OPERATING: "asset",
    accounts.PLAY_MINT: "asset",
    accounts.PLATFORM_FEES: "income",
    accounts.STRIPE_FEES: "expense",
    accounts.BAD_DEBT: "expense",
    accounts.GOODWILL: "expense",
    accounts.REFUNDS_IN_FLIGHT: "liability",
    accounts.SUSPENSE: "liability",
}
THEIRS = {
    accounts.requester_balance: ("liability", "requester"),
    accounts.job_escrow: ("liability", "job"),
    accounts.worker_pending: ("liability", "worker"),
    accounts.worker_available: ("liability", "worker"),
    accounts.worker_in_flight: ("liability", "worker"),
    accounts.worker_held: ("liability", "worker"),
    accounts.requester_receivable: ("asset", "requester"),
    accounts.worker_receivable: ("asset", "worker"),
}


def chart(code):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, is_tracked, owner_type, owner_id FROM payments_chart(%s)", [code]
        )
        return cursor.fetchone()


@pytest.mark.django_db
def test_our_own_accounts_have_no_owner_and_no_floor():
    assert {code: chart(code) for code in OURS} == {
        code: (kind, False, "", None) for code, kind in OURS.items()
    }


@pytest.mark.django_db
@pytest.mark.parametrize("code_of", THEIRS)
def test_accounts_of_others_say_whose_they_are_and_have_a_floor(code_of):
    owner = new_id()
    kind, owner_type = THEIRS[code_of]
    assert chart(code_of(owner)) == (kind, True, owner_type, owner)


def test_every_code_is_tried_here():
    named = {name for name in vars(accounts) if not name.startswith("_") and name != "UUID"}
    assert len(named) == len(OURS) + len(THEIRS)


def test_an_earnings_states_are_the_same_in_model_and_database():
    rules = importlib.import_module("payments.migrations.0002_rules")
    assert rules.EARNING_TRANSITIONS == Earning.TRANSITIONS
