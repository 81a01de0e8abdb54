"""People, wallets and jobs' funds for trials, made by the services themselves."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from core.ids import new_id
from core.services import accounts
from payments.models import LedgerAccount
from payments.services import earnings, escrow, ledger

UNIT = 1_000_000


def person() -> UUID:
    """Somebody; a worker needs no more for the money plane."""
    return accounts.create_user(email=f"{new_id()}@example.org", password=None).pk


def requester(*, credit_micros: int = 0, currency: str = "XTS") -> UUID:
    """An organization, with so much in its wallet."""
    made = accounts.create_organization(name="Acme", by=person())
    if credit_micros:
        credit(made.pk, credit_micros, currency)
    return made.pk


def credit(organization_id: UUID, amount_micros: int, currency: str = "XTS") -> None:
    """Put money into a wallet as a paid top-up does."""
    source = ledger.PLAY_MINT if currency == "XTS" else ledger.STRIPE_BALANCE
    post(
        ledger.move(
            key=f"topup:{new_id()}",
            kind=ledger.Kind.TOPUP,
            currency=currency,
            debit=source,
            credit=ledger.requester_balance(organization_id),
            amount_micros=amount_micros,
        )
    )


def post(*postings: ledger.Posting) -> list[ledger.Posted]:
    from django.db import transaction

    with transaction.atomic():
        return ledger.post(list(postings))


def funded_job(
    organization_id: UUID, budget_micros: int, currency: str = "XTS", *, by: UUID | None = None
) -> UUID:
    """The id of a job with reserved funds out of the requester's wallet."""
    job_id = new_id()
    escrow.open(job_id=job_id, organization_id=organization_id, currency=currency)
    escrow.fund(
        job_id=job_id, amount_micros=budget_micros, key=f"launch:{job_id}", by=by or new_id()
    )
    return job_id


def balance(code: str, currency: str = "XTS") -> int:
    """What a tracked account holds on its natural side; 0 before it exists."""
    account = LedgerAccount.objects.filter(code=code, currency=currency).first()
    return account.balance.amount_micros if account else 0


def quote(amount_micros: int, fee_micros: int, currency: str = "XTS") -> dict[str, object]:
    """A promise of that pay for one item, as an assignment keeps it."""
    return {
        "currency": currency,
        "unit": "item",
        "units": "1.000",
        "unit_price": f"{amount_micros}.000000",
        "base_rate_micros": amount_micros,
        "specialty": "text",
        "specialty_factor": "1.000",
        "difficulty": "1.00",
        "tier": "1.00",
        "tier_lower_bound": None,
        "floor_per_hour_micros": 8_000_000,
        "seconds_per_unit": "1.000",
        "fee_rate": "0.2000",
        "guaranteed_micros": amount_micros,
        "bonus_max_micros": 0,
        "fee_micros": fee_micros,
        "card_version": 1,
    }


def accepted(
    job_id: UUID,
    organization_id: UUID,
    worker_id: UUID,
    *,
    amount_micros: int = 18_000,
    fee_micros: int = 3_600,
    reserve_micros: int = 30_000,
    currency: str = "XTS",
    **facts: Any,
) -> earnings.AcceptedWork:
    """An accepted answer, to be paid."""
    known: dict[str, Any] = {
        "assignment_id": new_id(),
        "line": "work",
        "hold_days": 3,
        "hold_reason": "proven worker",
        **facts,
    }
    return earnings.AcceptedWork(
        worker_id=worker_id,
        job_id=job_id,
        organization_id=organization_id,
        quote=quote(amount_micros, fee_micros, currency),
        amount_micros=amount_micros,
        fee_micros=fee_micros,
        reserve_micros=reserve_micros,
        **known,
    )
