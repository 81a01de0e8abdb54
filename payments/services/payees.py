"""Who can be paid: workers' accounts at Stripe, set up there, and what still stands in the way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from core import clock, errors
from core.ids import new_id
from core.models import User
from core.nudge import nudge
from payments.gateways import facts
from payments.gateways import stripe as gateway
from payments.models import ConnectedAccount, Payout
from payments.models.payout import OPEN

#: A copy of Stripe's word that is older than this is not shown as the present state.
FRESH = timedelta(minutes=5)
#: While Stripe does not answer, the people who look at their accounts wait for it once in this time.
ASK_AGAIN = timedelta(minutes=1)


class StripeAway(errors.Unavailable):
    """Stripe does not answer at the moment."""

    code = "stripe_unavailable"


class CountryFixed(errors.Conflict):
    """The account was made for another country."""

    code = "country_fixed"


class CountryNotSupported(errors.Unprocessable):
    """Stripe cannot pay people in this country."""

    code = "country_not_supported"


class AccountClosed(errors.Conflict):
    """The account cannot be set up any further."""

    code = "payout_account_closed"


@dataclass(frozen=True)
class Blocker:
    """One thing that keeps a worker from being paid; ``code`` for programs, ``says`` for people."""

    code: str
    says: str


@dataclass(frozen=True)
class SetUp:
    """An account, and the page where its owner completes it; the address is good once."""

    account: ConnectedAccount
    url: str


def set_up(*, user_id: UUID, country: str) -> SetUp:
    """Make a worker's account, if there is none, and the link to set it up. Outside a transaction.

    Twice is as once, but for the link. Raises CountryFixed, CountryNotSupported, AccountClosed,
    StripeAway.
    """
    row = _intend(user_id, country)
    try:
        if row.stripe_id is None:
            email = User.objects.values_list("email", flat=True).get(pk=user_id)
            made = gateway.make_account(
                key=f"account:{row.pk}:{row.country}",
                country=row.country,
                email=email,
                reference=str(user_id),
            )
            row = _take_over(row.pk, made)
        assert row.stripe_id is not None
        back = f"{settings.PUBLIC_URL}/?payout-account"
        url = gateway.setup_link(
            key=f"link:{row.pk}:{new_id()}",
            account_id=row.stripe_id,
            return_url=f"{back}=done",
            refresh_url=f"{back}=again",
        )
    except facts.Refused as problem:
        if row.stripe_id is not None:
            raise AccountClosed(
                "Stripe no longer knows the account, or has closed it."
            ) from problem
        raise CountryNotSupported("Workers in this country cannot be paid yet.") from problem
    except facts.StripeProblem as problem:
        raise StripeAway("Stripe does not answer; try again.") from problem
    return SetUp(row, url)


def of(user_id: UUID) -> ConnectedAccount | None:
    """A worker's account as last read."""
    return ConnectedAccount.objects.filter(user_id=user_id).first()


def current(user_id: UUID) -> ConnectedAccount | None:
    """A worker's account, read again unless that was just done. Outside a transaction.

    Where Stripe does not answer, what was read last.
    """
    row = of(user_id)
    if row is None or row.stripe_id is None:
        return row
    if row.checked_at is not None and row.checked_at > clock.now() - FRESH:
        return row
    try:
        return refresh(row)
    except facts.StripeProblem:
        return row


def shown(user_id: UUID) -> ConnectedAccount | None:
    """The same for somebody who waits for a page: a few seconds at most, and once a minute."""
    row = of(user_id)
    if row is None or row.stripe_id is None:
        return row
    now = clock.now()
    if row.checked_at is not None and row.checked_at > now - FRESH:
        return row
    # Whoever notes the attempt makes it; the others need not wait for the same answer.
    asked_lately = Q(tried_at__gt=now - ASK_AGAIN)
    if not ConnectedAccount.objects.filter(~asked_lately, pk=row.pk).update(tried_at=now):
        return row
    try:
        return _take_over(row.pk, gateway.get_account(row.stripe_id, is_awaited=True))
    except facts.StripeProblem:
        return row


