"""What Stripe says, in our own words: plain facts in micro-units, and errors that say what is known.

An error's class answers one question: did anything happen at Stripe?
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


class StripeProblem(Exception):
    """Stripe did not do as asked. ``is_stored``: the idempotency key will go on answering this."""

    def __init__(self, message: str, *, code: str = "", is_stored: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.is_stored = is_stored


class NothingHappened(StripeProblem):
    """Certainly no effect, and another time it may work."""


class InsufficientBalance(NothingHappened):
    """The platform's available balance is too small at the moment."""


class Restricted(StripeProblem):
    """Certainly no effect: the receiving account may not be paid as it is."""


class Refused(StripeProblem):
    """Certainly no effect, and asking again will change nothing."""


class Missing(Refused):
    """Stripe knows no such object."""


class Unclear(StripeProblem):
    """The answer was lost, or says nothing: it may have happened or not."""


class BadSignature(Exception):
    """This did not come from Stripe, or is too old."""


@dataclass(frozen=True)
class Checkout:
    """A payment page. ``payment_status`` is "paid", "unpaid" or "no_payment_required"."""

    id: str
    url: str
    status: str
    payment_status: str
    payment_id: str
    amount_micros: int
    currency: str
    expires_at: datetime
    reference: str


@dataclass(frozen=True)
class Payment:
    """A payment that was made; the fee is known once Stripe has booked the charge."""

    id: str
    status: str
    amount_micros: int
    currency: str
    charge_id: str
    balance_line_id: str
    fee_micros: int | None


@dataclass(frozen=True)
class Account:
    """A connected account as it is at this moment."""

    id: str
    country: str
    currency: str
    transfers_active: bool
    payouts_enabled: bool
    details_submitted: bool
    currently_due: list[str]
    past_due: list[str]
    disabled_reason: str
    bank_fingerprint: str
    bank_label: str


@dataclass(frozen=True)
class Transfer:
    """Money that went to a connected account."""

    id: str
    amount_micros: int
    reversed_micros: int
    currency: str
    destination: str
    destination_payment: str
    group: str
    created_at: datetime


@dataclass(frozen=True)
class BankPayout:
    """What a connected account was paid at its bank; ``status`` is "paid", "failed", …"""

    id: str
    status: str
    failure_code: str
    amount_micros: int


@dataclass(frozen=True)
class BalanceLine:
    """One movement of the platform's balance; the fee is within, not on top: net is amount - fee."""

    id: str
    type: str
    source: str
    amount_micros: int
    fee_micros: int
    currency: str
    created_at: datetime


@dataclass(frozen=True)
class Notice:
    """A verified event: which object to look at again."""

    id: str
    type: str
    account: str
    object_id: str
    livemode: bool
    created_at: datetime
