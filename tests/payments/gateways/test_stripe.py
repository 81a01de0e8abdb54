"""The gateway, against the stand-in and, with ``STRIPE_TEST_KEY``, against Stripe's test mode."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
from django.db import transaction

from core.ids import new_id
from payments.fakestripe import FakeStripe, accounts
from payments.gateways import facts
from payments.gateways import stripe as gateway
from tests.factories import payouts as make

pytestmark = pytest.mark.django_db(transaction=True)

TEST_KEY = os.environ.get("STRIPE_TEST_KEY", "")
PLACES = [
    "stand-in",
    pytest.param(
        "test mode",
        marks=pytest.mark.skipif(
            not TEST_KEY, reason="STRIPE_TEST_KEY is not set: not run against Stripe's test mode"
        ),
    ),
]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, settings: Any) -> str:
    """Where the calls go."""
    if request.param == "stand-in":
        request.getfixturevalue("fake_stripe")
    else:
        import pytest_socket

        pytest_socket._remove_restrictions()
        settings.STRIPE_API_BASE, settings.STRIPE_SECRET_KEY = None, TEST_KEY
    return str(request.param)


def opened(key: str, **facts_of: Any) -> facts.Checkout:
    return gateway.open_checkout(
        **{
            "key": key,
            "amount_micros": 25_000_000,
            "currency": "USD",
            "description": "Prepaid balance",
            "reference": "topup:1",
            "success_url": "https://example.org/?paid=1",
            "cancel_url": "https://example.org/",
            **facts_of,
        }
    )


def made_account(key: str) -> facts.Account:
    return gateway.make_account(
        key=key, country="US", email="worker@example.org", reference="user:1"
    )


# --- the contract, wherever it is spoken ------------------------------------------------------
def test_a_page_is_opened_once_a_key(place: str) -> None:
    key = str(new_id())
    page, again = opened(key), opened(key)
    assert page.id == again.id
    assert (page.status, page.payment_status, page.payment_id) == ("open", "unpaid", "")
    assert (page.amount_micros, page.currency, page.reference) == (25_000_000, "USD", "topup:1")
    assert gateway.get_checkout(page.id).url == page.url
    with pytest.raises(facts.Unclear):
        opened(key, amount_micros=30_000_000)


def test_an_account_begins_without_anything_and_may_not_be_paid(place: str) -> None:
    key = str(new_id())
    account = made_account(key)
    assert made_account(key).id == account.id
    assert (account.country, account.transfers_active, account.details_submitted) == (
        "US", False, False,
    )  # fmt: skip
    assert account.currently_due
    assert (account.bank_fingerprint, account.bank_label) == ("", "")
    link = gateway.setup_link(
        key=str(new_id()),
        account_id=account.id,
        return_url="https://example.org/",
        refresh_url="https://example.org/",
    )
    assert link.startswith("http")
    with pytest.raises(facts.Restricted):
        gateway.make_transfer(
            key=str(new_id()),
            amount_micros=10_000_000,
            currency="USD",
            destination=account.id,
            group=f"payout:{new_id()}",
        )


def test_what_is_not_there_is_missing_and_a_bad_request_is_refused(place: str) -> None:
    with pytest.raises(facts.Missing):
        gateway.get_checkout("cs_test_none")
    with pytest.raises(facts.Refused):
        opened(str(new_id()), currency="XXX", success_url="")
    with pytest.raises(facts.StripeProblem):
        gateway.get_account("acct_none")
    assert gateway.find_transfers(f"payout:{new_id()}") == []


def test_the_balance_can_be_read(place: str) -> None:
    assert isinstance(gateway.balance("USD"), int)
    for line in gateway.balance_lines("USD"):
        assert line.currency == "USD"
        break


# --- what only the stand-in can be told to do --------------------------------------------------
def ready(fake: FakeStripe) -> str:
    make.fund(fake)
    account = made_account(str(new_id()))
    accounts.onboard(fake.store, account.id)
    return account.id


def send(account: str, key: str = "k", group: str = "payout:1") -> facts.Transfer:
    return gateway.make_transfer(
        key=key, amount_micros=25_000_000, currency="USD", destination=account, group=group
    )


def test_a_transfer_is_found_by_its_group(fake_stripe: FakeStripe) -> None:
    made = send(ready(fake_stripe))
    assert made.amount_micros == 25_000_000
    assert made.destination_payment.startswith("py_")
    assert gateway.find_transfers("payout:1") == [made]
    account = gateway.get_account(made.destination)
    assert account.transfers_active
    assert account.bank_label == "TEST BANK …6789"


@pytest.mark.parametrize(
    ("fault", "kind", "is_stored"),
    [
        ("429", facts.NothingHappened, False),
        ("balance_insufficient", facts.InsufficientBalance, True),
        ("account_restricted", facts.Restricted, True),
        ("500_before", facts.Unclear, False),
        ("500_after", facts.Unclear, False),
        ("drop_before", facts.Unclear, False),
        ("drop_after", facts.Unclear, False),
    ],
)
def test_an_error_says_what_is_known(
    fault: str, kind: type[facts.StripeProblem], is_stored: bool, fake_stripe: FakeStripe
) -> None:
    account = ready(fake_stripe)
    fake_stripe.store.faults.order(fault, "POST /v1/transfers")
    with pytest.raises(facts.StripeProblem) as met:
        send(account)
    assert (type(met.value), met.value.is_stored) == (kind, is_stored)


def test_a_replayed_failure_says_that_it_is_stored(fake_stripe: FakeStripe) -> None:
    account = ready(fake_stripe)
    fake_stripe.store.faults.order("500_before", "POST /v1/transfers")
    for is_stored in (False, True, True):
        with pytest.raises(facts.Unclear) as met:
            send(account)
        assert met.value.is_stored == is_stored


def test_a_refused_connection_is_nothing_and_a_late_answer_is_unclear(
    fake_stripe: FakeStripe, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = ready(fake_stripe)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings.STRIPE_API_BASE = f"http://127.0.0.1:{probe.getsockname()[1]}"
        with pytest.raises(facts.NothingHappened):
            send(account)
    monkeypatch.setattr(gateway, "ANSWER_SECONDS", 0.2)
    settings.STRIPE_API_BASE = fake_stripe.url
    fake_stripe.store.faults.order("slow", "POST /v1/transfers", seconds=0.6)
    with pytest.raises(facts.Unclear):
        send(account)
    with pytest.raises(facts.Unclear) as twin:
        send(account)
    assert twin.value.code == "idempotency_key_in_use"


def test_a_wrong_key_of_ours_never_condemns_a_payout(
    fake_stripe: FakeStripe, settings: Any
) -> None:
    account = ready(fake_stripe)
    settings.STRIPE_SECRET_KEY = "nonsense"
    with pytest.raises(facts.NothingHappened):
        send(account)


def test_stripe_is_never_called_inside_a_transaction(fake_stripe: FakeStripe) -> None:
    with transaction.atomic(), pytest.raises(gateway.InsideTransaction):
        gateway.balance("USD")


def test_only_whole_cents_cross(fake_stripe: FakeStripe) -> None:
    with pytest.raises(ValueError, match="whole cents"):
        opened("k", amount_micros=1)


def test_a_long_list_is_read_to_its_end(fake_stripe: FakeStripe) -> None:
    for _ in range(130):
        make.fund(fake_stripe, 100)
    assert sum(line.amount_micros for line in gateway.balance_lines("USD")) == 130_000_000
    assert gateway.balance("USD") == 130_000_000
