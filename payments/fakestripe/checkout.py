"""Checkout: a session with its page, and the payment that a test card makes there."""

from __future__ import annotations

from typing import Any

from payments.fakestripe import balances
from payments.fakestripe.calls import Call, page
from payments.fakestripe.problems import Refusal
from payments.fakestripe.store import DAY, Store, Thing

#: Test cards: what becomes of a payment, as Stripe's documentation has them.
CARDS = {
    "4242424242424242": "pending",
    "4000000000000077": "available",
    "4000000000000002": "card_declined",
    "4000000000009995": "insufficient_funds",
    "4000000000000069": "expired_card",
}
_MOST_CENTS = 99_999_999
_LEAST_CENTS = 50


def create(call: Call) -> Thing:
    """POST /v1/checkout/sessions: one price, paid once."""
    given = call.params
    if given.get("mode") != "payment":
        raise Refusal("Only payments are known here.", param="mode")
    if "success_url" not in given:
        raise Refusal("Missing required param: success_url.", code="parameter_missing")
    total, currency = _total(given.get("line_items") or [])
    now = call.store.now()
    expires_at = given.get("expires_at", now + DAY)
    if not now + 30 * 60 <= expires_at <= now + DAY + 60:
        raise Refusal("The `expires_at` timestamp must be within 24 hours.", param="expires_at")
    id = call.store.new_id("cs_test")  # noqa: A001
    session: Thing = {
        "id": id,
        "object": "checkout.session",
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": given.get("cancel_url"),
        "client_reference_id": given.get("client_reference_id"),
        "created": now,
        "currency": currency,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": None,
        "customer_details": None,
        "customer_email": given.get("customer_email"),
        "expires_at": expires_at,
        "livemode": False,
        "metadata": given.get("metadata", {}),
        "mode": "payment",
        "payment_intent": None,
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "shipping_options": [],
        "status": "open",
        "success_url": given["success_url"],
        "ui_mode": "hosted",
        "url": f"{call.base_url}/c/pay/{id}",
    }
    call.store.hidden[id] = given.get("payment_intent_data", {})
    return call.store.add(session)


def _total(items: list[Any]) -> tuple[int, str]:
    if not items:
        raise Refusal("Missing required param: line_items.", code="parameter_missing")
    total, currency = 0, ""
    for item in items:
        price = item.get("price_data")
        if price is None or "unit_amount" not in price:
            raise Refusal("Each line needs price_data with unit_amount.", param="line_items")
        total += price["unit_amount"] * item.get("quantity", 1)
        currency = price["currency"]
    if total < _LEAST_CENTS:
        raise Refusal("The amount is too small.", code="amount_too_small", param="line_items")
    if total > _MOST_CENTS:
        raise Refusal("The amount is too large.", code="amount_too_large", param="line_items")
    return total, currency


def retrieve(call: Call) -> Thing:
    """GET /v1/checkout/sessions/{session}."""
    return call.store.get("checkout.session", call.args["session"], call.owner, param="session")


def list_sessions(call: Call) -> Thing:
    """GET /v1/checkout/sessions, by status and payment."""
    wanted = {
        name: call.params[name] for name in ("status", "payment_intent") if name in call.params
    }
    found = [
        one
        for one in call.store.all("checkout.session", call.owner)
        if all(one[name] == value for name, value in wanted.items())
    ]
    return page(call, found, "/v1/checkout/sessions")


def expire(call: Call) -> Thing:
    """POST /v1/checkout/sessions/{session}/expire."""
    session = retrieve(call)
    if session["status"] != "open":
        raise Refusal("Only open Checkout Sessions can be expired.")
    return _expired(call.store, session)


def lapse(store: Store) -> None:
    """Expire the sessions whose time is over."""
    now = store.now()
    for session in list(store.all("checkout.session")):
        if session["status"] == "open" and session["expires_at"] <= now:
            _expired(store, session)


def _expired(store: Store, session: Thing) -> Thing:
    session.update(status="expired", url=None)
    store.emit("checkout.session.expired", session)
    return session


def pay(store: Store, session_id: str, card: str) -> str | None:
    """Pay a session with a test card; None, or why the card was declined. Raises Refusal."""
    session = store.get("checkout.session", session_id)
    if session["status"] != "open":
        raise Refusal(f"This session is {session['status']}.")
    outcome = CARDS.get(card.replace(" ", ""), "incorrect_number")
    if store.faults.strike(f"PAY {session_id}", "card_declined"):
        outcome = "card_declined"
    intent = _intent(store, session)
    if outcome not in ("pending", "available"):
        intent["last_payment_error"] = {"type": "card_error", "code": outcome}
        store.emit("payment_intent.payment_failed", intent)
        return outcome
    charge = _charge(store, intent, wait=store.settle_seconds if outcome == "pending" else 0)
    intent.update(
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=charge["id"],
        last_payment_error=None,
    )
    session.update(status="complete", payment_status="paid", url=None)
    store.emit("charge.succeeded", charge)
    store.emit("payment_intent.succeeded", intent)
    store.emit("checkout.session.completed", session)
    return None


def _intent(store: Store, session: Thing) -> Thing:
    if session["payment_intent"] is not None:
        return store.get("payment_intent", session["payment_intent"])
    extra = store.hidden.get(session["id"], {})
    intent: Thing = {
        "id": store.new_id("pi"),
        "object": "payment_intent",
        "amount": session["amount_total"],
        "amount_capturable": 0,
        "amount_received": 0,
        "capture_method": "automatic",
        "confirmation_method": "automatic",
        "created": store.now(),
        "currency": session["currency"],
        "customer": None,
        "description": extra.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": extra.get("metadata", {}),
        "payment_method": None,
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
        "transfer_group": extra.get("transfer_group"),
    }
    session["payment_intent"] = intent["id"]
    return store.add(intent)


def _charge(store: Store, intent: Thing, *, wait: int) -> Thing:
    id = store.new_id("ch")  # noqa: A001
    # 2.9 % and 30 cents, as a domestic card costs.
    fee = -(-intent["amount"] * 29 // 1000) + 30
    line = balances.book(
        store,
        owner="",
        type="charge",
        source=id,
        amount=intent["amount"],
        currency=intent["currency"],
        fee=fee,
        wait=wait,
    )
    nothing = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}
    return store.add(
        {
            "id": id,
            "object": "charge",
            "amount": intent["amount"],
            "amount_captured": intent["amount"],
            "amount_refunded": 0,
            "balance_transaction": line["id"],
            "billing_details": nothing,
            "captured": True,
            "created": store.now(),
            "currency": intent["currency"],
            "customer": None,
            "description": intent["description"],
            "disputed": False,
            "livemode": False,
            "metadata": {},
            "paid": True,
            "payment_intent": intent["id"],
            "payment_method": None,
            "refunded": False,
            "status": "succeeded",
            "transfer_group": intent["transfer_group"],
        }
    )


def retrieve_intent(call: Call) -> Thing:
    """GET /v1/payment_intents/{intent}."""
    return call.store.get("payment_intent", call.args["intent"], call.owner, param="intent")


def retrieve_charge(call: Call) -> Thing:
    """GET /v1/charges/{charge}."""
    return call.store.get("charge", call.args["charge"], call.owner, param="charge")
