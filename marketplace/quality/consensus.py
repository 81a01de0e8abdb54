"""When a task has been answered enough, and what the answer is.

Votes are weighed by what checks against known answers say of their authors, never by how much
authors agree with each other. As long as the checks know nobody of a task's authors, votes are
only counted: ask two, stop when one answer leads by two. Open answers (transcripts) are compared:
stop when two are nearly the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from marketplace.labeling.base import Counted, Kind, leader
from marketplace.quality import skill
from marketplace.quality.settings import QualitySettings

#: What a lead of votes must come to, and what must be reached at the end.
SURE_ENOUGH = 0.8
#: Answers that an audited task gets before it may be decided.
AUDIT_ANSWERS = 3
CLIP_HIGH = 0.99
CLIP_ABOVE_CHANCE = 0.02
#: Pseudo-tasks, the same of each class, that known answers are counted on top of.
CLASSES_EVIDENCE = 20
#: How many times as likely as the rarest class the commonest may be held beforehand. Known answers
#: need not be drawn like the others, and two people of one opinion must outweigh this.
CLASSES_SPREAD = 4.0
#: Checks after which the author of an open answer has a weight of their own.
WEIGHED_AFTER = 20

Outcome = Literal["accept", "more", "escalate", "wait"]


@dataclass(frozen=True, slots=True)
class AuthorFacts:
    """What is known of an author in a specialty: mean grade of so many checks, suspended or not."""

    skill: float = skill.PRIOR_MEAN
    checks: int = 0
    is_suspended: bool = False


#: Of an author of whom nothing is known.
UNKNOWN = AuthorFacts()


@dataclass(frozen=True, slots=True)
class Vote:
    """An answer in canonical form, and its author."""

    answer: Mapping[str, Any]
    author: AuthorFacts = UNKNOWN


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a task, and why.

    ``accept``: ``value`` is the answer. ``more``: one more answer is needed. ``escalate``: nobody
    is left to ask and it is still open; ``value`` is the best so far (None if there is none).
    ``wait``: asked-for answers are still to come. ``confidence`` is the probability that the value
    is right, as far as checks support one, and None where they do not. ``weights`` says what each
    vote weighed, in order: log odds, or likeness to the value; 0 for a suspended author.
    """

    outcome: Outcome
    value: Any = None
    confidence: float | None = None
    rule: str = ""
    weights: list[float] = field(default_factory=list)


def decide(
    kind: Kind,
    spec: Mapping[str, Any],
    votes: Sequence[Vote],
    settings: QualitySettings,
    *,
    pending: int = 0,
    is_audit: bool = False,
    can_ask: bool = True,
    classes: Sequence[float] | None = None,
) -> Verdict:
    """Decide on a task from its answers, in the order they came.

    ``pending`` answers are asked for and not here yet. Votes of suspended authors weigh nothing
    but were asked for, so they count towards ``kmax``. ``can_ask`` False: no more answers will
    come, whatever the settings say. ``classes`` says how likely each class is beforehand (see
    `likely_classes`); None is all the same.
    """
    if pending > 0:
        return Verdict("wait")
    can_ask = can_ask and len(votes) < settings.kmax
    counted = [n for n, vote in enumerate(votes) if not vote.author.is_suspended]
    heard = [votes[n] for n in counted]
    if not heard:
        return Verdict("more" if can_ask else "escalate", weights=[0.0] * len(votes))
    needed = max(settings.kmin, AUDIT_ANSWERS if is_audit else 0)
    enough = len(heard) >= min(needed, settings.kmax)
    if isinstance(kind, Counted):
        found = _count(kind, spec, heard, settings, classes)
    else:
        found = _compare(kind, spec, heard, settings)
    weights = [0.0] * len(votes)
    for n, weight in zip(counted, found.weights, strict=True):
        weights[n] = round(weight, 4)
    if settings.kmax == 1 and len(heard) == 1:
        outcome: Outcome = "accept"  # one answer was wanted, and here it is
        found = replace(found, rule="single")
    elif enough and found.is_done:
        outcome = "accept"
    elif can_ask:
        outcome = "more"
    else:
        outcome = "accept" if found.will_do else "escalate"
    return Verdict(outcome, found.value, found.confidence, found.rule, weights)


@dataclass(frozen=True, slots=True)
class _Found:
    """The best answer of some votes; whether it is good enough now, and whether at the end."""

    value: Any
    confidence: float | None
    rule: str
    weights: list[float]
    is_done: bool
    will_do: bool


