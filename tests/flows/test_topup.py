"""A requester tops the wallet up: intent, payment page, notice, credit, fee; and what goes wrong."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import httpx
import pytest
import stripe

from core.services import accounts
from payments.fakestripe import FakeStripe, checkout
from payments.fakestripe.notices import Notice
from payments.models import StripeEvent, Topup
from payments.services import ledger, reconcile, stripe_events, topups, wallets
from tests.factories import callers
from tests.factories import payments as money
from tests.factories import payouts as make

pytestmark = pytest.mark.django_db(transaction=True)

HUNDRED = {"amount_micros": 100_000_000, "currency": "USD"}
GOOD, NO_MONEY = "4000000000000077", "4000000000009995"


@pytest.fixture
def acme() -> UUID:
    owner = accounts.create_user(email="owner@example.org", password=None)
    return accounts.create_organization(name="Acme", by=owner.pk).pk


@pytest.fixture
def manager(acme: UUID) -> callers.Caller:
    return callers.member(acme, "manager")


def pay(topup: dict[str, Any], card: str = GOOD) -> httpx.Response:
    """What a browser does on the payment page."""
    return httpx.post(topup["url"], data={"card": card}, trust_env=False)


def tell(notice: Notice, **headers: str) -> Any:
    """What Stripe does: the notice over HTTP, signed."""
    client = callers.Caller().client
    return client.generic(
        "POST",
        "/api/v1/stripe/webhook",
        notice.body,
        content_type="application/json",
        HTTP_STRIPE_SIGNATURE=headers.get("signature", notice.signature),
    )


def begun(manager: callers.Caller, key: str = "k1") -> dict[str, Any]:
    found: dict[str, Any] = manager.post("/wallet/topups", HUNDRED, key=key, expect=201).json()
    return found


def test_paid_told_credited_and_reconciled(
    fake_stripe: FakeStripe, manager: callers.Caller, acme: UUID
) -> None:
    topup = begun(manager)
    assert topup["state"] == "open"
    assert topup["url"].startswith(fake_stripe.url)
    assert wallets.balance(acme) == 0, "an open page is no money"

    answer = pay(topup)
    assert answer.status_code == 303
    assert topup["id"] in answer.headers["location"]
    assert wallets.balance(acme) == 0, "the way back from the page is no proof"

    for notice in fake_stripe.notices.take():
        assert tell(notice).status_code == 200
    stripe_events.sweep()
    assert wallets.balance(acme) == 100_000_000
    shown = manager.get(f"/wallet/topups/{topup['id']}", expect=200).json()
    assert (shown["state"], shown["url"]) == ("paid", None)
    row = Topup.objects.get()
    assert row.fee_micros == 3_200_000
    wallet = manager.get("/wallet", expect=200).json()
    assert wallet["balance"]["amount_micros"] == 100_000_000
    assert wallet["reserved"]["total"]["amount_micros"] == 0

    found = reconcile.run()
    assert (found.breaks, found.matched) == ([], 2)
    assert found.there_micros == found.here_micros == 96_800_000
    assert make.broken() == []


def test_the_same_key_is_the_same_top_up(
    fake_stripe: FakeStripe, manager: callers.Caller, acme: UUID
) -> None:
    first, again = begun(manager), begun(manager)
    assert first == again
    other = {"amount_micros": 50_000_000, "currency": "USD"}
    assert manager.post("/wallet/topups", other, key="k1").status_code == 422
    assert manager.post("/wallet/topups", HUNDRED).json()["code"] == "idempotency_key_required"
    theirs = callers.member(acme, "manager").post("/wallet/topups", HUNDRED, key="k1", expect=201)
    assert theirs.json()["id"] != first["id"], "another person's key is another key"
    assert sum(1 for _ in fake_stripe.store.all("checkout.session")) == 2
    assert [one["id"] for one in manager.pages("/wallet/topups")] == [
        theirs.json()["id"],
        first["id"],
    ]


def test_a_lost_notice_is_made_up_for_by_looking(
    fake_stripe: FakeStripe, manager: callers.Caller, acme: UUID
) -> None:
    topup = begun(manager)
    pay(topup)
    assert topups.sweep() == 0, "it is not yet time to look"
    make.later(minutes=3)
    assert topups.sweep() == 1
    assert wallets.balance(acme) == 100_000_000
    make.later(hours=1)
    assert topups.sweep() == 0, "there is nothing left to learn"


def test_notices_doubled_and_in_any_order_credit_once(
    fake_stripe: FakeStripe, manager: callers.Caller, acme: UUID
) -> None:
    topup = begun(manager)
    pay(topup, NO_MONEY)
    pay(topup)
    fake_stripe.notices.mode = "doubled"
    notices = fake_stripe.notices.take()
    for notice in reversed(notices):
        assert tell(notice).status_code == 200
        stripe_events.sweep()
    assert StripeEvent.objects.count() == len(notices) / 2
    assert wallets.balance(acme) == 100_000_000
    assert set(StripeEvent.objects.values_list("state", flat=True)) == {"done", "ignored"}


def test_forged_stale_and_foreign_notices_change_nothing(
    fake_stripe: FakeStripe, manager: callers.Caller, acme: UUID, settings: Any
) -> None:
    pay(begun(manager))
    notice = next(
        one for one in fake_stripe.notices.take() if b"checkout.session.completed" in one.body
    )
    secret = settings.STRIPE_WEBHOOK_SECRET
    sign = stripe.WebhookSignature.generate_signature_header
    text = notice.body.decode()
    bad = [
        "",
        "t=1,v1=abc",
        sign(text, "whsec_other"),
        sign(text, secret, timestamp=int(time.time()) - 301),
        sign(text + " ", secret),
    ]
    for signature in bad:
        answer = tell(notice, signature=signature)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_signature")
    thin = '{"object": "v2.core.event", "id": "evt_1", "type": "v2.x"}'
    for body in (thin, "[]", "5", "{}", '{"object": "event", "id": "evt_1"}', "\udcff"):
        raw = body.encode("utf-8", "surrogateescape")
        signed = Notice("x", raw, sign(body, secret) if body.isascii() else "t=1,v1=0")
        assert tell(signed).status_code == 400, body
    assert tell(Notice("x", b"x" * 2_000_000, "t=1,v1=0")).status_code == 413
    assert StripeEvent.objects.count() == 0

    live = text.replace('"livemode": false', '"livemode": true')
    assert tell(Notice("x", live.encode(), sign(live, secret))).status_code == 200
    stripe_events.sweep()
    assert StripeEvent.objects.get().state == "ignored"
    assert wallets.balance(acme) == 0


def test_each_endpoint_at_stripe_has_its_own_secret(
    fake_stripe: FakeStripe, manager: callers.Caller, settings: Any
) -> None:
    settings.STRIPE_WEBHOOK_SECRET = "whsec_own, whsec_connected,"
    pay(begun(manager))
    notices = [one.body for one in fake_stripe.notices.take()]
    sign = stripe.WebhookSignature.generate_signature_header
    for body, secret in zip(notices, ["whsec_own", "whsec_connected", "whsec_own"], strict=False):
        assert tell(Notice("x", body, sign(body.decode(), secret))).status_code == 200
    assert StripeEvent.objects.count() == len(notices) > 1
    for secret in ("whsec_own, whsec_connected,", "", "whsec_suite"):
        bad = tell(Notice("x", notices[0], sign(notices[0].decode(), secret)))
        assert bad.status_code == 400, secret
    settings.STRIPE_WEBHOOK_SECRET = ","
    assert tell(Notice("x", notices[0], sign(notices[0].decode(), ""))).status_code == 400


def test_a_page_that_lapses_is_expired(
    fake_stripe: FakeStripe, manager: callers.Caller, acme: UUID
) -> None:
    topup = begun(manager)
    fake_stripe.store.advance(25 * 3600)
    make.later(hours=25)
    topups.sweep()
    assert manager.get(f"/wallet/topups/{topup['id']}").json()["state"] == "expired"
    assert httpx.get(topup["url"], trust_env=False).status_code == 410
    assert wallets.balance(acme) == 0


@pytest.mark.parametrize("fault", ["500_before", "drop_before", "429"])
def test_a_page_that_was_not_opened_is_opened_by_the_sweep(
    fault: str, fake_stripe: FakeStripe, manager: callers.Caller, acme: UUID
) -> None:
    fake_stripe.store.faults.order(fault, "POST /v1/checkout/sessions", times=0)
    topup = begun(manager)
    assert (topup["state"], topup["url"]) == ("new", None)
    fake_stripe.store.faults.orders.clear()
    # Stripe goes on answering a stored failure for a day; then the key is free.
    fake_stripe.store.advance(24 * 3600)
    make.later(hours=1)
    topups.sweep()
    shown = manager.get(f"/wallet/topups/{topup['id']}").json()
    assert shown["state"] == "open"
    assert sum(1 for _ in fake_stripe.store.all("checkout.session")) == 1
    pay(shown)
    make.later(hours=1)
    topups.sweep()
    assert wallets.balance(acme) == 100_000_000


def test_a_lost_answer_is_asked_for_again_at_once(
    fake_stripe: FakeStripe, manager: callers.Caller
) -> None:
    fake_stripe.store.faults.order("drop_after", "POST /v1/checkout/sessions")
    assert begun(manager)["state"] == "open"
    assert sum(1 for _ in fake_stripe.store.all("checkout.session")) == 1


def test_bounds_and_play_money(
    fake_stripe: FakeStripe, manager: callers.Caller, acme: UUID
) -> None:
    for micros in (1, 999_999, 1_000_001, 10**13, 0, -1, True, "5"):
        body = {"amount_micros": micros, "currency": "USD"}
        assert manager.post("/wallet/topups", body, key=f"b{micros}").status_code == 400
    play = {"amount_micros": 7, "currency": "XTS"}
    assert manager.post("/wallet/topups", play, key="p", expect=201).json()["state"] == "paid"
    assert manager.get("/wallet?currency=XTS").json()["balance"]["amount_micros"] == 7
    assert sum(1 for _ in fake_stripe.store.all("checkout.session")) == 0
    assert manager.get("/wallet?currency=EUR").status_code == 400


def test_others_top_ups_look_absent(fake_stripe: FakeStripe, manager: callers.Caller) -> None:
    topup = begun(manager)
    other = callers.member(money.requester(), "owner")
    assert other.get(f"/wallet/topups/{topup['id']}").status_code == 404
    assert callers.person().get("/wallet").status_code == 403
    viewer = callers.member(Topup.objects.get().organization_id, "viewer")
    assert viewer.get("/wallet").status_code == 200
    assert viewer.post("/wallet/topups", HUNDRED, key="v").status_code == 403


def test_a_payment_of_another_amount_is_credited_by_nobody(
    fake_stripe: FakeStripe, manager: callers.Caller, acme: UUID
) -> None:
    topup = begun(manager)
    session = next(fake_stripe.store.all("checkout.session"))
    session["amount_total"] = 1
    checkout.pay(fake_stripe.store, session["id"], GOOD)
    make.later(minutes=3)
    topups.sweep()
    row = Topup.objects.get(pk=topup["id"])
    assert "another amount" in row.last_error
    assert wallets.balance(acme) == 0
    assert [one.kind for one in reconcile.run().breaks] == ["missing_here", "missing_here"]
    assert money.balance(ledger.requester_balance(acme), "USD") == 0


@pytest.mark.slow
def test_the_notice_comes_over_the_wire(
    live_server: Any, settings: Any, manager: callers.Caller, acme: UUID
) -> None:
    place = f"{live_server.url}/api/v1/stripe/webhook"
    with FakeStripe(webhook_url=place, webhook_secret=settings.STRIPE_WEBHOOK_SECRET) as fake:
        settings.STRIPE_API_BASE = fake.url
        pay(begun(manager))
        for _ in range(100):
            if StripeEvent.objects.filter(type="checkout.session.completed").exists():
                break
            time.sleep(0.1)
        stripe_events.sweep()
    assert wallets.balance(acme) == 100_000_000
