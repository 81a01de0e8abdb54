"""What a worker does about a payout: ask for it, or take it back while nobody has sent it."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from core import clock, errors
from core.nudge import nudge
from payments import money, selectors
from payments.models import Payout
from payments.models.payout import OPEN
from payments.services import ledger, payees, payout_steps

#: Only this leaves; play money never does.
CURRENCY = "USD"


class PayoutOpen(errors.Conflict):
    """There is one on its way already."""

    code = "payout_open"


class BelowMinimum(errors.Conflict):
    """Less than is paid out at once."""

    code = "below_minimum"


class InsufficientFunds(errors.Conflict):
    """More than the worker has available."""

    code = "insufficient_funds"


def request(*, worker_id: UUID, by: UUID, amount_micros: int | None = None) -> Payout:
    """Ask for a payout; without an amount, of all that is available in whole cents.

    The money leaves "available" at once. Raises Invalid, PayoutOpen, BelowMinimum,
    InsufficientFunds.
    """
    if amount_micros is not None and (
        amount_micros <= 0 or amount_micros != money.cents_down(amount_micros)
    ):
        raise errors.Invalid(
            "This cannot be paid out.", errors={"amount_micros": ["Whole cents, more than 0."]}
        )
    with transaction.atomic():
        available = selectors.buckets(worker_id, CURRENCY).available
        wanted = money.cents_down(available) if amount_micros is None else amount_micros
        least = settings.PAYOUT_MINIMUM_MICROS
        if wanted < least:
            raise BelowMinimum(
                f"At least {money.display(least, CURRENCY)} are paid out at once;"
                f" {money.display(available, CURRENCY)} are available.",
                minimum_micros=least,
                available_micros=available,
            )
        row = _insert(worker_id, wanted)
        payout_steps.note(row, kind="requested", by=by, before="")
        try:
            ledger.post([_out_of_available(row, by)])
        except ledger.BelowFloor as short:
            raise InsufficientFunds(
                f"{money.display(short.balance_micros, CURRENCY)} are available.",
                available_micros=short.balance_micros,
            ) from short
        nudge("payments.review_payouts")
        return row


def cancel(*, payout_id: UUID, worker_id: UUID, by: UUID) -> Payout:
    """Take a payout back; the money is available again. Twice is as once.

    Raises NotFound (also for another worker's), IllegalTransition when it is on its way, held or
    over.
    """
    with transaction.atomic():
        row = payout_steps.locked(payout_id)
        if row.worker_id != worker_id:
            raise payout_steps.NoPayout("There is no such payout.")
        if row.state == Payout.State.CANCELLED:
            return row
        now = clock.now()
        payout_steps.move(
            row, Payout.State.CANCELLED, kind="cancelled", by=by, closed_at=now,
            next_attempt_at=None,
        )  # fmt: skip
        payout_steps.give_back(row, by=by)
        return row


def _insert(worker_id: UUID, amount_micros: int) -> Payout:
    now = clock.now()
    try:
        with transaction.atomic():
            return Payout.objects.create(
                worker_id=worker_id,
                account=payees.of(worker_id),
                amount_micros=amount_micros,
                currency=CURRENCY,
                state_changed_at=now,
                created_at=now,
                next_attempt_at=now,
            )
    except IntegrityError as error:
        if Payout.objects.filter(worker_id=worker_id, state__in=OPEN).exists():
            raise PayoutOpen("A payout of yours is on its way already.") from error
        raise


def _out_of_available(row: Payout, by: UUID) -> ledger.Posting:
    return ledger.move(
        key=f"payout:{row.pk}",
        kind=ledger.Kind.PAYOUT,
        currency=row.currency,
        debit=ledger.worker_available(row.worker_id),
        credit=ledger.worker_in_flight(row.worker_id),
        amount_micros=row.amount_micros,
        by=by,
    )
