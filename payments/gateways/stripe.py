"""Stripe, through its own client. The only module that imports it.

Every call that changes something carries our own idempotency key, and none is made inside a
database transaction. A call waits twenty seconds at most for a connection and an answer. Reads are
not repeated here, sweeps come back to them; what makes or changes something is repeated once by the
client under its key, transfers never. Amounts are whole cents.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection

from payments.gateways import answers
from payments.gateways.facts import (
    Account,
    BadSignature,
    BalanceLine,
    BankPayout,
    Checkout,
    InsufficientBalance,
    Missing,
    NothingHappened,
    Notice,
    Payment,
    Refused,
    Restricted,
    StripeProblem,
    Transfer,
    Unclear,
)

if TYPE_CHECKING:
    import stripe

CONNECT_SECONDS = 5
ANSWER_SECONDS = 15
#: The same where a person waits for a page that can do without.
AWAITED_SECONDS = (1, 3)
TOLERANCE_SECONDS = 300
PAGE = 100

_RESTRICTED = frozenset(
    {"insufficient_capabilities_for_transfer", "account_invalid", "transfers_not_allowed"}
)
_kept = threading.local()


class InsideTransaction(RuntimeError):
    """A call was about to be made with a database transaction open: a mistake of ours."""


def open_checkout(
    *,
    key: str,
    amount_micros: int,
    currency: str,
    description: str,
    reference: str,
    success_url: str,
    cancel_url: str,
) -> Checkout:
    """Make a payment page for one amount. Raises StripeProblem."""
    params: dict[str, Any] = {
        "mode": "payment",
        "client_reference_id": reference,
        "success_url": success_url,
        "cancel_url": cancel_url,
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": currency.lower(),
                    "unit_amount": answers.cents(amount_micros),
                    "product_data": {"name": description},
                },
            }
        ],
        "metadata": {"reference": reference},
        "payment_intent_data": {"transfer_group": reference, "metadata": {"reference": reference}},
    }
    return answers.checkout(
        _call(lambda client: client.v1.checkout.sessions.create(params, _options(key)))  # type: ignore[arg-type]
    )


def get_checkout(checkout_id: str) -> Checkout:
    """A payment page as it is now. Raises StripeProblem."""
    return answers.checkout(_call(lambda client: client.v1.checkout.sessions.retrieve(checkout_id)))


def get_payment(payment_id: str) -> Payment:
    """A payment with what Stripe kept of it. Raises StripeProblem."""
    found = _call(
        lambda client: client.v1.payment_intents.retrieve(
            payment_id, {"expand": ["latest_charge.balance_transaction"]}
        )
    )
    charge = found.get("latest_charge") or {}
    line = charge.get("balance_transaction") or {}
    return Payment(
        id=found["id"],
        status=found["status"],
        amount_micros=answers.micros(found["amount_received"]),
        currency=found["currency"].upper(),
        charge_id=charge.get("id", ""),
        balance_line_id=line.get("id", ""),
        fee_micros=answers.micros(line["fee"]) if line else None,
    )


def make_account(*, key: str, country: str, email: str, reference: str) -> Account:
    """Make a connected account that can receive transfers once it is set up.

    The platform pays Stripe's fees and bears losses; Stripe asks for what it must know and shows
    its own dashboard. Raises StripeProblem.
    """
    params: dict[str, Any] = {
        "country": country,
        "email": email,
        "business_type": "individual",
        "controller": {
            "fees": {"payer": "application"},
            "losses": {"payments": "application"},
            "stripe_dashboard": {"type": "express"},
        },
        "capabilities": {"transfers": {"requested": True}},
        "metadata": {"reference": reference},
    }
    return answers.account(_call(lambda client: client.v1.accounts.create(params, _options(key))))  # type: ignore[arg-type]


def get_account(account_id: str, *, is_awaited: bool = False) -> Account:
    """A connected account as it is now. Raises StripeProblem, and soon where somebody waits."""
    return answers.account(
        _call(lambda client: client.v1.accounts.retrieve(account_id), is_awaited=is_awaited)
    )


def setup_link(*, key: str, account_id: str, return_url: str, refresh_url: str) -> str:
    """The address of a page, good once and for minutes, where an account is set up.

    Raises StripeProblem.
    """
    params: Any = {
        "account": account_id,
        "type": "account_onboarding",
        "return_url": return_url,
        "refresh_url": refresh_url,
    }
    made = _call(lambda client: client.v1.account_links.create(params, _options(key)))
    return str(made["url"])


def make_transfer(
    *, key: str, amount_micros: int, currency: str, destination: str, group: str
) -> Transfer:
    """Move money to a connected account. Raises StripeProblem; the class says what is known.

    The client does not try again by itself: after a try that may have arrived, a refused connection
    would no longer mean that nothing happened.
    """
    params: Any = {
        "amount": answers.cents(amount_micros),
        "currency": currency.lower(),
        "destination": destination,
        "transfer_group": group,
        "metadata": {"reference": group},
    }
    options = _options(key, max_network_retries=0)
    return answers.transfer(_call(lambda client: client.v1.transfers.create(params, options)))


def find_transfers(group: str) -> list[Transfer]:
    """All transfers of a group, whatever key they were made under. Raises StripeProblem."""
    found = _call(lambda client: client.v1.transfers.list({"transfer_group": group, "limit": PAGE}))
    return [answers.transfer(one) for one in found["data"]]


def get_bank_payout(payout_id: str, account_id: str) -> BankPayout:
    """A bank payout of a connected account. Raises StripeProblem."""
    found = _call(
        lambda client: client.v1.payouts.retrieve(payout_id, options={"stripe_account": account_id})
    )
    return BankPayout(
        id=found["id"],
        status=found["status"],
        failure_code=found.get("failure_code") or "",
        amount_micros=answers.micros(found["amount"]),
    )


def bank_payout_sources(payout_id: str, account_id: str) -> list[str]:
    """Ids of what a bank payout paid out: payments, and earlier payouts that came back.

    Raises StripeProblem.
    """
    lines = _pages(
        lambda client, after: client.v1.balance_transactions.list(
            {"payout": payout_id, "limit": PAGE, **after}, {"stripe_account": account_id}
        )
    )
    return [line["source"] for line in lines if line["type"] != "payout"]


def balance(currency: str) -> int:
    """What the platform has at Stripe, available and pending together. Raises StripeProblem."""
    found = _call(lambda client: client.v1.balance.retrieve())
    parts = [*found["available"], *found["pending"]]
    return sum(
        answers.micros(one["amount"]) for one in parts if one["currency"] == currency.lower()
    )


def balance_lines(currency: str) -> Iterator[BalanceLine]:
    """Every movement of the platform's balance, newest first. Raises StripeProblem."""
    for line in _pages(
        lambda client, after: client.v1.balance_transactions.list(
            {"currency": currency.lower(), "limit": PAGE, **after}
        )
    ):
        yield BalanceLine(
            id=line["id"],
            type=line["type"],
            source=line.get("source") or "",
            amount_micros=answers.micros(line["amount"]),
            fee_micros=answers.micros(line["fee"]),
            currency=line["currency"].upper(),
            created_at=answers.time(line["created"]),
        )


