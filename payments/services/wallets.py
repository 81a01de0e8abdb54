"""Requesters' wallets: prepaid money, filled by top-ups, spent on jobs."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from core import clock, errors
from payments import money, selectors
from payments.models import Topup
from payments.services import ledger, topups


def balance(organization_id: UUID, currency: str = "USD") -> int:
    """What a requester can spend, in micro-units."""
    return selectors.wallet(organization_id, currency)


def start_topup(
    *, organization_id: UUID, amount_micros: int, currency: str, by: UUID, key: str
) -> Topup:
    """Begin to fill a wallet. The same key of a requester is the same top-up, whoever asks again.

    Play money is there at once. Real money is paid at Stripe's Checkout (``checkout_url``), and the
    wallet is credited when Stripe says that it was paid, never on the way back from there. Raises
    Invalid, ``ledger.KeyReused`` for a key of another amount, or what ``topups.start`` raises.
    """
    if not money.is_known(currency):
        known = ", ".join(sorted(money.CURRENCIES))
        raise errors.Invalid(
            "There is no such currency.", errors={"currency": [f"One of: {known}."]}
        )
    if not 0 < amount_micros <= money.LARGEST_MICROS:
        raise errors.Invalid("An amount is needed.", errors={"amount_micros": ["More than 0."]})
    if not money.CURRENCIES[currency].is_play:
        return topups.start(
            organization_id=organization_id,
            amount_micros=amount_micros,
            currency=currency,
            by=by,
            key=key,
        )
    return _mint(organization_id, amount_micros, currency, by, key)


def _mint(organization_id: UUID, amount_micros: int, currency: str, by: UUID, key: str) -> Topup:
    with transaction.atomic():
        now = clock.now()
        row, _ = Topup.objects.get_or_create(
            organization_id=organization_id,
            key=key,
            defaults={
                "created_by_id": by,
                "amount_micros": amount_micros,
                "currency": currency,
                "state": Topup.State.PAID,
                "created_at": now,
                "state_changed_at": now,
                "paid_at": now,
            },
        )
        if (row.amount_micros, row.currency) != (amount_micros, currency):
            raise ledger.KeyReused("This key was used for another top-up.")
        minted = ledger.move(
            key=f"topup:{row.pk}",
            kind=ledger.Kind.TOPUP,
            currency=currency,
            debit=ledger.PLAY_MINT,
            credit=ledger.requester_balance(organization_id),
            amount_micros=amount_micros,
            by=by,
        )
        ledger.post([minted])
        return row
