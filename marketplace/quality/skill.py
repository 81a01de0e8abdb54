"""How good a worker is in a specialty, from checks against known answers only.

Agreement with other workers never enters: a crowd of careless people agrees with itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

HALF_LIFE = 200  # checks after which a check counts half
DECAY = 0.5 ** (1 / HALF_LIFE)
PRIOR_STRENGTH = 4  # pseudo-answers at the accuracy of the pool
PRIOR_MEAN = 0.75  # that accuracy, until the pool itself is known
POOL_EVIDENCE = 200  # checks of a specialty after which it is
Z = 1.645  # a one-sided bound of 95 %
KNOWN_AFTER = 5  # checks after which a worker's skill may speak for an answer
BAN_AFTER = 10
WEAK_AFTER = 20
FLOOR_BINARY = 0.65
FLOOR = 0.50
NEW_CHECKS = 20  # checks until which the evidence is thin
NEW_SHARE = 0.10
WEAK_SHARE = 0.20


@dataclass(frozen=True, slots=True)
class Evidence:
    """Decayed sums of grades, of answers, and of squared grades; ``checks`` is not decayed."""

    hits: float = 0.0
    n: float = 0.0
    squares: float = 0.0
    checks: int = 0

    def after(self, grades: Iterable[float]) -> Evidence:
        """The evidence after more checks, each a grade in [0, 1], the oldest first."""
        hits, n, squares, checks = self.hits, self.n, self.squares, self.checks
        for grade in grades:
            hits = hits * DECAY + grade
            n = n * DECAY + 1
            squares = squares * DECAY + grade * grade
            checks += 1
        return Evidence(hits, n, squares, checks)


@dataclass(frozen=True, slots=True)
class Skill:
    """A worker's mean grade and its bounds. Nothing is clipped: a bound may lie outside [0, 1].

    ``low`` and ``high`` are one-sided bounds of 95 % each; ``evidence`` and ``pool`` are what they
    come from.
    """

    q: float
    low: float
    high: float
    evidence: Evidence
    pool: float

    @property
    def checks(self) -> int:
        """How many answers were judged."""
        return self.evidence.checks

    def after(self, grades: Iterable[float]) -> Skill:
        """The skill after more checks."""
        return estimate(self.evidence.after(grades), self.pool)


def pool_mean(hits: float, n: float, checks: int) -> float:
    """The mean grade of a specialty, from the sums over its workers; the usual one until known."""
    return hits / n if checks >= POOL_EVIDENCE and n > 0 else PRIOR_MEAN


def estimate(evidence: Evidence, pool: float) -> Skill:
    """A worker's skill from their checks and the mean of their pool.

    The spread is that of the grades themselves. For right and wrong it is q(1-q); for partial
    credit (word error rates and the like) it is smaller. The pseudo-answers count as right or
    wrong ones.
    """
    n = evidence.n + PRIOR_STRENGTH
    q = (evidence.hits + PRIOR_STRENGTH * pool) / n
    second = (evidence.squares + PRIOR_STRENGTH * pool) / n
    margin = Z * math.sqrt(max(second - q * q, 0.0) / (evidence.n + PRIOR_STRENGTH + 1))
    return Skill(q, q - margin, q + margin, evidence, pool)


def ban_floor(n_classes: int | None) -> float:
    """The skill below which nobody works on, unless the job has a floor of its own."""
    return FLOOR_BINARY if n_classes == 2 else FLOOR


def is_banned(skill: Skill, floor: float) -> bool:
    """Whether the checks leave no doubt that a worker is below the floor."""
    return skill.checks >= BAN_AFTER and skill.high < floor


def is_weak(skill: Skill, floor: float) -> bool:
    """Whether a worker who is not banned is doubtful enough to be checked more."""
    return skill.checks >= WEAK_AFTER and skill.low < floor


def gold_share(skill: Skill, *, usual: float, floor: float) -> float:
    """The share of checks in what a worker gets, of a job whose ``usual`` share this is.

    More while there are few checks of a worker and when they were bad ones. A job that wants no
    checks has none.
    """
    if usual <= 0:
        return 0.0
    if is_weak(skill, floor):
        return max(usual, WEAK_SHARE)
    return max(usual, NEW_SHARE) if skill.checks < NEW_CHECKS else usual
