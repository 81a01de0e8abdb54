"""The one way a payout moves: under its lock, along its table, with the step written down."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction

from core import clock, errors, states
from payments.models import Payout, PayoutEvent
from payments.services import ledger

#: Stops of a payout that people decide about and that may still be taken back.
UNDECIDED = (Payout.State.REQUESTED, Payout.State.BLOCKED, Payout.State.NEEDS_REVIEW)


class NoPayout(errors.NotFound):
    """There is no such payout."""


def locked(payout_id: UUID) -> Payout:
    """A payout, ours until the end of the transaction. Raises NoPayout."""
    assert transaction.get_connection().in_atomic_block
    row = Payout.objects.select_for_update(no_key=True).filter(pk=payout_id).first()
    if row is None:
        raise NoPayout("There is no such payout.")
    return row


def move(
    row: Payout,
    state: str,
    *,
    kind: str,
    by: UUID | None = None,
    reason: str = "",
    evidence: dict[str, Any] | None = None,
    **known: Any,
) -> None:
    """Move a locked payout and write down who, why and on what evidence.

    ``known`` are facts of the row that change with it. Raises IllegalTransition.
    """
    before = row.state
    now = clock.now()
    states.move(row, state, state_changed_at=now, **known)
    note(row, kind=kind, by=by, reason=reason, evidence=evidence, before=before)


def note(
    row: Payout,
    *,
    kind: str,
    by: UUID | None = None,
    reason: str = "",
    evidence: dict[str, Any] | None = None,
    before: str | None = None,
) -> None:
    """Write down a step of a payout, one that moves it or one that does not."""
    PayoutEvent.objects.create(
        payout=row,
        at=clock.now(),
        by_id=by,
        kind=kind,
        from_state=row.state if before is None else before,
        to_state=row.state,
        reason=reason,
        evidence=evidence or {},
    )


def save(row: Payout, **known: Any) -> None:
    """Set facts of a locked payout that stays where it is."""
    for name, value in known.items():
        setattr(row, name, value)
    row.save(update_fields=list(known))


def give_back(row: Payout, *, by: UUID | None, to_held: bool = False) -> None:
    """Post the money of a payout that will not be made: back to available, or to held."""
    back = ledger.worker_held if to_held else ledger.worker_available
    undone = ledger.move(
        key=f"payout-undo:{row.pk}",
        kind=ledger.Kind.PAYOUT_UNDO,
        currency=row.currency,
        debit=ledger.worker_in_flight(row.worker_id),
        credit=back(row.worker_id),
        amount_micros=row.amount_micros,
        by=by,
    )
    ledger.post([undone])
