"""Money in: a requester pays on Stripe's page, and the wallet is credited once it is paid.

The row is committed before Stripe hears of it and carries the key of the call; what Stripe then
says is read from Stripe itself, never from a browser that comes back.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection, transaction

from core import clock, errors, states
from payments import money
from payments.gateways import facts
from payments.gateways import stripe as gateway
from payments.models import Topup
from payments.services import batches, ledger

log = structlog.get_logger()

BATCH = 20
#: Longer than looking at one top-up can take.
LEASE = timedelta(seconds=120)
#: A webhook usually comes first; this is how often an open page is looked at without one.
FIRST_LOOK = timedelta(minutes=2)
LAST_LOOK = timedelta(minutes=30)
FEE_LOOK = timedelta(minutes=1)
#: A fee that still has not come is asked for twice a day in the end.
LAST_FEE_LOOK = timedelta(hours=12)
#: What becomes of a payment at the bank that did not succeed after the page was completed.
_GONE = ("requires_payment_method", "canceled")
#: A page that could not be opened for so long is given up; nobody has seen it.
GIVE_UP = timedelta(hours=20)
#: What a card can be charged at once, and what is worth its fee.
LEAST_MICROS = 1_000_000
MOST_MICROS = 999_999_990_000

_TAKE = """
UPDATE payments_topup AS topup
   SET next_check_at = core_now() + %(lease)s, attempts = least(topup.attempts + 1, 1000)
  FROM (SELECT id FROM payments_topup WHERE next_check_at <= core_now()
         ORDER BY next_check_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED) AS due
 WHERE topup.id = due.id
RETURNING topup.id
"""
_BOUNDS: dict[str, Any] = {"lease": LEASE, "batch": BATCH}


class TopupRefused(errors.Unprocessable):
    """Stripe will not take this payment."""

    code = "topup_refused"


def start(*, organization_id: UUID, amount_micros: int, currency: str, by: UUID, key: str) -> Topup:
    """Begin a top-up; the same key is the same top-up.

    Play money is there at once. For real money, call it outside any transaction: the answer has the
    address of the page to pay at, or none yet where Stripe does not answer; the sweep then opens
    the page. Raises Invalid, ``ledger.KeyReused`` for a key of another amount, TopupRefused.
    """
    _check_amount(amount_micros, currency)
    topup = _intend(organization_id, amount_micros, currency, by, key)
    if topup.state == Topup.State.NEW:
        topup = _open(topup)
    if topup.state == Topup.State.FAILED:
        raise TopupRefused("This payment cannot be made.")
    return topup


def look(topup_id: UUID) -> Topup:
    """Bring a top-up up to date with Stripe. Raises StripeProblem; then nothing is changed."""
    topup = Topup.objects.get(pk=topup_id)
    if topup.state == Topup.State.NEW:
        return _open(topup)
    if topup.state in (Topup.State.OPEN, Topup.State.PROCESSING):
        assert topup.checkout_id is not None
        return _follow(topup, gateway.get_checkout(topup.checkout_id))
    if topup.state == Topup.State.PAID and topup.fee_micros is None and topup.payment_id:
        return _credit(topup, gateway.get_payment(topup.payment_id))
    return topup


def look_at_checkout(checkout_id: str) -> bool:
    """Bring the top-up of a payment page up to date; False when the page is none of ours.

    Raises StripeProblem.
    """
    found = Topup.objects.filter(checkout_id=checkout_id).values_list("pk", flat=True).first()
    if found is None:
        # Our own answer to the page's making may have been lost: the page says whose it is.
        found = _of_reference(gateway.get_checkout(checkout_id).reference)
    if found is None:
        return False
    look(found)
    return True


def sweep() -> int:
    """Look at the top-ups that are due: pages without a webhook, lost answers, missing fees."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_TAKE, _BOUNDS)
        taken = [row[0] for row in cursor.fetchall()]
    tried = 0
    for topup_id in batches.in_time(taken):
        tried += 1
        try:
            look(topup_id)
        except facts.StripeProblem as problem:
            _note(topup_id, problem)
    return tried