def likely_classes(
    kind: Kind, spec: Mapping[str, Any], known: Iterable[tuple[Mapping[str, Any], int]]
) -> list[float] | None:
    """How likely each class is, from known answers and how often each occurs.

    None for kinds that are not one question of a few classes.
    """
    size = kind.n_classes(spec)
    if size is None or not isinstance(kind, Counted):
        return None
    counts = [CLASSES_EVIDENCE / size] * size
    for answer, times in known:
        counts[kind.ballot(spec, answer)[0]] += times
    most = max(counts)
    bounded = [max(count, most / CLASSES_SPREAD) for count in counts]
    return [count / sum(bounded) for count in bounded]


def _count(
    kind: Counted,
    spec: Mapping[str, Any],
    votes: Sequence[Vote],
    settings: QualitySettings,
    classes: Sequence[float] | None,
) -> _Found:
    """The one-coin posterior, each question for itself; a task is done when all its questions are.

    Who is right with probability q is wrong in each other way with (1-q)/(J-1), of J classes.
    """
    ballots = [kind.ballot(spec, vote.answer) for vote in votes]
    sizes = kind.sizes(spec)
    is_known = any(vote.author.checks >= skill.KNOWN_AFTER for vote in votes)
    tallies: list[dict[int, float]] = []
    is_done = will_do = True
    confidence = 1.0
    # Without anybody known the votes are counted and nothing else.
    before = [[1 / size] * size for size in sizes]
    if is_known and classes is not None:
        before = [list(classes)]
    by_size = {size: [_log_odds(vote.author.skill, size) for vote in votes] for size in set(sizes)}
    for question, size in enumerate(sizes):
        prior = before[question]
        tally: dict[int, float] = {}
        counts: dict[int, int] = {}
        for ballot, weight in zip(ballots, by_size[size], strict=True):
            taken = ballot[question]
            tally[taken] = tally.get(taken, math.log(prior[taken])) + weight
            counts[taken] = counts.get(taken, 0) + 1
        best = leader(tally)
        p = _probability(tally, best, prior)
        second = max((count for taken, count in counts.items() if taken != best), default=0)
        leads = counts[best] - second >= settings.lead
        sure = p >= settings.confidence or (leads and p >= SURE_ENOUGH)
        is_done = is_done and (sure if is_known else leads)
        will_do = will_do and p >= SURE_ENOUGH
        confidence = min(confidence, p)
        tallies.append(tally)
    return _Found(
        value=kind.elected(spec, tallies),
        confidence=round(confidence, 6) if is_known else None,
        rule="posterior" if is_known else "quorum",
        weights=by_size[max(sizes)],
        is_done=is_done,
        will_do=will_do,
    )


def _log_odds(q: float, size: int) -> float:
    """What a vote speaks for its class against any other one. Clipped here and nowhere before."""
    clipped = min(max(q, 1 / size + CLIP_ABOVE_CHANCE), CLIP_HIGH)
    return math.log(clipped * (size - 1) / (1 - clipped))


def _probability(tally: Mapping[int, float], best: int, prior: Sequence[float]) -> float:
    """The posterior of a class; those without votes stand where they stood beforehand."""
    voted = sum(math.exp(score - tally[best]) for score in tally.values())
    others = sum(p for taken, p in enumerate(prior) if taken not in tally)
    return 1 / (voted + others * math.exp(-tally[best]))


def _compare(
    kind: Kind, spec: Mapping[str, Any], votes: Sequence[Vote], settings: QualitySettings
) -> _Found:
    """Open answers: done when two agree. The result is the one most like the others, which keeps
    one author to credit; if no two agree, it is voted together out of all of them.
    """
    answers = [vote.answer for vote in votes]
    count = len(answers)
    alike = [[1.0] * count for _ in range(count)]
    for a in range(count):
        for b in range(a):
            alike[a][b] = alike[b][a] = kind.similarity(spec, answers[a], answers[b])
    agree = any(alike[a][b] >= settings.agreement - 1e-9 for a in range(count) for b in range(a))
    trust = [_trust(vote.author) for vote in votes]
    if agree or count < 2:
        support = [
            sum(likeness * weight for likeness, weight in zip(row, trust, strict=True))
            for row in alike
        ]
        middle = max(range(count), key=support.__getitem__)
        value: Any = answers[middle]
        weights = alike[middle]
    else:
        value = kind.merge(spec, answers, trust)
        weights = [kind.similarity(spec, answer, value) for answer in answers]
    return _Found(
        value=value,
        confidence=None,
        rule="agreement" if agree else ("merged" if count > 1 else "single"),
        weights=weights,
        is_done=agree,
        will_do=True,
    )


def _trust(author: AuthorFacts) -> float:
    return max(author.skill, 0.05) if author.checks >= WEIGHED_AFTER else skill.PRIOR_MEAN