def read_notice(payload: bytes, signature: str) -> Notice:
    """Verify a webhook by its raw body and read what it is about. Raises BadSignature.

    The setting may hold several secrets, with commas between them: each endpoint at Stripe (the
    platform's own, that of connected accounts) signs with its own.
    """
    secrets = [one.strip() for one in settings.STRIPE_WEBHOOK_SECRET.split(",") if one.strip()]
    problem = BadSignature("no secret is set")
    for secret in secrets:
        try:
            return _read_signed(payload, signature, secret)
        except BadSignature as refused:
            problem = refused
    raise problem


def _read_signed(payload: bytes, signature: str, secret: str) -> Notice:
    import stripe

    try:
        event = stripe.Webhook.construct_event(
            payload, signature, secret, TOLERANCE_SECONDS
        ).to_dict()
        return Notice(
            id=str(event["id"]),
            type=str(event["type"]),
            account=str(event.get("account") or ""),
            object_id=str(event["data"]["object"].get("id") or ""),
            livemode=bool(event["livemode"]),
            created_at=answers.time(event["created"]),
        )
    except (
        stripe.SignatureVerificationError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as e:
        raise BadSignature(str(e)) from e


def is_live() -> bool:
    """Whether our key moves real money."""
    return "_live_" in settings.STRIPE_SECRET_KEY


# --- the call --------------------------------------------------------------------------------
def _client(seconds: tuple[float, float]) -> stripe.StripeClient:
    """This thread's client that waits so long; a connection is not shared between threads."""
    import stripe

    place = (settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)
    if getattr(_kept, "place", None) != place:
        _kept.clients, _kept.place = {}, place
    clients: dict[tuple[float, float], stripe.StripeClient] = _kept.clients
    if seconds not in clients:
        base = settings.STRIPE_API_BASE
        clients[seconds] = stripe.StripeClient(
            settings.STRIPE_SECRET_KEY or "none",
            base_addresses={"api": base} if base else {},
            http_client=stripe.RequestsClient(timeout=seconds),
            max_network_retries=0,
        )
    return clients[seconds]


def _call(ask: Callable[[stripe.StripeClient], Any], *, is_awaited: bool = False) -> dict[str, Any]:
    """Make a call; its answer as plain data, its errors as ours."""
    import stripe

    if connection.in_atomic_block:
        raise InsideTransaction("Stripe is never called with a database transaction open")
    try:
        seconds = AWAITED_SECONDS if is_awaited else (CONNECT_SECONDS, ANSWER_SECONDS)
        answer: dict[str, Any] = ask(_client(seconds)).to_dict()
    except stripe.StripeError as error:
        raise _problem(error) from error
    return answer


def _pages(ask: Callable[[stripe.StripeClient, Any], Any]) -> Iterator[dict[str, Any]]:
    """The items of a list, page by page."""
    after: dict[str, str] = {}
    while True:
        found = _call(lambda client, after=after: ask(client, after))  # type: ignore[misc]
        yield from found["data"]
        if not found["has_more"] or not found["data"]:
            return
        after = {"starting_after": found["data"][-1]["id"]}


def _options(key: str, **options: Any) -> Any:
    return {"idempotency_key": key, "max_network_retries": 1, **options}


def _problem(error: stripe.StripeError) -> StripeProblem:
    """What an error of the client's means. Where it is not certain, it is unclear."""
    import stripe

    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    is_replayed = headers.get("idempotent-replayed") == "true"
    body = error.json_body if isinstance(error.json_body, dict) else {}
    # The client takes the code over into some of its errors only.
    code = str((body.get("error") or {}).get("code") or error.code or "")
    message = error.user_message or type(error).__name__
    kind: type[StripeProblem] = Unclear
    is_stored = is_replayed
    if isinstance(error, stripe.APIConnectionError):
        kind = NothingHappened if _never_left(error) else Unclear
        message = str(error.__cause__ or message)
    elif isinstance(error, (stripe.RateLimitError, stripe.AuthenticationError)):
        kind = NothingHappened
    elif isinstance(error, stripe.IdempotencyError) or error.http_status == 409:
        kind = Unclear
    elif code in _RESTRICTED:
        kind, is_stored = Restricted, True
    elif code == "balance_insufficient":
        kind, is_stored = InsufficientBalance, True
    elif isinstance(error, (stripe.InvalidRequestError, stripe.CardError, stripe.PermissionError)):
        kind, is_stored = (Missing if code == "resource_missing" else Refused), True
    return kind(message[:500], code=code or type(error).__name__, is_stored=is_stored)


def _never_left(error: stripe.APIConnectionError) -> bool:
    """Whether no connection came about, so that nothing can have been sent."""
    import requests
    from urllib3.exceptions import NewConnectionError

    cause = error.__cause__
    if isinstance(cause, requests.ConnectTimeout):
        return True
    inner = getattr(cause.args[0], "reason", None) if cause is not None and cause.args else None
    return isinstance(inner, NewConnectionError)
