"""Connected accounts: made, onboarded on a page, and closed when Stripe wants more to know."""

from __future__ import annotations

import hashlib
import secrets

from payments.fakestripe.calls import Call
from payments.fakestripe.problems import Refusal
from payments.fakestripe.store import Store, Thing

#: Countries that transfers from here can reach by themselves.
COUNTRIES = frozenset(
    [
        "US",
        "GB",
        "CA",
        "CH",
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "HU",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "NO",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
    ]
)
#: Test bank accounts: why a payout there fails, or "" when it arrives.
BANKS = {"000123456789": "", "000111111116": "no_account", "000111111113": "account_closed"}
_LINK_SECONDS = 300


def create_account(call: Call) -> Thing:
    """POST /v1/accounts."""
    given = call.params
    country = given.get("country", "US")
    if country not in COUNTRIES:
        raise Refusal(f"{country} is not currently supported by Stripe.", param="country")
    wanted = given.get("capabilities", {})
    asked = {name for name, one in wanted.items() if one.get("requested")}
    id = call.store.new_id("acct")  # noqa: A001
    account: Thing = {
        "id": id,
        "object": "account",
        "business_type": given.get("business_type"),
        "capabilities": dict.fromkeys(sorted(asked), "inactive"),
        "charges_enabled": False,
        "controller": {
            "fees": given.get("controller", {}).get("fees", {"payer": "application_express"}),
            "is_controller": True,
            "losses": {"payments": "application"},
            "requirement_collection": "stripe",
            "stripe_dashboard": {"type": "express"},
            "type": "application",
        },
        "country": country,
        "created": call.store.now(),
        "default_currency": "usd",
        "details_submitted": False,
        "email": given.get("email"),
        "external_accounts": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/accounts/{id}/external_accounts",
        },
        "metadata": given.get("metadata", {}),
        "payouts_enabled": False,
        "requirements": _requirements(["external_account", "individual.verification.document"]),
        "type": "express",
    }
    return call.store.add(account)


def _requirements(
    due: list[str], *, past: list[str] | None = None, why: str | None = None
) -> Thing:
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": due,
        "disabled_reason": why,
        "errors": [],
        "eventually_due": due,
        "past_due": past or [],
        "pending_verification": [],
    }


def retrieve_account(call: Call) -> Thing:
    """GET /v1/accounts/{account}."""
    return call.store.get("account", call.args["account"], param="account")


def create_link(call: Call) -> Thing:
    """POST /v1/account_links: a page that is good once and for five minutes."""
    given = call.params
    call.store.get("account", given["account"], param="account")
    for name in ("refresh_url", "return_url"):
        if name not in given:
            raise Refusal(f"Missing required param: {name}.", code="parameter_missing", param=name)
    now = call.store.now()
    token = secrets.token_hex(12)
    call.store.hidden[f"link:{token}"] = {
        "account": given["account"],
        "return_url": given["return_url"],
        "refresh_url": given["refresh_url"],
        "expires_at": now + _LINK_SECONDS,
    }
    return {
        "object": "account_link",
        "created": now,
        "expires_at": now + _LINK_SECONDS,
        "url": f"{call.base_url}/setup/{token}",
    }


def onboard(store: Store, account_id: str, bank: str = "000123456789") -> Thing:
    """Complete what Stripe asks of an account; the bank account tells what its payouts come to."""
    account = store.get("account", account_id)
    account["external_accounts"]["data"] = [_bank(store, account, bank)]
    account["capabilities"] = dict.fromkeys(account["capabilities"] or ["transfers"], "active")
    account.update(details_submitted=True, payouts_enabled=True, requirements=_requirements([]))
    store.emit("account.updated", account, account_id)
    return account


def own_number() -> str:
    """The number of a bank account that nobody else has."""
    return f"100{secrets.randbelow(10**9):09d}"


def _bank(store: Store, account: Thing, number: str) -> Thing:
    return {
        "id": store.new_id("ba"),
        "object": "bank_account",
        "account": account["id"],
        "account_holder_name": None,
        "account_holder_type": "individual",
        "account_type": None,
        "available_payout_methods": ["standard"],
        "bank_name": "TEST BANK",
        "country": account["country"],
        "currency": account["default_currency"],
        "default_for_currency": True,
        "fingerprint": hashlib.sha256(number.encode()).hexdigest()[:16],
        "last4": number[-4:],
        "routing_number": "110000000",
        "status": BANKS.get(number, ""),
    }


def restrict(store: Store, account_id: str, why: str = "requirements.past_due") -> Thing:
    """Let Stripe close an account for transfers."""
    account = store.get("account", account_id)
    account["capabilities"] = dict.fromkeys(account["capabilities"], "inactive")
    due = ["individual.verification.document"]
    account.update(payouts_enabled=False, requirements=_requirements(due, past=due, why=why))
    store.emit("account.updated", account, account_id)
    return account
