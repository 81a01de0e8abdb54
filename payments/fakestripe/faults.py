"""Faults to order: which request fails next, and how."""

from __future__ import annotations

import random
from dataclasses import dataclass

KINDS = (
    "429",
    "500_before",
    "500_after",
    "drop_before",
    "drop_after",
    "slow",
    "card_declined",
    "balance_insufficient",
    "account_restricted",
    "payout_failed",
)


@dataclass
class Fault:
    """One order. ``on`` is part of "VERB path"; ``times`` is how often it strikes (0: for ever);
    ``chance`` how likely it is each time; ``seconds`` how long a slow one takes.
    """

    kind: str
    on: str = ""
    times: int = 1
    chance: float = 1.0
    seconds: float = 1.0


class Faults:
    """The orders that stand."""

    def __init__(self) -> None:
        self.orders: list[Fault] = []
        self.dice = random.Random(0)  # noqa: S311 - the same trouble every time, not secrecy

    def order(self, kind: str, on: str = "", **facts: float) -> Fault:
        """Order a fault. Raises ValueError for one that is not known."""
        if kind not in KINDS:
            raise ValueError(f"no such fault: {kind}; known are {', '.join(KINDS)}")
        fault = Fault(kind, on, **facts)  # type: ignore[arg-type]
        self.orders.append(fault)
        return fault

    def strike(self, request: str, *kinds: str) -> Fault | None:
        """The fault of these kinds that strikes a request now, counted down."""
        for fault in self.orders:
            if fault.kind in kinds and fault.on in request and self.dice.random() < fault.chance:
                if fault.times == 1:
                    self.orders.remove(fault)
                elif fault.times:
                    fault.times -= 1
                return fault
        return None
