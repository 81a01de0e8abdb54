"""What can be decided about a payout on its page, and when each is offered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from payments.models import Payout
from payments.services import payout_recovery, payout_review


@dataclass(frozen=True)
class Decision:
    """One button: its name, its label, what is said when it is done, and what does it."""

    name: str
    label: str
    done: str
    act: Callable[..., Payout]
    states: frozenset[str]


_ALL = (
    Decision(
        "approve",
        "Approve",
        "Your approval is noted.",
        payout_review.approve,
        frozenset({"needs_review"}),
    ),
    Decision(
        "reject",
        "Reject: the money is available again",
        "It was rejected.",
        payout_review.reject,
        frozenset({"requested", "blocked", "needs_review", "held"}),
    ),
    Decision(
        "reject_to_held",
        "Reject: the money is held",
        "It was rejected.",
        partial(payout_review.reject, to_held=True),
        frozenset({"requested", "blocked", "needs_review", "held"}),
    ),
    Decision(
        "hold",
        "Hold",
        "It waits.",
        payout_review.hold,
        frozenset({"requested", "blocked", "needs_review", "approved"}),
    ),
    Decision(
        "release",
        "Release: look at it anew",
        "It goes on.",
        payout_review.release,
        frozenset({"held"}),
    ),
    Decision(
        "recheck",
        "Check again",
        "It was checked again.",
        payout_recovery.recheck,
        frozenset({"requested", "blocked", "needs_review", "unknown"}),
    ),
)
DECISIONS = {one.name: one for one in _ALL}


def offered(row: Payout) -> list[Decision]:
    """What can be decided about a payout where it stands."""
    return [one for one in _ALL if row.state in one.states]
