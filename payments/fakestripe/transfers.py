"""Transfers: out of the platform's available balance, into a connected account's."""

from __future__ import annotations

from payments.fakestripe import balances
from payments.fakestripe.calls import Call, page
from payments.fakestripe.problems import Refusal
from payments.fakestripe.store import Store, Thing


def create_transfer(call: Call) -> Thing:
    """POST /v1/transfers: out of the available balance, to an account that may receive."""
    given, store = call.params, call.store
    amount, currency = given.get("amount", 0), given["currency"]
    if amount <= 0:
        raise Refusal("Invalid positive integer", param="amount", code="parameter_invalid_integer")
    account = store.get("account", given["destination"], param="destination")
    active = account["capabilities"].get("transfers") == "active"
    if not active or store.faults.strike(call.request, "account_restricted"):
        raise Refusal(
            "Your destination account needs to have at least one of the following capabilities"
            " enabled: transfers, crypto_transfers, legacy_payments",
            code="insufficient_capabilities_for_transfer",
        )
    have = balances.sums(store, "")["available"].get(currency, 0)
    if amount > have or store.faults.strike(call.request, "balance_insufficient"):
        raise Refusal(
            "You have insufficient available funds in your Stripe account.",
            code="balance_insufficient",
        )
    return _transfer(store, account, given)


def _transfer(store: Store, account: Thing, given: Thing) -> Thing:
    id, arrival = store.new_id("tr"), store.new_id("py")  # noqa: A001
    amount, currency, to = given["amount"], given["currency"], account["id"]
    out = balances.book(
        store, owner="", type="transfer", source=id, amount=-amount, currency=currency
    )
    into = balances.book(
        store, owner=to, type="payment", source=arrival, amount=amount, currency=currency
    )
    store.add(
        {
            "id": arrival,
            "object": "charge",
            "amount": amount,
            "amount_captured": amount,
            "amount_refunded": 0,
            "balance_transaction": into["id"],
            "billing_details": {},
            "captured": True,
            "created": store.now(),
            "currency": currency,
            "disputed": False,
            "livemode": False,
            "metadata": {},
            "paid": True,
            "refunded": False,
            "source_transfer": id,
            "status": "succeeded",
        },
        to,
    )
    transfer = store.add(
        {
            "id": id,
            "object": "transfer",
            "amount": amount,
            "amount_reversed": 0,
            "balance_transaction": out["id"],
            "created": store.now(),
            "currency": currency,
            "description": given.get("description"),
            "destination": to,
            "destination_payment": arrival,
            "livemode": False,
            "metadata": given.get("metadata", {}),
            "reversals": {
                "object": "list",
                "data": [],
                "has_more": False,
                "url": f"/v1/transfers/{id}/reversals",
            },
            "reversed": False,
            "source_transaction": None,
            "source_type": "card",
            "transfer_group": given.get("transfer_group"),
        }
    )
    store.emit("transfer.created", transfer)
    return transfer


def retrieve_transfer(call: Call) -> Thing:
    """GET /v1/transfers/{transfer}."""
    return call.store.get("transfer", call.args["transfer"], call.owner, param="transfer")


def list_transfers(call: Call) -> Thing:
    """GET /v1/transfers, by destination and transfer_group."""
    wanted = {
        name: call.params[name] for name in ("destination", "transfer_group") if name in call.params
    }
    found = [
        one
        for one in call.store.all("transfer", call.owner)
        if all(one[name] == value for name, value in wanted.items())
    ]
    return page(call, found, "/v1/transfers")
