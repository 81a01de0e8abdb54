"""Recorded crowd answers under the stopping rule, as pure code: what the product should come to.

The same arrival order, checks and rule as a replay through the product with the same seed; only
the product's side-by-side workers and batches are left out.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from marketplace.labeling.base import Kind
from marketplace.quality import calibration, consensus, skill
from marketplace.quality.consensus import AuthorFacts, Verdict, Vote
from marketplace.quality.settings import QualitySettings
from marketplace.quality.skill import Evidence


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded answer: who said what of which task."""

    task: str
    worker: str
    answer: dict[str, Any]


@dataclass
class Replayed:
    """What a replay came to. ``labels`` count answers that were used and would be paid.

    ``accuracy`` is the share of values without an error; ``error_rate`` the errors in all values against the
    length of the truth (word error rate for transcripts). Tasks without a single answer count as
    wrong. ``stated`` is the mean confidence of the values that have one, ``stated_accuracy`` how
    many of those are right.
    """

    tasks: int
    gold_tasks: int
    accuracy: float
    error_rate: float
    work_labels: int
    gold_labels: int
    escalated: int
    unfinished: int
    suspended: list[str]
    stated: float | None
    stated_accuracy: float | None
    values: dict[str, Any] = field(repr=False, default_factory=dict)

    @property
    def labels_per_task(self) -> float:
        """Work labels for each work task."""
        return self.work_labels / self.tasks if self.tasks else 0.0

    @property
    def gold_per_task(self) -> float:
        """Gold labels for each work task."""
        return self.gold_labels / self.tasks if self.tasks else 0.0

    @property
    def escalated_share(self) -> float:
        """The share of work tasks that the crowd could not decide."""
        return self.escalated / self.tasks if self.tasks else 0.0


def arrange(answers: Sequence[Recorded], *, seed: int) -> list[Recorded]:
    """The answers in the order in which they arrive."""
    order = sorted(answers, key=lambda one: (one.task, one.worker))
    random.Random(f"arrival {seed}").shuffle(order)  # noqa: S311  (no secret)
    return order


def choose_gold(tasks: Collection[str], *, share: float, seed: int) -> frozenset[str]:
    """The tasks whose truth is known beforehand."""
    order = sorted(tasks)
    random.Random(f"gold {seed}").shuffle(order)  # noqa: S311
    return frozenset(order[: round(len(order) * share)])


@dataclass
class _Task:
    votes: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    wanted: int = 0
    is_audit: bool = False
    verdict: Verdict | None = None

    @property
    def is_decided(self) -> bool:
        return self.verdict is not None and self.verdict.outcome in ("accept", "escalate")


class _Crowd:
    """What the checks say of everybody, with the pool's mean kept along."""

    def __init__(self, floor: float) -> None:
        self.evidence: dict[str, Evidence] = {}
        self.suspended: dict[str, None] = {}
        self.floor = floor
        self.hits = self.n = 0.0
        self.checks = 0

    def check(self, worker: str, grade: float) -> None:
        """Enter the grade of a check; too bad a worker is suspended."""
        before = self.evidence.get(worker, Evidence())
        after = before.after([grade])
        self.evidence[worker] = after
        self.hits += after.hits - before.hits
        self.n += after.n - before.n
        self.checks += 1
        if skill.is_banned(skill.estimate(after, self.pool()), self.floor):
            self.suspended[worker] = None

    def pool(self) -> float:
        return skill.pool_mean(self.hits, self.n, self.checks)

    def votes(self, said: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Vote]:
        """Answers with what is known of their authors now."""
        pool = self.pool()
        return [Vote(answer, self._facts(worker, pool)) for worker, answer in said]

    def _facts(self, worker: str, pool: float) -> AuthorFacts:
        evidence = self.evidence.get(worker, Evidence())
        known = skill.estimate(evidence, pool)
        return AuthorFacts(known.q, known.checks, worker in self.suspended)


