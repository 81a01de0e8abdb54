"""Comparing Stripe's balance with ours, line by line: every cent is explained, or it is listed.

Each movement at Stripe must be one posting on ``stripe:balance`` for its amount and one for its
fee, and the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from payments import selectors
from payments.gateways import stripe as gateway
from payments.gateways.facts import BalanceLine
from payments.models import Topup
from payments.services import ledger


@dataclass(frozen=True)
class Break:
    """Something that does not match. ``kind``: missing_here, missing_there or amount_differs."""

    kind: str
    key: str
    there_micros: int | None
    here_micros: int | None
    says: str


@dataclass(frozen=True)
class Reconciliation:
    """What the comparison came to, in micro-units; clean when nothing is listed and the sums agree."""

    currency: str
    there_micros: int
    here_micros: int
    matched: int
    breaks: list[Break]

    @property
    def is_clean(self) -> bool:
        """Whether every cent is explained."""
        return not self.breaks and self.there_micros == self.here_micros


@dataclass(frozen=True)
class _Wanted:
    key: str
    micros: int
    at: datetime
    says: str


def run(currency: str = "USD") -> Reconciliation:
    """Compare everything of one currency. Outside a transaction. Raises StripeProblem.

    What moves while it runs may be listed although it is in order: run it again.
    """
    there = gateway.balance(currency)
    wanted = {one.key: one for line in gateway.balance_lines(currency) for one in _wanted(line)}
    here = {
        row["transaction__idem_key"]: row["amount_micros"]
        for row in selectors.statement(ledger.STRIPE_BALANCE, currency)
    }
    breaks = [
        Break("missing_here", key, one.micros, None, one.says)
        for key, one in wanted.items()
        if key not in here
    ]
    breaks += [
        Break("amount_differs", key, one.micros, here[key], one.says)
        for key, one in wanted.items()
        if key in here and here[key] != one.micros
    ]
    breaks += [
        Break("missing_there", key, None, micros, "Posted here, and unknown at Stripe.")
        for key, micros in here.items()
        if key not in wanted
    ]
    matched = sum(1 for key, one in wanted.items() if here.get(key) == one.micros)
    return Reconciliation(currency, there, sum(here.values()), matched, breaks)


def _wanted(line: BalanceLine) -> list[_Wanted]:
    """The postings that a movement at Stripe asks for."""
    key = f"{line.type}:{line.source or line.id}"
    if line.type in ("charge", "payment"):
        payment = Topup.objects.filter(charge_id=line.source).values_list("payment_id", flat=True)
        key = f"topup:{payment[0]}" if payment else key
    elif line.type == "transfer":
        key = f"transfer:{line.source}"
    says = f"{line.type} {line.source} of {line.created_at:%Y-%m-%d %H:%M}"
    found = [_Wanted(key, line.amount_micros, line.created_at, says)]
    if line.fee_micros:
        fee = _Wanted(f"fee:{line.id}", -line.fee_micros, line.created_at, f"fee of {says}")
        found.append(fee)
    return found