# --- steps -----------------------------------------------------------------------------------
def _check_amount(amount_micros: int, currency: str) -> None:
    if not money.is_known(currency):
        said = f"One of: {', '.join(money.CURRENCIES)}."
        raise errors.Invalid("There is no such currency.", errors={"currency": [said]})
    least, most = LEAST_MICROS, MOST_MICROS
    if money.CURRENCIES[currency].is_play:
        least, most = 1, money.LARGEST_MICROS
    said = ""
    if not least <= amount_micros <= most:
        said = f"From {money.display(least, currency)} to {money.display(most, currency)}."
    elif not money.CURRENCIES[currency].is_play and amount_micros % money.CENT_MICROS:
        said = "Whole cents."
    if said:
        raise errors.Invalid(
            "The wallet cannot be topped up like that.", errors={"amount_micros": [said]}
        )


def _intend(organization_id: UUID, amount_micros: int, currency: str, by: UUID, key: str) -> Topup:
    is_play = money.CURRENCIES[currency].is_play
    with transaction.atomic():
        now = clock.now()
        made, is_new = Topup.objects.get_or_create(
            organization_id=organization_id,
            key=key,
            defaults={
                "amount_micros": amount_micros,
                "currency": currency,
                "created_by_id": by,
                "created_at": now,
                "state_changed_at": now,
                # Should this process die before the page is open, the sweep opens it.
                "next_check_at": None if is_play else now + LEASE,
            },
        )
        if (made.amount_micros, made.currency) != (amount_micros, currency):
            raise ledger.KeyReused("This key was used for another top-up.")
        if is_new and is_play:
            _move(made, Topup.State.PAID, paid_at=now)
            minted = ledger.move(
                key=f"topup:{made.pk}",
                kind=ledger.Kind.TOPUP,
                currency=currency,
                debit=ledger.PLAY_MINT,
                credit=ledger.requester_balance(organization_id),
                amount_micros=amount_micros,
                by=by,
            )
            ledger.post([minted])
    return made


def _open(topup: Topup) -> Topup:
    """Open the page, or find the one that was opened; twice is as once under the row's own key."""
    back = f"{settings.PUBLIC_URL}/?topup={topup.pk}"
    if topup.created_at + GIVE_UP < clock.now():
        return _close(topup.pk, Topup.State.FAILED, "the payment page could not be opened")
    try:
        page = gateway.open_checkout(
            key=f"topup:{topup.pk}",
            amount_micros=topup.amount_micros,
            currency=topup.currency,
            description="Prepaid balance for labeling work",
            reference=f"topup:{topup.pk}",
            success_url=f"{back}&paid=1",
            cancel_url=back,
        )
    except facts.Refused as problem:
        return _close(topup.pk, Topup.State.FAILED, str(problem))
    except facts.StripeProblem as problem:
        return _note(topup.pk, problem)
    return _follow(topup, page)


def _follow(topup: Topup, page: facts.Checkout) -> Topup:
    """Do what the page's state asks for."""
    if (page.amount_micros, page.currency) != (topup.amount_micros, topup.currency):
        return _stop(topup.pk, f"page {page.id} is about another amount")
    with transaction.atomic():
        row = _locked(topup.pk)
        if row.state == Topup.State.NEW:
            _move(
                row,
                Topup.State.OPEN,
                checkout_id=page.id,
                checkout_url=page.url,
                expires_at=page.expires_at,
                next_check_at=clock.now() + FIRST_LOOK,
                attempts=0,
                last_error="",
            )
    if page.status == "complete" and page.payment_status == "paid":
        return _credit(row, gateway.get_payment(page.payment_id))
    if page.status == "expired":
        return _close(row.pk, Topup.State.EXPIRED, "")
    with transaction.atomic():
        row = _locked(topup.pk)
        if page.status == "complete" and row.state == Topup.State.OPEN:
            _move(row, Topup.State.PROCESSING, next_check_at=clock.now() + FIRST_LOOK, attempts=0)
        elif row.state in (Topup.State.OPEN, Topup.State.PROCESSING):
            _save(row, next_check_at=clock.now() + _pause(row.attempts))
    if row.state == Topup.State.PROCESSING and page.payment_id:
        return _settle(row, gateway.get_payment(page.payment_id))
    return row