@dataclass
class _Belief:
    """How far stated probabilities may be believed, measured again as checks come in."""

    kind: Kind
    spec: Mapping[str, Any]
    settings: QualitySettings
    classes: Sequence[float] | None
    crowd: _Crowd
    truth: Mapping[str, Any]
    heard: dict[str, list[tuple[str, Mapping[str, Any]]]] = field(default_factory=dict)
    count: int = 0
    fitted: tuple[int, float] = (-1, calibration.USUAL)

    def hear(self, one: Recorded) -> None:
        """Take in an answer to a known task."""
        self.count += 1
        if one.task in self.heard or len(self.heard) < calibration.TASKS:
            said = self.heard.setdefault(one.task, [])
            if len(said) < calibration.ANSWERS:
                said.append((one.worker, one.answer))

    def temperature(self) -> float:
        """The temperature now; measured again for every tenth more of checks."""
        at, found = self.fitted
        if self.count > at * 1.1:
            known = (
                (self.truth[task], self.crowd.votes(said)) for task, said in self.heard.items()
            )
            tried = calibration.samples(self.kind, self.spec, known, self.settings, self.classes)
            found = calibration.temperature(tried)
            self.fitted = (self.count, found)
        return found


def replay(
    answers: Sequence[Recorded],
    truth: Mapping[str, Any],
    *,
    kind: Kind,
    spec: Mapping[str, Any],
    settings: QualitySettings,
    gold: Collection[str] = (),
    seed: int = 0,
) -> Replayed:
    """Play answers in the order given (see `arrange`) under the stopping rule.

    Every answer to a ``gold`` task is a check of its worker. An answer to another task is used only
    while the task wants one and its worker is not suspended. A task that runs out of answers counts
    with its best one so far, and so does an escalated one. Answers and truth must be canonical, and
    every task with an answer must have a truth.
    """
    known = set(gold)
    classes = consensus.likely_classes(kind, spec, [(truth[task], 1) for task in sorted(known)])
    names = sorted({one.task for one in answers} - known)
    chance = random.Random(f"audit {seed}")  # noqa: S311
    tasks = {
        name: _Task(wanted=settings.kmin, is_audit=chance.random() < settings.audit_share)
        for name in names
    }
    floor = settings.ban_floor
    if floor is None:
        floor = skill.ban_floor(kind.n_classes(spec))
    crowd = _Crowd(floor)

    def decide(task: _Task, *, is_end: bool = False) -> Verdict:
        found = consensus.decide(
            kind,
            spec,
            crowd.votes(task.votes),
            settings,
            is_audit=task.is_audit and not is_end,
            can_ask=not is_end,
            classes=classes,
        )
        if found.confidence is None:
            return found
        stated = calibration.tempered(found.confidence, belief.temperature())
        return replace(found, confidence=stated)

    gold_labels = 0
    belief = _Belief(kind, spec, settings, classes, crowd, truth)
    for one in answers:
        if one.worker in crowd.suspended:
            continue
        if one.task in known:
            gold_labels += 1
            belief.hear(one)
            crowd.check(one.worker, kind.grade(spec, one.answer, truth[one.task]))
            continue
        task = tasks[one.task]
        if task.is_decided or len(task.votes) >= task.wanted:
            continue
        task.votes.append((one.worker, one.answer))
        if len(task.votes) == task.wanted:
            task.verdict = decide(task)
            task.wanted += task.verdict.outcome == "more"
    unfinished = [task for task in tasks.values() if not task.is_decided]
    for task in unfinished:
        task.verdict = decide(task, is_end=True)
    return Replayed(
        gold_tasks=len(known),
        work_labels=sum(len(task.votes) for task in tasks.values()),
        gold_labels=gold_labels,
        unfinished=len(unfinished),
        suspended=list(crowd.suspended),
        **_outcome(tasks, truth, kind, spec),
    )


def _outcome(
    tasks: Mapping[str, _Task], truth: Mapping[str, Any], kind: Kind, spec: Mapping[str, Any]
) -> dict[str, Any]:
    """The decided tasks against the truth."""
    right = wrong = length = stated_right = 0.0
    stated: list[float] = []
    values: dict[str, Any] = {}
    for name, task in tasks.items():
        assert task.verdict is not None
        value = values[name] = task.verdict.value
        if value is None:
            errors, size, is_right = 1.0, 1.0, False
        else:
            errors, size = kind.distance(spec, value, truth[name])
            is_right = errors == 0
        right += is_right
        wrong += errors
        length += size
        if task.verdict.confidence is not None:
            stated.append(task.verdict.confidence)
            stated_right += is_right
    count = len(tasks)
    return {
        "tasks": count,
        "accuracy": right / count if count else 0.0,
        "error_rate": wrong / length if length else 0.0,
        "escalated": sum(
            task.verdict is not None and task.verdict.outcome == "escalate"
            for task in tasks.values()
        ),
        "stated": sum(stated) / len(stated) if stated else None,
        "stated_accuracy": stated_right / len(stated) if stated else None,
        "values": values,
    }
