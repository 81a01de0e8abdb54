"""Quality tiers: what a worker's checks in a specialty are worth in pay.

A tier goes by the lower bound of the mean grade, so that three lucky answers are no proof. What
the bound must reach depends on the specialty, because a grade means something else in each: nine
of ten right answers is good, nine of ten right words is usual. No tier pays less than the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from marketplace.quality.skill import Skill

#: Checks without which there is no tier, whatever they say.
EVIDENCE = 10
#: Lower bounds that reach the levels 1, 2 and 3.
USUAL: tuple[float, ...] = (0.72, 0.82, 0.90)
#: Of specialties whose grades are shares of what is right in an answer, and therefore higher.
BY_SPECIALTY: Mapping[str, tuple[float, ...]] = {
    "transcription": (0.78, 0.86, 0.91),
    "diarization": (0.78, 0.86, 0.91),
    "speaker_identification": (0.78, 0.86, 0.91),
}
#: Checks that are looked ahead at most.
AHEAD = 500
_STEP = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Tier:
    """A level, 0 being the first, and the lower bound that it rests on; None with too few checks."""

    level: int
    lower_bound: Decimal | None


def thresholds(specialty: str) -> tuple[float, ...]:
    """The lower bounds that reach the levels 1, 2, … of a specialty, rising."""
    return BY_SPECIALTY.get(specialty, USUAL)


def level_of(lower_bound: Decimal | None, specialty: str) -> int:
    """The level that a lower bound reaches; the first when there is none."""
    if lower_bound is None:
        return 0
    return sum(lower_bound >= Decimal(str(bound)) for bound in thresholds(specialty))


def range_of(level: int, specialty: str) -> tuple[Decimal, Decimal]:
    """The lower bounds that reach a level: from the first of these, and less than the second."""
    bounds = [Decimal(-1), *(Decimal(str(bound)) for bound in thresholds(specialty)), Decimal(2)]
    return bounds[level], bounds[level + 1]


def tier_of(skill: Skill, specialty: str) -> Tier:
    """The tier that a worker has earned in a specialty."""
    if skill.checks < EVIDENCE:
        return Tier(0, None)
    low = Decimal(str(min(max(skill.low, 0.0), 1.0))).quantize(_STEP, ROUND_HALF_UP)
    return Tier(level_of(low, specialty), low)


def checks_missing(skill: Skill, specialty: str) -> int | None:
    """How many right answers in a row, to checks, would reach the next level.

    None at the top, and when more than 500 would be needed.
    """
    now = tier_of(skill, specialty).level
    if now == len(thresholds(specialty)):
        return None
    ahead = skill
    for count in range(1, AHEAD + 1):
        ahead = ahead.after([1.0])
        if tier_of(ahead, specialty).level > now:
            return count
    return None
