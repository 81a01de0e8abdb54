"""The data plane's sweeps. Each handles a bounded batch and may run zero, one or many times."""

from core.sweeps import sweep
from marketplace.services import closing, deliveries, exports, opening, stats


@sweep(name="marketplace.open_tasks", queue="dispatch", every=2)
def open_tasks() -> int:
    """Open parked tasks that the budget covers."""
    return opening.open_parked()


@sweep(name="marketplace.refresh_stats", queue="dispatch", every=3)
def refresh_stats() -> int:
    """Count the figures of jobs again."""
    stats.refresh()
    return 0  # what was counted is not due again within this run


@sweep(name="marketplace.finish_jobs", queue="settlement", every=5)
def finish_jobs() -> int:
    """Close jobs whose work is decided, and take closing ones a step further."""
    return closing.sweep()


@sweep(
    name="marketplace.exports",
    queue="exports",
    every=2,
    oldest_due=exports.oldest_due,
    parallel=2,
)
def make_exports() -> int:
    """Write the next part of an export."""
    return exports.sweep()


@sweep(
    name="marketplace.webhooks",
    queue="webhooks",
    every=2,
    oldest_due=deliveries.oldest_due,
    parallel=4,
)
def send_webhooks() -> int:
    """Send due notices."""
    return deliveries.sweep()
