"""Workers with real money to withdraw, their accounts at the stand-in, and people who decide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.contrib.auth.models import Permission

from core import audit, clock
from core.ids import new_id
from core.models import User
from payments.fakestripe import FakeStripe, accounts
from payments.models import ConnectedAccount, Payout
from payments.services import earnings, payees, payout_review, payouts
from tests.factories import payments as money

DOLLAR = 1_000_000


@dataclass(frozen=True)
class Paid:
    """A worker with money, and who it came from."""

    worker_id: UUID
    organization_id: UUID


def earner(
    micros: int = 30 * DOLLAR,
    *,
    organization_id: UUID | None = None,
    worker_id: UUID | None = None,
    risk_notes: tuple[str, ...] = (),
) -> Paid:
    """A worker with so much available, earned by one accepted answer whose hold is over."""
    whose = organization_id or money.requester()
    worker = worker_id or money.person()
    fee = micros // 5
    money.credit(whose, micros + fee, "USD")
    job = money.funded_job(whose, micros + fee, "USD")
    quote = {
        "currency": "USD",
        "unit": "audio_second",
        "units": "90",
        "unit_price": "16500",
        "base_rate_micros": 9_167,
        "specialty": "transcription",
        "specialty_factor": "1.5",
        "difficulty": "1",
        "tier": "1.20",
        "tier_lower_bound": "0.93",
        "floor_per_hour_micros": 8 * DOLLAR,
        "seconds_per_unit": "4.5",
        "fee_rate": "0.2",
        "guaranteed_micros": micros,
        "bonus_max_micros": 0,
        "fee_micros": fee,
        "card_version": 1,
    }
    work = earnings.AcceptedWork(
        assignment_id=new_id(),
        worker_id=worker,
        job_id=job,
        organization_id=whose,
        quote=quote,
        amount_micros=micros,
        fee_micros=fee,
        reserve_micros=0,
        line="work",
        hold_days=0,
        hold_reason="new worker",
        risk_notes=list(risk_notes),
    )
    earnings.credit([work], now=clock.now())
    earnings.release_matured()
    return Paid(worker, whose)


def account(fake: FakeStripe, worker_id: UUID, *, bank: str = "000123456789") -> ConnectedAccount:
    """The worker's account, set up to its end."""
    made = payees.set_up(user_id=worker_id, country="US").account
    assert made.stripe_id is not None
    accounts.onboard(fake.store, made.stripe_id, bank)
    return payees.refresh(made)


def fund(fake: FakeStripe, cents: int = 100_000) -> None:
    """Give the platform an available balance at Stripe."""
    from payments.fakestripe import balances

    balances.book(
        fake.store, owner="", type="charge", source="ch_test", amount=cents, currency="usd"
    )


def reviewer() -> UUID:
    """A member of staff who may decide about payouts."""
    user = User.objects.create(email=f"{new_id()}@example.org", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="review_payout"))
    return user.pk


def approved(fake: FakeStripe, micros: int = 30 * DOLLAR) -> Payout:
    """A payout that will be sent next: asked for, looked at and approved."""
    worker = earner(micros).worker_id
    account(fake, worker)
    payout = payouts.request(worker_id=worker, by=worker)
    payout_review.sweep()
    while Payout.objects.get(pk=payout.pk).state == "needs_review":
        payout_review.approve(payout_id=payout.pk, by=reviewer(), reason="looks right")
    return Payout.objects.get(pk=payout.pk)


def later(**delta: float) -> None:
    """Move the clock that deadlines are decided by."""
    clock.shift(timedelta(**delta))


def transfers(fake: FakeStripe) -> list[int]:
    """What the stand-in has moved, in cents, transfer by transfer."""
    return [one["amount"] for one in fake.store.all("transfer")]


def broken() -> list[str]:
    """The invariants of this plane and the floor that do not hold.

    Those of higher planes are not asked: no answer stands behind the pay that is made here.
    """
    return [
        one.id
        for one in audit.registry().values()
        if one.sql.__module__.startswith(("payments.", "core.")) and not audit.check(one.id).ok
    ]
