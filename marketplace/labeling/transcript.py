"""What is said in a recording, as text.

Spec: ``{"profile": "default", "max_length": 5000, "allow_empty": false}``. The profile names what
counts when transcripts are compared (see `words.PROFILES`); the text itself is kept as it was
typed. Answer: ``{"text": "…"}``; an empty one, where allowed, says that there is no speech.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marketplace.labeling import words
from marketplace.labeling.base import (
    AnswerError,
    Compared,
    SpecError,
    canonical_text,
    fields,
    text_problem,
    whole_number,
)

LENGTH_CAP = 50_000
LENGTH_USUAL = 5_000


class Transcript(Compared):
    """Graded by word error rate after normalising; put together by word voting."""

    name = "transcript"
    # One transcript is bad and seven are good: asking up to seven pays where nobody agrees.
    quality = {"kmax": 7}

    def check(self, spec: Any) -> dict[str, Any]:
        """See the module's docstring for the fields. Raises SpecError."""
        problems = fields(spec, ("profile", "max_length", "allow_empty"), SpecError)
        profile = spec.get("profile", "default")
        if not isinstance(profile, str) or profile not in words.PROFILES:
            problems["profile"] = [f"One of: {', '.join(words.PROFILES)}."]
        length = spec.get("max_length", LENGTH_USUAL)
        if not whole_number(length, 1, LENGTH_CAP):
            problems["max_length"] = [f"A whole number from 1 to {LENGTH_CAP}."]
        allow_empty = spec.get("allow_empty", False)
        if not isinstance(allow_empty, bool):
            problems["allow_empty"] = ["True or false."]
        if problems:
            raise SpecError(problems)
        return {"profile": profile, "max_length": int(length), "allow_empty": allow_empty}

    def validate(self, spec: Mapping[str, Any], answer: Any) -> dict[str, Any]:
        """The text in composed form, without space around it. Raises AnswerError."""
        problems = fields(answer, ("text",), AnswerError)
        if "text" not in answer:
            problems["text"] = ["This field is required."]
        elif problem := text_problem(answer["text"], spec["max_length"]):
            problems["text"] = [problem]
        if problems:
            raise AnswerError(problems)
        text = canonical_text(answer["text"])
        if len(text) > spec["max_length"]:
            raise AnswerError({"text": [f"At most {spec['max_length']} characters."]})
        if not words.pieces(spec["profile"], text) and not (spec["allow_empty"] and not text):
            raise AnswerError({"text": ["Words are needed."]})
        return {"text": text}

    def empty(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """No text."""
        return {"text": ""}

    def similarity(
        self, spec: Mapping[str, Any], one: Mapping[str, Any], other: Mapping[str, Any]
    ) -> float:
        """1 less the words that differ, of those of the longer one."""
        a, b = self._pieces(spec, one), self._pieces(spec, other)
        longest = max(len(a), len(b))
        return 1 - words.errors(a, b) / longest if longest else 1.0

    def grade(
        self, spec: Mapping[str, Any], said: Mapping[str, Any], known: Mapping[str, Any]
    ) -> float:
        """1 less the word error rate, and at least 0."""
        wrong, length = self.distance(spec, said, known)
        return max(0.0, 1 - wrong / length)

    def distance(
        self, spec: Mapping[str, Any], said: Mapping[str, Any], known: Mapping[str, Any]
    ) -> tuple[float, float]:
        """Word errors, and the words of the known transcript (at least one, if it is silence)."""
        a, b = self._pieces(spec, said), self._pieces(spec, known)
        return float(words.errors(a, b)), float(len(b) or 1)

    def merge(
        self,
        spec: Mapping[str, Any],
        answers: Sequence[Mapping[str, Any]],
        weights: Sequence[float] | None = None,
    ) -> dict[str, Any]:
        """Word voting around the transcript that is most like the others.

        When the vote finds what somebody wrote, the result is their text as it was typed; else it
        is the elected words alone.
        """
        weights = [1.0] * len(answers) if weights is None else list(weights)
        middle = self._medoid(spec, answers, weights)
        order = [middle, *(n for n in range(len(answers)) if n != middle)]
        said = [self._pieces(spec, answers[n]) for n in order]
        elected = tuple(words.vote(said[0], said[1:], [weights[n] for n in order]))
        for pieces, n in zip(said, order, strict=True):
            if pieces == elected:
                return dict(answers[n])
        by_character = words.PROFILES[spec["profile"]].by_character
        return {"text": ("" if by_character else " ").join(elected)}

    def _medoid(
        self,
        spec: Mapping[str, Any],
        answers: Sequence[Mapping[str, Any]],
        weights: Sequence[float],
    ) -> int:
        def support(n: int) -> float:
            return sum(
                weight * self.similarity(spec, answers[n], answer)
                for answer, weight in zip(answers, weights, strict=True)
            )

        return max(range(len(answers)), key=support)

    def _pieces(self, spec: Mapping[str, Any], answer: Mapping[str, Any]) -> tuple[str, ...]:
        return words.pieces(spec["profile"], answer["text"])


KIND = Transcript()
