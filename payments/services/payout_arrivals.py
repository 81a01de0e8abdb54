"""Following payouts to the bank: what Stripe paid out of workers' accounts, and what came back.

The money has left us with the transfer; what is recorded here is for the worker to see.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from core import clock
from payments.gateways import stripe as gateway
from payments.models import ConnectedAccount, Payout
from payments.services import payout_steps

State = Payout.State
_AT = {"paid": State.PAID, "failed": State.BANK_FAILED}


def follow(*, bank_payout_id: str, account_id: str) -> bool:
    """Bring the payouts that a bank payout contains up to date; False when it is none of ours.

    Whatever order events come in, what counts is the bank payout as Stripe shows it now. Outside a
    transaction. Raises StripeProblem.
    """
    account = ConnectedAccount.objects.filter(stripe_id=account_id).first()
    if account is None:
        return False
    found = gateway.get_bank_payout(bank_payout_id, account_id)
    wanted = _AT.get(found.status)
    if wanted is None:
        return True  # still on its way
    sources = gateway.bank_payout_sources(bank_payout_id, account_id)
    contained = Payout.objects.filter(
        Q(destination_payment__in=sources) | Q(bank_payout_id__in=sources),
        destination=account_id,
    )
    for payout_id in contained.values_list("pk", flat=True):
        with transaction.atomic():
            row = payout_steps.locked(payout_id)
            # A bank payout that failed says nothing of a later one that carries the money again.
            is_past = row.bank_payout_id not in ("", bank_payout_id, *sources)
            if is_past or row.state == wanted or wanted not in row.TRANSITIONS[row.state]:
                continue
            payout_steps.move(
                row,
                wanted,
                kind=wanted,
                reason=found.failure_code,
                evidence={"bank_payout": found.id},
                bank_payout_id=found.id,
                paid_at=clock.now() if wanted == State.PAID else None,
            )
    return True
