"""The stand-in keeps Stripe's habits, asked by the real client over HTTP."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe
from django.core.management import CommandError, call_command

from payments.fakestripe import FakeStripe, accounts, checkout, payouts
from tests.payments.fakestripe import typed

DAY = 86_400
SESSION: Any = {
    "mode": "payment",
    "success_url": "https://example.org/?id={CHECKOUT_SESSION_ID}",
    "cancel_url": "https://example.org/",
    "line_items": [
        {
            "quantity": 1,
            "price_data": {
                "currency": "usd",
                "unit_amount": 10_000,
                "product_data": {"name": "Work"},
            },
        }
    ],
    "payment_intent_data": {"transfer_group": "topup:1"},
}


@pytest.fixture
def fake() -> Iterator[FakeStripe]:
    with FakeStripe(webhook_secret="whsec_x") as running:
        yield running


@pytest.fixture
def client(fake: FakeStripe) -> stripe.StripeClient:
    return connect(fake)


def connect(fake: FakeStripe) -> stripe.StripeClient:
    return stripe.StripeClient(
        "sk_test_x",
        base_addresses={"api": fake.url},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=5),
    )


def payee(fake: FakeStripe, client: stripe.StripeClient) -> str:
    made = client.v1.accounts.create(
        {"country": "US", "capabilities": {"transfers": {"requested": True}}}
    )
    accounts.onboard(fake.store, made.id)
    return made.id


def paid(fake: FakeStripe, client: stripe.StripeClient, card: str = "4000000000000077") -> Any:
    session = client.v1.checkout.sessions.create(SESSION)
    checkout.pay(fake.store, session.id, card)
    return client.v1.checkout.sessions.retrieve(session.id)


def transfer(client: stripe.StripeClient, to: str, key: str, amount: int = 2500) -> Any:
    return client.v1.transfers.create(
        {"amount": amount, "currency": "usd", "destination": to, "transfer_group": "payout:1"},
        {"idempotency_key": key},
    )


def made(fake: FakeStripe) -> int:
    return sum(1 for _ in fake.store.all("transfer"))


def test_every_answer_is_what_the_package_types(
    fake: FakeStripe, client: stripe.StripeClient
) -> None:
    session = paid(fake, client)
    account = payee(fake, client)
    client.v1.account_links.create(
        {
            "account": account,
            "type": "account_onboarding",
            "return_url": "https://example.org/",
            "refresh_url": "https://example.org/",
        }
    )
    transfer(client, account, "t")
    payouts.pay_out(fake.store, account)
    fake.store.faults.order("payout_failed")
    transfer(client, account, "t2")
    payouts.pay_out(fake.store, account)
    answers = [
        *fake.store.objects.values(),
        client.v1.balance.retrieve().to_dict(),
        client.v1.payment_intents.retrieve(session.payment_intent).to_dict(),
    ]
    kinds = {thing["object"] for thing in answers}
    assert kinds >= set(typed.CLASSES) - {"account_link"}
    wrong = {fault for thing in answers for fault in typed.faults(thing)}
    assert wrong == set()


def test_the_comparison_with_the_package_sees_what_is_wrong(
    fake: FakeStripe, client: stripe.StripeClient
) -> None:
    account = payee(fake, client)
    paid(fake, client)
    good = transfer(client, account, "t").to_dict()
    assert typed.faults(good) == []
    short = {name: value for name, value in good.items() if name != "amount"}
    assert typed.faults(short) == ["transfer.amount: missing"]
    assert typed.faults({**good, "amount": "2500"}) == ["transfer.amount: '2500' is no int"]
    assert typed.faults({**good, "amount": None}) == ["transfer.amount: must not be null"]
    assert typed.faults({**good, "colour": 1}) == [
        "transfer.colour: the package knows no such field"
    ]
    found = client.v1.accounts.retrieve(account).to_dict()
    found["requirements"]["currently_due"] = [5]
    assert typed.faults(found) == ["account.requirements.currently_due[0]: 5 is no str"]


def test_a_charge_waits_and_a_transfer_needs_what_is_available(
    fake: FakeStripe, client: stripe.StripeClient
) -> None:
    fake.store.settle_seconds = 3600
    account = payee(fake, client)
    paid(fake, client, "4242424242424242")
    found = client.v1.balance.retrieve()
    assert (found.available[0].amount, found.pending[0].amount) == (0, 9680)
    with pytest.raises(stripe.InvalidRequestError) as short:
        transfer(client, account, "a")
    assert short.value.code == "balance_insufficient"
    fake.store.advance(3600)
    with pytest.raises(stripe.InvalidRequestError):
        transfer(client, account, "a")  # the key remembers the refusal
    assert transfer(client, account, "b").amount == 2500
    lines = client.v1.balance_transactions.list().data
    assert [(line.type, line.amount, line.fee, line.net) for line in lines] == [
        ("transfer", -2500, 0, -2500),
        ("charge", 10_000, 320, 9680),
    ]


def test_a_restricted_account_receives_nothing(
    fake: FakeStripe, client: stripe.StripeClient
) -> None:
    account = payee(fake, client)
    paid(fake, client)
    accounts.restrict(fake.store, account)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        transfer(client, account, "a")
    assert refused.value.code == "insufficient_capabilities_for_transfer"
    assert made(fake) == 0


def test_a_key_answers_the_same_for_a_day_and_then_forgets(
    fake: FakeStripe, client: stripe.StripeClient
) -> None:
    account = payee(fake, client)
    paid(fake, client)
    first = transfer(client, account, "k")
    again = transfer(client, account, "k")
    assert first.id == again.id
    assert again.last_response.headers["idempotent-replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        transfer(client, account, "k", amount=2600)
    with pytest.raises(stripe.IdempotencyError):
        client.v1.accounts.create({"country": "US"}, {"idempotency_key": "k"})
    fake.store.advance(DAY - 5)
    assert transfer(client, account, "k").id == first.id
    fake.store.advance(10)
    assert transfer(client, account, "k").id != first.id
    assert made(fake) == 2


def test_a_request_that_never_began_leaves_its_key_free(
    fake: FakeStripe, client: stripe.StripeClient
) -> None:
    account = payee(fake, client)
    paid(fake, client)
    bad: Any = {"amount": "x", "currency": "usd", "destination": account}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.transfers.create(bad, {"idempotency_key": "k"})
    fake.store.faults.order("429")
    with pytest.raises(stripe.RateLimitError):
        transfer(client, account, "k")
    assert transfer(client, account, "k").amount == 2500


def test_a_twin_that_runs_is_a_conflict(fake: FakeStripe, client: stripe.StripeClient) -> None:
    account = payee(fake, client)
    paid(fake, client)
    fake.store.faults.order("slow", "POST /v1/transfers", seconds=0.5)
    thread = threading.Thread(target=lambda: transfer(connect(fake), account, "k"))
    thread.start()
    time.sleep(0.2)
    with pytest.raises(stripe.APIError) as twin:
        transfer(client, account, "k")
    assert twin.value.http_status == 409
    thread.join()
    assert transfer(client, account, "k").amount == 2500
    assert made(fake) == 1


@pytest.mark.parametrize(
    ("fault", "error", "transfers", "is_kept"),
    [
        ("429", stripe.RateLimitError, 0, False),
        ("500_before", stripe.APIError, 0, True),
        ("500_after", stripe.APIError, 1, True),
        ("drop_before", stripe.APIConnectionError, 0, False),
        ("drop_after", stripe.APIConnectionError, 1, False),
        ("balance_insufficient", stripe.InvalidRequestError, 0, True),
        ("account_restricted", stripe.InvalidRequestError, 0, True),
    ],
)
def test_faults_strike_once_and_do_what_they_say(
    fault: str, error: type[Exception], transfers: int, is_kept: bool, fake: FakeStripe
) -> None:
    client = connect(fake)
    account = payee(fake, client)
    paid(fake, client)
    httpx.post(
        f"{fake.url}/_fake/faults",
        json={"kind": fault, "on": "POST /v1/transfers"},
        trust_env=False,
    ).raise_for_status()
    with pytest.raises(error):
        transfer(client, account, "k")
    assert made(fake) == transfers
    if is_kept:
        with pytest.raises(error):
            transfer(client, account, "k")
        assert made(fake) == transfers
    else:
        transfer(client, account, "k")
        assert made(fake) == 1


def test_levers_that_are_not_there_are_refused(fake: FakeStripe) -> None:
    def pull(path: str, body: Any) -> int:
        return httpx.post(f"{fake.url}/_fake/{path}", json=body, trust_env=False).status_code

    assert pull("faults", {"kind": "fire"}) == 400
    assert pull("nothing", {}) == 404
    assert pull("pay", {}) == 400
    assert pull("clock", {"seconds": 60}) == 200


def test_keys_accounts_and_places_that_do_not_exist(
    fake: FakeStripe, client: stripe.StripeClient
) -> None:
    wrong = stripe.StripeClient("pk_x", base_addresses={"api": fake.url})
    with pytest.raises(stripe.AuthenticationError):
        wrong.v1.balance.retrieve()
    with pytest.raises(stripe.PermissionError):
        client.v1.balance.retrieve(options={"stripe_account": "acct_none"})
    with pytest.raises(stripe.InvalidRequestError) as absent:
        client.v1.transfers.retrieve("tr_none")
    assert absent.value.code == "resource_missing"
    with pytest.raises(stripe.InvalidRequestError) as unserved:
        client.v1.customers.list()
    assert unserved.value.http_status == 404


def test_a_card_that_is_declined_may_be_followed_by_a_good_one(
    fake: FakeStripe, client: stripe.StripeClient
) -> None:
    session = client.v1.checkout.sessions.create(SESSION)
    assert session.url is not None
    page = httpx.post(session.url, data={"card": "4000000000000002"}, trust_env=False)
    assert "declined" in page.text
    answer = httpx.post(session.url, data={"card": "4242424242424242"}, trust_env=False)
    assert answer.headers["location"] == f"https://example.org/?id={session.id}"
    again = httpx.post(session.url, data={"card": "4242424242424242"}, trust_env=False)
    assert again.status_code == 303
    assert sum(1 for _ in fake.store.all("charge")) == 1


def test_lists_come_in_pages_newest_first(fake: FakeStripe, client: stripe.StripeClient) -> None:
    account = payee(fake, client)
    paid(fake, client)
    ids = [transfer(client, account, f"k{n}", amount=100).id for n in range(5)]
    found = client.v1.transfers.list({"transfer_group": "payout:1", "limit": 2})
    assert [one.id for one in found.data] == ids[:2:-1]
    assert found.has_more
    assert [one.id for one in found.auto_paging_iter()] == ids[::-1]
    assert client.v1.transfers.list({"transfer_group": "payout:2"}).data == []
    events = client.v1.events.list({"types": ["transfer.created"], "limit": 100})
    assert len(events.data) == 5


def eventually(check: Callable[[], bool], seconds: float = 5) -> None:
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize(("mode", "times"), [("ordered", 1), ("doubled", 2), ("lost", 0)])
def test_notices_are_signed_sent_doubled_or_lost(mode: str, times: int) -> None:
    from tests.fakes.receiver import receiver

    with (
        receiver() as there,
        FakeStripe(webhook_url=there.url, webhook_secret="whsec_x") as fake,
    ):
        fake.notices.mode = mode
        paid(fake, connect(fake))
        eventually(lambda: not fake.store.outbox)
        eventually(lambda: len(there.received) >= 3 * times)
        for got in there.received:
            event = stripe.Webhook.construct_event(
                got.body, got.headers["stripe-signature"], "whsec_x"
            )
            assert event.object == "event"
    assert len(there.received) == 3 * times


def test_what_it_knows_outlives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    with FakeStripe(file=file) as fake:
        client = connect(fake)
        account = payee(fake, client)
        paid(fake, client)
        first = transfer(client, account, "k")
    with FakeStripe(file=file) as fake:
        client = connect(fake)
        assert transfer(client, account, "k").id == first.id
        assert client.v1.accounts.retrieve(account).payouts_enabled
        assert made(fake) == 1


def test_the_command_says_so_when_its_port_is_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"Cannot listen on 127.0.0.1:{port}.*another"):
            call_command("fakestripe", port=port, file=tmp_path / "kept.json")
