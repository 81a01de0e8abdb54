"""People, wallets and jobs' funds for trials, made by the services themselves."""

from __future__ import annotations

from uuid import UUID

from core.ids import new_id
from core.services import accounts
from payments.models import LedgerAccount
from payments.services import escrow, ledger

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
