"""Requesters' wallets: prepaid money, filled by top-ups, spent on jobs."""

from __future__ import annotations

from uuid import UUID

from payments import selectors
from payments.models import Topup
from payments.services import topups


def balance(organization_id: UUID, currency: str = "USD") -> int:
    """What a requester can spend, in micro-units."""
    return selectors.wallet(organization_id, currency)


def start_topup(
    *, organization_id: UUID, amount_micros: int, currency: str, by: UUID, key: str
) -> Topup:
    """Begin to fill a wallet: play money is there at once, real money once Stripe says it was paid.

    See ``topups.start``, which raises what this raises.
    """
    return topups.start(
        organization_id=organization_id,
        amount_micros=amount_micros,
        currency=currency,
        by=by,
        key=key,
    )
