"""Reading Stripe's answers, as plain data, into our own facts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from payments import money
from payments.gateways.facts import Account, Checkout, Transfer


def checkout(found: dict[str, Any]) -> Checkout:
    """A payment page."""
    return Checkout(
        id=found["id"],
        url=found.get("url") or "",
        status=found["status"],
        payment_status=found["payment_status"],
        payment_id=found.get("payment_intent") or "",
        amount_micros=micros(found["amount_total"]),
        currency=found["currency"].upper(),
        expires_at=time(found["expires_at"]),
        reference=found.get("client_reference_id") or "",
    )


def account(found: dict[str, Any]) -> Account:
    """A connected account."""
    needs = found.get("requirements") or {}
    banks = (found.get("external_accounts") or {}).get("data") or [{}]
    bank = next((one for one in banks if one.get("default_for_currency")), banks[0])
    return Account(
        id=found["id"],
        country=found.get("country") or "",
        currency=(found.get("default_currency") or "").upper(),
        transfers_active=(found.get("capabilities") or {}).get("transfers") == "active",
        payouts_enabled=bool(found.get("payouts_enabled")),
        details_submitted=bool(found.get("details_submitted")),
        currently_due=list(needs.get("currently_due") or []),
        past_due=list(needs.get("past_due") or []),
        disabled_reason=needs.get("disabled_reason") or "",
        bank_fingerprint=bank.get("fingerprint") or "",
        bank_label=f"{bank.get('bank_name') or 'Bank'} …{bank['last4']}"
        if bank.get("last4")
        else "",
    )


def transfer(found: dict[str, Any]) -> Transfer:
    """A transfer."""
    return Transfer(
        id=found["id"],
        amount_micros=micros(found["amount"]),
        reversed_micros=micros(found["amount_reversed"]),
        currency=found["currency"].upper(),
        destination=found.get("destination") or "",
        destination_payment=found.get("destination_payment") or "",
        group=found.get("transfer_group") or "",
        created_at=time(found["created"]),
    )


def cents(micros: int) -> int:
    """Whole cents; raises ValueError for what is not whole."""
    whole, rest = divmod(micros, money.CENT_MICROS)
    if rest:
        raise ValueError("only whole cents cross Stripe")
    return whole


def micros(cents: int) -> int:
    """Micro-units of so many cents."""
    return cents * money.CENT_MICROS


def time(seconds: int) -> datetime:
    """A time as Stripe writes it."""
    return datetime.fromtimestamp(seconds, UTC)
