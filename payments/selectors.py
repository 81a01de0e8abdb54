"""Reading the books: wallets, a worker's money, receipts, statements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet, Sum

from payments import pricing
from payments.models import (
    LINES,
    Earning,
    Escrow,
    LedgerBalance,
    LedgerEntry,
    LedgerTransaction,
    Payout,
    Topup,
)
from payments.models import accounts as chart


@dataclass(frozen=True)
class Buckets:
    """A worker's money in one currency, in micro-units.

    ``pending`` is accepted and within its hold, ``available`` can be withdrawn, ``in_flight`` is
    being paid out, ``held`` is under investigation.
    """

    currency: str
    pending: int = 0
    available: int = 0
    in_flight: int = 0
    held: int = 0

    @property
    def total(self) -> int:
        """All that the worker has with us."""
        return self.pending + self.available + self.in_flight + self.held


def balances(codes: Iterable[str], currency: str) -> dict[str, int]:
    """What tracked accounts hold, by code, in micro-units; one that was never used holds 0.

    One statement.
    """
    wanted = list(codes)
    found = LedgerBalance.objects.filter(
        account__code__in=wanted, account__currency=currency
    ).values_list("account__code", "amount_micros")
    return {**dict.fromkeys(wanted, 0), **dict(found)}


def wallet(organization_id: UUID, currency: str) -> int:
    """What a requester can spend, in micro-units."""
    code = chart.requester_balance(organization_id)
    return balances([code], currency)[code]


def buckets(worker_id: UUID, currency: str) -> Buckets:
    """Where a worker's money stands in one currency."""
    of = {
        "pending": chart.worker_pending(worker_id),
        "available": chart.worker_available(worker_id),
        "in_flight": chart.worker_in_flight(worker_id),
        "held": chart.worker_held(worker_id),
    }
    held = balances(of.values(), currency)
    return Buckets(currency, **{name: held[code] for name, code in of.items()})


def earnings_of(worker_id: UUID) -> QuerySet[Earning]:
    """A worker's earnings."""
    return Earning.objects.filter(worker_id=worker_id)


@dataclass(frozen=True)
class Receipt:
    """How one pay came about: the earning, its formula in words, and the legs in the ledger.

    ``legs`` are (account code, micro-units), debits positive.
    """

    earning: Earning
    explanation: str
    transaction: LedgerTransaction
    legs: list[tuple[str, int]]


def receipt(worker_id: UUID, earning_id: UUID) -> Receipt | None:
    """The receipt of one of a worker's earnings; None if there is no such earning of theirs."""
    found = earnings_of(worker_id).select_related("transaction").filter(pk=earning_id).first()
    if found is None:
        return None
    return Receipt(
        found, pricing.explain(found.quote), found.transaction, legs_of(found.transaction_id)
    )


def legs_of(transaction_id: UUID) -> list[tuple[str, int]]:
    """The legs of a ledger transaction in their order."""
    rows = LedgerEntry.objects.filter(transaction_id=transaction_id).order_by("n")
    return list(rows.values_list("account__code", "amount_micros"))


def statement(code: str, currency: str) -> QuerySet[LedgerEntry, Any]:
    """The entries of one account with their transactions' facts; order by ``-id`` for the latest.

    Amounts are as the ledger keeps them: debits positive.
    """
    return LedgerEntry.objects.filter(account__code=code, account__currency=currency).values(
        "id",
        "amount_micros",
        "transaction_id",
        "transaction__kind",
        "transaction__memo",
        "transaction__created_at",
        "transaction__idem_key",
    )


@dataclass(frozen=True)
class Reserved:
    """What a requester's jobs hold, in micro-units: by line, and what no line claims."""

    lines: dict[str, int]
    free: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.lines.values()) + self.free


def reserved(organization_id: UUID, currency: str) -> Reserved:
    """What a requester's jobs hold. One statement."""
    rows = Escrow.objects.filter(organization_id=organization_id, currency=currency, closed_at=None)
    sums: dict[str, int | None] = rows.aggregate(
        held=Sum("account__balance__amount_micros"),
        **{line: Sum(f"{line}_micros") for line in LINES},
    )
    lines = {line: int(sums[line] or 0) for line in LINES}
    return Reserved(lines, int(sums["held"] or 0) - sum(lines.values()))


def topups_of(organization_id: UUID | None) -> QuerySet[Topup]:
    """A requester's top-ups; nobody's for a caller without an organization."""
    if organization_id is None:
        return Topup.objects.none()
    return Topup.objects.filter(organization_id=organization_id)


def payouts_of(worker_id: UUID) -> QuerySet[Payout]:
    """A worker's payouts."""
    return Payout.objects.filter(worker_id=worker_id)


_LATE = "SELECT extract(epoch FROM core_now() - min({0}))::float8 FROM {1} WHERE {0} <= core_now()"


def oldest_topup() -> float | None:
    """How many seconds ago the longest-waiting top-up was to be looked at; None when none is."""
    return oldest_row("next_check_at", "payments_topup")


def oldest_stripe_event() -> float | None:
    """The same of Stripe's notices."""
    return oldest_row("next_attempt_at", "payments_stripeevent", "state = 'received'")


def oldest_payout(*states: str) -> float | None:
    """The same of payouts in these states."""
    listed = ", ".join(f"'{Payout.State(state).value}'" for state in states)
    return oldest_row("next_attempt_at", "payments_payout", f"state IN ({listed})")


def oldest_row(column: str, table: str, condition: str = "true") -> float | None:
    """How many seconds ago the longest-waiting row of a table was due; None when none is."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_LATE.format(column, table)} AND {condition}")
        age: float | None = cursor.fetchone()[0]
        return age
