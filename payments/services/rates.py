"""Rate cards by version, and new versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from core import clock, errors
from payments import pricing
from payments.models import RateCard

_known: dict[int, pricing.Card] = {}


class NoCard(errors.NotFound):
    """There is no rate card of this version or currency."""

    code = "no_rate_card"


def current(currency: str) -> pricing.Card:
    """The card that new jobs of a currency are priced by. One statement. Raises NoCard."""
    found = (
        RateCard.objects.filter(currency=currency, active_from__lte=clock.now())
        .order_by("-version")
        .first()
    )
    if found is None:
        raise NoCard(f"There is no rate card for {currency}.")
    return _known.setdefault(found.version, found.card())


def get(version: int) -> pricing.Card:
    """One version's card; versions never change, so each process reads it once. Raises NoCard."""
    known = _known.get(version)
    if known is None:
        found = RateCard.objects.filter(pk=version).first()
        if found is None:
            raise NoCard(f"There is no rate card {version}.")
        known = _known.setdefault(version, found.card())
    return known


def publish(
    *,
    currency: str,
    specialties: Mapping[str, Decimal],
    tiers: Sequence[tuple[int, Decimal]],
    floor_per_hour_micros: int,
    fee_rate: Decimal,
    topup_cap: Decimal,
    by: UUID,
    active_from: datetime | None = None,
    note: str = "",
) -> pricing.Card:
    """Add a version. New jobs are priced by it from ``active_from`` on, at once without one.

    Launched jobs keep theirs. Raises Invalid with the problem of each field.
    """
    card = pricing.Card(
        version=0,
        currency=currency,
        specialties=dict(specialties),
        tiers=tuple((level, factor) for level, factor in tiers),
        floor_per_hour_micros=floor_per_hour_micros,
        fee_rate=fee_rate,
        topup_cap=topup_cap,
    )
    try:
        pricing.check(card)
    except pricing.BadCard as bad:
        raise errors.Invalid("The card cannot price work.", errors=bad.problems) from bad
    with transaction.atomic():
        # One after the other, so that the highest version is the one published last.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('ratecard', 0))")
        now = clock.now()
        made = RateCard.objects.create(
            currency=currency,
            specialties={name: f"{factor:.2f}" for name, factor in card.specialties.items()},
            tiers=[[level, f"{factor:.2f}"] for level, factor in card.tiers],
            floor_per_hour_micros=floor_per_hour_micros,
            fee_rate=fee_rate,
            topup_cap=topup_cap,
            note=note,
            active_from=active_from or now,
            created_at=now,
            created_by_id=by,
        )
    return replace(card, version=made.version)
