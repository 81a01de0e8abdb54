"""The labour plane's sweeps. Each handles a bounded batch and may run zero, one or many times."""

from core.sweeps import sweep

from .services import assignments, contests, dispatch, judging, pace, passing, places, settlement


@sweep(name="workers.expire", queue="expiry", every=10, oldest_due=assignments.oldest_due)
def expire() -> int:
    """End overdue claims and give their slots back."""
    return assignments.expire()


@sweep(name="workers.judge", queue="judging", every=1, oldest_due=judging.oldest_due)
def judge() -> int:
    """Judge submitted answers."""
    return judging.judge_batch()


@sweep(name="workers.settle", queue="settlement", every=1)
def settle() -> int:
    """Accept and pay what is due."""
    return settlement.sweep()


@sweep(name="workers.refill_gold", queue="judging", every=3)
def refill_gold() -> int:
    """Top up gold credits of live jobs, return those of ending ones."""
    return places.refill_gold()


@sweep(name="workers.measure_pace", queue="default", every=30)
def measure_pace() -> int:
    """Measure how long answers take, for estimates and the feed."""
    pace.measure()
    return 0  # what was measured is not due again within this run


@sweep(
    name="workers.dispatch", queue="dispatch", every=1, oldest_due=passing.oldest_due, parallel=2
)
def offer() -> int:
    """Offer tasks to idle workers, pass on what was not answered in time."""
    return dispatch.sweep()


@sweep(name="workers.contests", queue="settlement", every=30, oldest_due=contests.oldest_due)
def end_contests() -> int:
    """Uphold contests that nobody answered, free what nobody contested."""
    return contests.sweep()
