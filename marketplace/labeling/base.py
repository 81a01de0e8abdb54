"""What a kind of label is: its spec, its answers, and how answers are graded and put together.

Pure code. A kind is one module of this package with a `KIND`; `registry` finds it.
"""

from __future__ import annotations

import math
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

Errors = dict[str, list[str]]
#: Of one question: each class, and how much speaks for it.
Tally = Mapping[int, float]


class SpecError(ValueError):
    """A spec cannot be as it is. ``errors`` names its fields; ``""`` is the spec itself."""

    def __init__(self, errors: Errors) -> None:
        super().__init__(str(errors))
        self.errors = errors


class AnswerError(ValueError):
    """An answer does not fit the spec. ``errors`` names its fields; ``""`` is the answer itself."""

    def __init__(self, errors: Errors) -> None:
        super().__init__(str(errors))
        self.errors = errors


class Kind(ABC):
    """One kind of label. Stateless: everything depends on the spec and the answers given.

    Specs and answers are JSON objects. All methods but `check` take a spec that `check` returned,
    and all but `validate` take answers that `validate` returned for it.
    """

    #: What jobs name it by.
    name: ClassVar[str]
    #: Quality settings that suit the kind better than the usual ones.
    quality: ClassVar[Mapping[str, Any]] = {}

    @abstractmethod
    def check(self, spec: Any) -> dict[str, Any]:
        """The spec in canonical form, every default filled in. Raises SpecError."""

    @abstractmethod
    def validate(self, spec: Mapping[str, Any], answer: Any) -> dict[str, Any]:
        """The answer in canonical form: equal answers are equal JSON. Raises AnswerError."""

    @abstractmethod
    def empty(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """An answer before anything is said: what an editor begins with. Need not be valid."""

    @abstractmethod
    def similarity(
        self, spec: Mapping[str, Any], one: Mapping[str, Any], other: Mapping[str, Any]
    ) -> float:
        """How alike two answers are, in [0, 1]; symmetric, and 1 for an answer and itself."""

    @abstractmethod
    def merge(
        self,
        spec: Mapping[str, Any],
        answers: Sequence[Mapping[str, Any]],
        weights: Sequence[float] | None = None,
    ) -> dict[str, Any]:
        """One answer out of one or more, each with its weight (1 when there are none)."""

    def grade(
        self, spec: Mapping[str, Any], said: Mapping[str, Any], known: Mapping[str, Any]
    ) -> float:
        """How right an answer is against the known one, in [0, 1]; partial credit where it fits."""
        return self.similarity(spec, said, known)

    def distance(
        self, spec: Mapping[str, Any], said: Mapping[str, Any], known: Mapping[str, Any]
    ) -> tuple[float, float]:
        """Errors, and what they are counted against; summed over tasks they make an error rate."""
        return 1 - self.grade(spec, said, known), 1.0

    def sizes(self, spec: Mapping[str, Any]) -> tuple[int, ...]:
        """How many classes each of the questions has that an answer decides; none if it is open."""
        return ()

    def n_classes(self, spec: Mapping[str, Any]) -> int | None:
        """How many answers there are to choose one from; None if it is not one of a few."""
        sizes = self.sizes(spec)
        return sizes[0] if len(sizes) == 1 else None


class Counted(Kind):
    """A kind whose answers decide one or more questions of a few classes each: votes are counted."""

    @abstractmethod
    def sizes(self, spec: Mapping[str, Any]) -> tuple[int, ...]:
        """How many classes each question has, two or more."""

    @abstractmethod
    def ballot(self, spec: Mapping[str, Any], answer: Mapping[str, Any]) -> tuple[int, ...]:
        """The class that the answer takes in each question, from 0."""

    @abstractmethod
    def elected(self, spec: Mapping[str, Any], tallies: Sequence[Tally]) -> dict[str, Any]:
        """The answer that the votes elect: of each question, classes and what speaks for them.

        A class that nobody took may be missing; of equals the one named first is elected.
        """

    def similarity(
        self, spec: Mapping[str, Any], one: Mapping[str, Any], other: Mapping[str, Any]
    ) -> float:
        """The share of questions that two answers decide alike."""
        pairs = list(zip(self.ballot(spec, one), self.ballot(spec, other), strict=True))
        return sum(a == b for a, b in pairs) / len(pairs)

    def merge(
        self,
        spec: Mapping[str, Any],
        answers: Sequence[Mapping[str, Any]],
        weights: Sequence[float] | None = None,
    ) -> dict[str, Any]:
        """What the weights elect; of equals what was said first."""
        weights = [1.0] * len(answers) if weights is None else weights
        tallies: list[dict[int, float]] = [{} for _ in self.sizes(spec)]
        for answer, weight in zip(answers, weights, strict=True):
            for tally, taken in zip(tallies, self.ballot(spec, answer), strict=True):
                tally[taken] = tally.get(taken, 0.0) + weight
        return self.elected(spec, tallies)


def leader(tally: Tally) -> int:
    """The class that most speaks for; of equals the one named first."""
    return max(tally, key=tally.__getitem__)


class Compared(Kind):
    """A kind whose answers are open: they are compared with each other, never counted."""


def fields(value: Any, allowed: Sequence[str], error: type[SpecError | AnswerError]) -> Errors:
    """Problems of the object itself: none, or one for each field that is not ``allowed``.

    Raises ``error`` when it is no object at all.
    """
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise error({"": ["An object is needed."]})
    return {_short(name): ["There is no such field."] for name in value if name not in allowed}


def _short(name: str) -> str:
    """A name as it can be shown: not endless, and without what no text may hold."""
    shown = name if len(name) <= 64 else f"{name[:64]}…"
    return shown.encode("utf-8", "replace").decode()


def text_problem(value: Any, cap: int) -> str | None:
    """Why a value is not usable text of at most ``cap`` characters, or None when it is.

    Refused are what no keyboard makes and a database or a page stumbles over: NUL and other control
    characters but tab and line ends, and lone surrogates.
    """
    if not isinstance(value, str):
        return "Text is needed."
    if len(value) > cap:
        return f"At most {cap} characters."
    for character in value:
        if character < " " and character not in "\t\n\r":
            return "Control characters are not taken."
        if "\ud800" <= character <= "\udfff" or character == "\x7f":
            return "Control characters are not taken."
    return None


def canonical_text(value: str) -> str:
    """Text in its composed Unicode form, line ends as one character, without space around it."""
    composed = unicodedata.normalize("NFC", value)
    return composed.replace("\r\n", "\n").replace("\r", "\n").strip()


def whole_number(value: Any, low: int, high: int) -> bool:
    """Whether a value is a whole number within bounds; true and false are none, nor is 1.5."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value == int(value) and low <= value <= high
