"""The money plane's sweeps. Each handles a bounded batch and may run zero, one or many times."""

from core.sweeps import sweep
from payments import selectors
from payments.services import (
    earnings,
    payout_recovery,
    payout_review,
    payout_sending,
    stripe_events,
    topups,
)


@sweep(
    name="payments.release_earnings",
    queue="settlement",
    every=30,
    oldest_due=earnings.oldest_matured,
)
def release_earnings() -> int:
    """Make pay withdrawable whose hold is over."""
    return earnings.release_matured()


@sweep(
    name="payments.stripe_events",
    queue="payouts",
    every=5,
    oldest_due=selectors.oldest_stripe_event,
)
def work_off_stripe_events() -> int:
    """Read again at Stripe what its notices are about."""
    return stripe_events.sweep()


@sweep(name="payments.open_topups", queue="payouts", every=15, oldest_due=selectors.oldest_topup)
def follow_topups() -> int:
    """Look at payment pages that no notice told of, and at fees that are not known yet."""
    return topups.sweep()


@sweep(
    name="payments.review_payouts",
    queue="payouts",
    every=10,
    oldest_due=lambda: selectors.oldest_payout("requested", "blocked", "needs_review"),
)
def review_payouts() -> int:
    """Decide what each new or blocked payout needs."""
    return payout_review.sweep()


@sweep(
    name="payments.send_payouts",
    queue="payouts",
    every=10,
    oldest_due=lambda: selectors.oldest_payout("approved"),
)
def send_payouts() -> int:
    """Send approved payouts."""
    return payout_sending.sweep()


@sweep(
    name="payments.recover_payouts",
    queue="payouts",
    every=20,
    oldest_due=lambda: selectors.oldest_payout("sending", "unknown"),
)
def recover_payouts() -> int:
    """Find out what became of payouts whose outcome is not known."""
    return payout_recovery.sweep()