def refresh(row: ConnectedAccount) -> ConnectedAccount:
    """Read an account at Stripe and keep what it says. Raises StripeProblem."""
    assert row.stripe_id is not None
    return _take_over(row.pk, gateway.get_account(row.stripe_id))


def refresh_by_id(stripe_id: str) -> bool:
    """The same by Stripe's id; False when the account is none of ours. Raises StripeProblem."""
    row = ConnectedAccount.objects.filter(stripe_id=stripe_id).first()
    if row is not None:
        refresh(row)
    return row is not None


def blockers(row: ConnectedAccount | None) -> list[Blocker]:
    """What keeps an account from being paid, the first thing to do first; none means ready."""
    if row is None or row.stripe_id is None:
        return [Blocker("no_account", "There is no payout account yet.")]
    found = []
    if not row.details_submitted:
        found.append(Blocker("setup_incomplete", "The payout account is not set up to its end."))
    elif not row.transfers_active:
        found.append(Blocker("transfers_inactive", "Stripe does not let this account be paid yet."))
    if row.past_due:
        found.append(Blocker("past_due", f"Stripe waits for: {', '.join(row.past_due)}."))
    if row.disabled_reason and not row.past_due:
        found.append(Blocker("disabled", f"Stripe has closed the account: {row.disabled_reason}."))
    return found


def _intend(user_id: UUID, country: str) -> ConnectedAccount:
    with transaction.atomic():
        row, _ = ConnectedAccount.objects.get_or_create(
            user_id=user_id, defaults={"country": country, "created_at": clock.now()}
        )
    if row.country == country:
        return row
    with transaction.atomic():
        row = _locked(row.pk)
        if row.stripe_id is not None and row.country != country:
            raise CountryFixed(f"The account was made for {row.country}.", country=row.country)
        row.country = country
        row.save(update_fields=["country"])
        return row


def _take_over(pk: UUID, said: facts.Account) -> ConnectedAccount:
    with transaction.atomic():
        row = _locked(pk)
        now = clock.now()
        if row.bank_fingerprint and said.bank_fingerprint not in ("", row.bank_fingerprint):
            row.bank_changed_at = now
        if said.bank_fingerprint not in ("", row.bank_fingerprint):
            _mark_for_a_new_look(row.user_id, now)
        row.stripe_id = row.stripe_id or said.id
        row.country = said.country or row.country
        row.currency = said.currency
        row.transfers_active = said.transfers_active
        row.payouts_enabled = said.payouts_enabled
        row.details_submitted = said.details_submitted
        row.currently_due = said.currently_due
        row.past_due = said.past_due
        row.disabled_reason = said.disabled_reason
        row.bank_fingerprint = said.bank_fingerprint or row.bank_fingerprint
        row.bank_label = said.bank_label or row.bank_label
        row.checked_at = now
        row.save()
        if not blockers(row):
            # Whatever waited for this account need not wait for its next look.
            waiting = Payout.objects.filter(worker_id=row.user_id, state=Payout.State.BLOCKED)
            if waiting.update(next_attempt_at=now):
                nudge("payments.review_payouts")
        return row


def _mark_for_a_new_look(worker_id: UUID, now: datetime) -> None:
    """What was found of the worker's open payout was found with another bank account.

    No time of the assessment says so for certain (two transactions may commit in the other order
    than they began), so it is taken away. All open states: one that is just being assessed is
    waited for, and marked after that.
    """
    Payout.objects.filter(worker_id=worker_id, state__in=OPEN).update(checked_at=None)
    waiting = Payout.objects.filter(worker_id=worker_id, state=Payout.State.NEEDS_REVIEW)
    if waiting.update(next_attempt_at=now):
        nudge("payments.review_payouts")


def _locked(pk: UUID) -> ConnectedAccount:
    return ConnectedAccount.objects.select_for_update(no_key=True).get(pk=pk)
