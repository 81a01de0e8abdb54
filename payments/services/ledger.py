"""Posting: the only way that money moves.

``post`` takes a list and is called once in a database transaction: all accounts are locked in one
order, and a second call could wait for a neighbour that waits for the first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import DatabaseError, connection

from core import errors
from core.ids import new_id
from payments import money
from payments.models import LedgerTransaction
from payments.models.accounts import (
    BAD_DEBT,
    BANK_OPERATING,
    GOODWILL,
    PLATFORM_FEES,
    PLAY_MINT,
    REFUNDS_IN_FLIGHT,
    STRIPE_BALANCE,
    STRIPE_FEES,
    SUSPENSE,
    job_escrow,
    requester_balance,
    requester_receivable,
    worker_available,
    worker_held,
    worker_in_flight,
    worker_pending,
    worker_receivable,
)

__all__ = [
    "BAD_DEBT",
    "BANK_OPERATING",
    "GOODWILL",
    "PLATFORM_FEES",
    "PLAY_MINT",
    "REFUNDS_IN_FLIGHT",
    "STRIPE_BALANCE",
    "STRIPE_FEES",
    "SUSPENSE",
    "BelowFloor",
    "KeyReused",
    "Kind",
    "NotPostable",
    "Posted",
    "Posting",
    "TooMuch",
    "job_escrow",
    "move",
    "post",
    "requester_balance",
    "requester_receivable",
    "worker_available",
    "worker_held",
    "worker_in_flight",
    "worker_pending",
    "worker_receivable",
]

Kind = LedgerTransaction.Kind


class KeyReused(errors.Unprocessable):
    """The key was used before, for another movement."""

    code = "idempotency_mismatch"


class BelowFloor(errors.Conflict):
    """An account holds too little: ``account`` is its code, ``balance_micros`` what it holds."""

    code = "insufficient_funds"

    def __init__(self, account: str, balance_micros: int, wanted_micros: int) -> None:
        super().__init__("There is too little money for this.")
        self.account = account
        self.balance_micros = balance_micros
        self.wanted_micros = wanted_micros


class TooMuch(errors.Conflict):
    """No account can hold that much."""

    code = "amount_too_large"


class NotPostable(ValueError):
    """A mistake of ours: legs that do not balance, or an account that is not in the chart."""


@dataclass(frozen=True)
class Posting:
    """One transaction to be posted. ``legs`` are (account code, micro-units), debits positive.

    ``key`` says what it is about, for ever: the same key with the same legs is the same
    transaction, with other legs it is refused. ``by`` is who caused it, ``reverses`` the id of a
    transaction that this one takes back, ``event_at`` when it happened if that was elsewhere.
    """

    key: str
    kind: str
    currency: str
    legs: Sequence[tuple[str, int]]
    memo: str = ""
    by: UUID | None = None
    reverses: UUID | None = None
    event_at: datetime | None = None


@dataclass(frozen=True)
class Posted:
    """A transaction in the ledger; ``is_new`` is False when its key had been posted before."""

    key: str
    id: UUID
    is_new: bool


def move(
    *, key: str, kind: str, currency: str, debit: str, credit: str, amount_micros: int, **facts: Any
) -> Posting:
    """A posting of two legs: debited here, credited there."""
    legs = ((debit, amount_micros), (credit, -amount_micros))
    return Posting(key, kind, currency, legs, **facts)


def post(postings: Sequence[Posting]) -> list[Posted]:
    """Post a list of transactions in one statement; the answers are in the same order.

    Call it inside a transaction, once, after every other row that the caller locks. Raises
    KeyReused, BelowFloor, TooMuch or NotPostable; the database transaction must then be given up.
    """
    assert connection.in_atomic_block, "money moves inside a transaction"
    if not postings:
        return []
    if any(abs(amount) > money.LARGEST_MICROS for one in postings for _, amount in one.legs):
        raise TooMuch("No account can hold that much.")
    batch = orjson.dumps([_row(one) for one in postings]).decode()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM payments_post(%s::jsonb)", [batch])
            rows = {(key, is_new): pk for key, pk, is_new in cursor.fetchall()}
    except DatabaseError as error:
        raise _told(error) from error
    return [_posted(one.key, rows) for one in postings]


def _row(one: Posting) -> Mapping[str, Any]:
    return {
        "id": new_id(),
        "key": one.key,
        "kind": str(one.kind),
        "currency": one.currency,
        "legs": one.legs,
        "memo": one.memo,
        "actor": one.by,
        "reverses": one.reverses,
        "event_at": one.event_at,
    }


def _posted(key: str, rows: dict[tuple[str, bool], UUID]) -> Posted:
    # A key that stands twice in one list is new the first time only.
    pk = rows.pop((key, True), None)
    if pk is not None:
        rows[key, False] = pk
        return Posted(key, pk, True)
    return Posted(key, rows[key, False], False)


def _told(error: DatabaseError) -> Exception:
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None)
    said = getattr(getattr(cause, "diag", None), "message_primary", None) or str(error)
    detail = getattr(getattr(cause, "diag", None), "message_detail", None) or ""
    if state == "PW402":
        short = json.loads(detail)
        return BelowFloor(short["code"], int(short["balance"]), int(short["wanted"]))
    if state == "PW409":
        return KeyReused("This key was used for another movement of money.")
    if state == "PW001":
        return NotPostable(said)
    if state == "22003":  # out of the range of 64 bits
        return TooMuch("No account can hold that much.")
    return error
