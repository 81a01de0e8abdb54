"""How far the stated probabilities may be believed, measured on tasks with known answers.

The rule that decides takes people to err independently. They do not: what is hard for one is hard
for the next. So what is stated is tempered, as much as it takes to have been right on the known
tasks. The decision itself is not touched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from marketplace.labeling.base import Kind
from marketplace.quality import consensus
from marketplace.quality.consensus import AuthorFacts, Vote
from marketplace.quality.settings import QualitySettings
from marketplace.quality.skill import PRIOR_STRENGTH

#: Known tasks of a job that are looked at, and answers to each.
TASKS = 60
ANSWERS = 8
#: Of the answers to a known task, every so many begin a decision of their own.
STRIDE = 3
#: What crowds usually come to, and how far they are from each other.
USUAL = 0.6
SPREAD = 0.2
_GRID = tuple(step / 20 for step in range(2, 21))
_EDGE = 1e-4

#: Log odds that were stated, and whether the value was right.
Sample = tuple[float, bool]


def tempered(p: float, temperature: float) -> float:
    """A probability with its log odds scaled: 1 leaves it, less draws it towards one half."""
    return 1 / (1 + math.exp(-temperature * _log_odds(p)))


def _log_odds(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))


def samples(
    kind: Kind,
    spec: Mapping[str, Any],
    known: Iterable[tuple[Mapping[str, Any], Sequence[Vote]]],
    settings: QualitySettings,
    classes: Sequence[float] | None = None,
) -> list[Sample]:
    """What would have been decided of tasks whose answer is known: pairs of known answer and votes.

    An author's skill is taken without what this very answer added to it.
    """
    found: list[Sample] = []
    for answer, votes in known:
        fair = [_without(vote, kind.grade(spec, vote.answer, answer)) for vote in votes]
        for first in range(0, len(fair) - settings.kmin + 1, STRIDE):
            for last in range(first + settings.kmin, len(fair) + 1):
                verdict = consensus.decide(kind, spec, fair[first:last], settings, classes=classes)
                if verdict.outcome in ("accept", "escalate"):
                    if verdict.confidence is not None:
                        is_right = bool(verdict.value == answer)
                        found.append((_log_odds(verdict.confidence), is_right))
                    break
    return found


def _without(vote: Vote, grade: float) -> Vote:
    author = vote.author
    if author.checks < 1:
        return vote
    weight = author.checks + PRIOR_STRENGTH
    q = (author.skill * weight - grade) / (weight - 1)
    facts = AuthorFacts(min(max(q, 0.0), 1.0), author.checks - 1, author.is_suspended)
    return replace(vote, author=facts)


def temperature(found: Sequence[Sample]) -> float:
    """The scale at which these statements are the likeliest to have come true; the usual one while
    there are few.
    """
    return max(_GRID, key=lambda scale: _likelihood(scale, found))


def _likelihood(scale: float, found: Sequence[Sample]) -> float:
    total = -0.5 * ((scale - USUAL) / SPREAD) ** 2
    for odds, is_right in found:
        p = min(max(1 / (1 + math.exp(-scale * odds)), _EDGE), 1 - _EDGE)
        total += math.log(p if is_right else 1 - p)
    return total
