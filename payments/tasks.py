"""The money plane's sweeps. Each handles a bounded batch and may run zero, one or many times."""

from core.sweeps import sweep
from payments.services import earnings


@sweep(
    name="payments.release_earnings",
    queue="settlement",
    every=30,
    oldest_due=earnings.oldest_matured,
)
def release_earnings() -> int:
    """Make pay withdrawable whose hold is over."""
    return earnings.release_matured()