def _settle(row: Topup, payment: facts.Payment) -> Topup:
    """A page stays complete and unpaid for ever when its payment fails days later at the bank."""
    if payment.status in _GONE:
        return _close(row.pk, Topup.State.FAILED, f"the payment did not succeed: {payment.status}")
    return _credit(row, payment)


def _credit(topup: Topup, payment: facts.Payment) -> Topup:
    """Credit the wallet once, and book what Stripe kept as soon as it is known."""
    if payment.status != "succeeded":
        return topup
    if (payment.amount_micros, payment.currency) != (topup.amount_micros, topup.currency):
        return _stop(topup.pk, f"payment {payment.id} is of another amount")
    with transaction.atomic():
        row = _locked(topup.pk)
        now = clock.now()
        fee = row.fee_micros if payment.fee_micros is None else payment.fee_micros
        known: dict[str, Any] = {
            "payment_id": payment.id,
            "charge_id": payment.charge_id or row.charge_id,
            "fee_micros": fee,
            "next_check_at": None if fee is not None else now + _fee_pause(row),
            "last_error": "",
        }
        if row.state in (Topup.State.OPEN, Topup.State.PROCESSING):
            _move(row, Topup.State.PAID, paid_at=now, attempts=0, **known)
        elif row.state == Topup.State.PAID:
            _save(row, **known)
        else:
            return row
        ledger.post(_postings(row, payment))
    log.info("topup_paid", topup=str(row.pk), payment=payment.id)
    return row


def _postings(row: Topup, payment: facts.Payment) -> list[ledger.Posting]:
    paid = ledger.move(
        key=f"topup:{payment.id}",
        kind=ledger.Kind.TOPUP,
        currency=row.currency,
        debit=ledger.STRIPE_BALANCE,
        credit=ledger.requester_balance(row.organization_id),
        amount_micros=row.amount_micros,
        by=row.created_by_id,
    )
    if not payment.fee_micros:
        return [paid]
    kept = ledger.move(
        key=f"fee:{payment.balance_line_id}",
        kind=ledger.Kind.STRIPE_FEE,
        currency=row.currency,
        debit=ledger.STRIPE_FEES,
        credit=ledger.STRIPE_BALANCE,
        amount_micros=payment.fee_micros,
    )
    return [paid, kept]


def _close(topup_id: UUID, state: str, why: str) -> Topup:
    with transaction.atomic():
        row = _locked(topup_id)
        if state in row.TRANSITIONS[row.state]:
            _move(row, state, next_check_at=None, last_error=why[:500])
    return row


def _note(topup_id: UUID, problem: facts.StripeProblem) -> Topup:
    """Keep what went wrong; the sweep comes back to it."""
    with transaction.atomic():
        row = _locked(topup_id)
        if row.next_check_at is not None:
            later = clock.now() + _pause(row.attempts, first=timedelta(seconds=15))
            _save(row, next_check_at=later, last_error=f"{problem.code}: {problem}"[:500])
    return row


def _stop(topup_id: UUID, why: str) -> Topup:
    """Something does not add up: a person has to look."""
    log.error("topup_does_not_add_up", topup=str(topup_id), why=why)
    with transaction.atomic():
        return _save(_locked(topup_id), next_check_at=None, last_error=why)


def _pause(attempts: int, *, first: timedelta = FIRST_LOOK) -> timedelta:
    return min(first * (1 << min(attempts, 10)), LAST_LOOK)


def _fee_pause(row: Topup) -> timedelta:
    if row.state != Topup.State.PAID:
        return FEE_LOOK
    return min(FEE_LOOK * (1 << min(row.attempts, 10)), LAST_FEE_LOOK)


def _of_reference(reference: str) -> UUID | None:
    try:
        wanted = UUID(reference.removeprefix("topup:"))
    except ValueError:
        return None
    return Topup.objects.filter(pk=wanted).values_list("pk", flat=True).first()


def _locked(topup_id: UUID) -> Topup:
    return Topup.objects.select_for_update(no_key=True).get(pk=topup_id)


def _move(row: Topup, state: str, **known: Any) -> None:
    states.move(row, state, state_changed_at=clock.now(), **known)


def _save(row: Topup, **known: Any) -> Topup:
    for name, value in known.items():
        setattr(row, name, value)
    row.save(update_fields=list(known))
    return row
