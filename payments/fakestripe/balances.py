"""Money at Stripe: every movement is a balance transaction, and a balance is their sum."""

from __future__ import annotations

from payments.fakestripe.calls import Call, page
from payments.fakestripe.store import Store, Thing

_CATEGORY = {
    "charge": "charge",
    "payment": "charge",
    "transfer": "transfer",
    "payout": "payout",
    "payout_failure": "payout_reversal",
}


def book(
    store: Store,
    *,
    owner: str,
    type: str,  # noqa: A002 - Stripe's word
    source: str,
    amount: int,
    currency: str,
    fee: int = 0,
    wait: int = 0,
    description: str | None = None,
) -> Thing:
    """Book a movement, in cents; it becomes available after ``wait`` seconds."""
    now = store.now()
    details = {
        "amount": fee,
        "application": None,
        "currency": currency,
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    return store.add(
        {
            "id": store.new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": now + wait,
            "balance_type": "payments",
            "created": now,
            "currency": currency,
            "description": description,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [details] if fee else [],
            "net": amount - fee,
            "reporting_category": _CATEGORY[type],
            "source": source,
            "status": "pending" if wait else "available",
            "type": type,
        },
        owner,
    )


def ripen(store: Store) -> None:
    """Let what is due become available."""
    now = store.now()
    for line in store.all("balance_transaction", None):
        if line["status"] == "pending" and line["available_on"] <= now:
            line["status"] = "available"


def sums(store: Store, owner: str) -> dict[str, dict[str, int]]:
    """Cents by status and currency."""
    found: dict[str, dict[str, int]] = {"available": {"usd": 0}, "pending": {"usd": 0}}
    for line in store.all("balance_transaction", owner):
        by_currency = found[line["status"]]
        by_currency[line["currency"]] = by_currency.get(line["currency"], 0) + line["net"]
    return found


def retrieve(call: Call) -> Thing:
    """GET /v1/balance."""
    found = sums(call.store, call.owner)

    def lines(status: str) -> list[Thing]:
        return [
            {"amount": amount, "currency": currency, "source_types": {"card": amount}}
            for currency, amount in sorted(found[status].items())
        ]

    return {
        "object": "balance",
        "available": lines("available"),
        "connect_reserved": [{"amount": 0, "currency": "usd"}],
        "livemode": False,
        "pending": lines("pending"),
    }


def list_transactions(call: Call) -> Thing:
    """GET /v1/balance_transactions, by type, source, currency and the payout that settled them."""
    wanted = {
        name: call.params[name] for name in ("type", "source", "currency") if name in call.params
    }
    settled = call.store.hidden.get("settled", {})
    payout = call.params.get("payout")
    found = [
        line
        for line in call.store.all("balance_transaction", call.owner)
        if all(line[name] == value for name, value in wanted.items())
        and (payout is None or settled.get(line["id"]) == payout)
    ]
    return page(call, found, "/v1/balance_transactions")


def retrieve_transaction(call: Call) -> Thing:
    """GET /v1/balance_transactions/{id}."""
    return call.store.get("balance_transaction", call.args["id"], call.owner)
