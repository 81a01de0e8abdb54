"""Payouts of connected accounts to their banks: what a worker at last sees on a statement."""

from __future__ import annotations

from payments.fakestripe import balances
from payments.fakestripe.calls import Call
from payments.fakestripe.store import Store, Thing


def pay_out(store: Store, account_id: str) -> Thing | None:
    """Pay what an account has to its bank; None when there is nothing to pay."""
    account = store.get("account", account_id)
    settled = store.hidden.setdefault("settled", {})
    lines = [
        line
        for line in store.all("balance_transaction", account_id)
        if line["id"] not in settled and line["status"] == "available"
    ]
    amount = sum(line["net"] for line in lines)
    if amount <= 0 or not account["payouts_enabled"]:
        return None
    bank = account["external_accounts"]["data"][0]
    why = bank["status"] or (
        "could_not_process" if store.faults.strike(f"PAYOUT {account_id}", "payout_failed") else ""
    )
    payout = _payout(store, account_id, bank, amount, why)
    settled.update({line["id"]: payout["id"] for line in lines})
    out = balances.book(
        store, owner=account_id, type="payout", source=payout["id"], amount=-amount,
        currency=payout["currency"],
    )  # fmt: skip
    payout["balance_transaction"] = out["id"]
    settled[out["id"]] = payout["id"]
    if why:
        # The bank sends it back; the next payout settles this line.
        back = balances.book(
            store, owner=account_id, type="payout_failure", source=payout["id"], amount=amount,
            currency=payout["currency"],
        )  # fmt: skip
        payout["failure_balance_transaction"] = back["id"]
    store.emit("payout.created", payout, account_id)
    store.emit("payout.failed" if why else "payout.paid", payout, account_id)
    return payout


def _payout(store: Store, account_id: str, bank: Thing, amount: int, why: str) -> Thing:
    return store.add(
        {
            "id": store.new_id("po"),
            "object": "payout",
            "amount": amount,
            "arrival_date": store.now(),
            "automatic": True,
            "balance_transaction": None,
            "created": store.now(),
            "currency": bank["currency"],
            "description": "STRIPE PAYOUT",
            "destination": bank["id"],
            "failure_code": why or None,
            "failure_message": why or None,
            "livemode": False,
            "metadata": {},
            "method": "standard",
            "reconciliation_status": "completed",
            "source_type": "card",
            "statement_descriptor": None,
            "status": "failed" if why else "paid",
            "type": "bank_account",
        },
        account_id,
    )


def retrieve_payout(call: Call) -> Thing:
    """GET /v1/payouts/{payout}."""
    return call.store.get("payout", call.args["payout"], call.owner, param="payout")


def pay_out_due(store: Store) -> None:
    """Pay out what has lain on connected accounts for the time that the store was told."""
    if store.payout_seconds is None:
        return
    before = store.now() - store.payout_seconds
    settled = store.hidden.setdefault("settled", {})
    due = {
        store.owners[line["id"]]
        for line in store.all("balance_transaction", None)
        if line["id"] not in settled and store.owners[line["id"]] and line["created"] <= before
    }
    for account_id in sorted(due):
        pay_out(store, account_id)
