"""One or several of a few options.

Spec: ``{"options": [{"value": "cat", "label": "A cat"}, …], "multiple": false}``; an option may be
given as its value alone. With ``multiple`` also ``min`` and ``max``, how many may be chosen.
Answer: ``{"choice": "cat"}``, with ``multiple`` ``{"choices": ["cat", "dog"]}``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from marketplace.labeling.base import (
    AnswerError,
    Counted,
    Errors,
    SpecError,
    Tally,
    canonical_text,
    fields,
    leader,
    text_problem,
    whole_number,
)

OPTIONS_CAP = 200
VALUE_CAP = 100
LABEL_CAP = 500


class Choices(Counted):
    """Single choice is one question of as many classes as options; multiple a yes or no for each."""

    name = "choices"

    def check(self, spec: Any) -> dict[str, Any]:
        """See the module's docstring for the fields. Raises SpecError."""
        problems = fields(spec, ("options", "multiple", "min", "max"), SpecError)
        options = _options(spec.get("options"), problems)
        multiple = spec.get("multiple", False)
        if not isinstance(multiple, bool):
            problems["multiple"] = ["True or false."]
        found: dict[str, Any] = {"options": options, "multiple": multiple}
        if multiple is True:
            found.update(_bounds(spec, len(options), problems))
        else:
            for name in ("min", "max"):
                if name in spec:
                    problems[name] = ["Only with multiple."]
        if problems:
            raise SpecError(problems)
        return found

    def validate(self, spec: Mapping[str, Any], answer: Any) -> dict[str, Any]:
        """Chosen values, in the order of the options. Raises AnswerError."""
        known = [option["value"] for option in spec["options"]]
        field = "choices" if spec["multiple"] else "choice"
        problems = fields(answer, (field,), AnswerError)
        if field not in answer:
            problems[field] = ["This field is required."]
        if problems:
            raise AnswerError(problems)
        given = answer[field]
        if not spec["multiple"]:
            if not isinstance(given, str) or given not in known:
                raise AnswerError({field: ["One of the options is needed."]})
            return {field: given}
        if not isinstance(given, list) or not all(
            isinstance(one, str) and one in known for one in given
        ):
            raise AnswerError({field: ["A list of options is needed."]})
        if len(set(given)) != len(given):
            raise AnswerError({field: ["Each option can be chosen once."]})
        if not spec["min"] <= len(given) <= spec["max"]:
            raise AnswerError({field: [f"Choose {spec['min']} to {spec['max']}."]})
        return {field: [value for value in known if value in given]}

    def empty(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing chosen."""
        return {"choices": []} if spec["multiple"] else {"choice": None}

    def sizes(self, spec: Mapping[str, Any]) -> tuple[int, ...]:
        """The options, or two for each of them."""
        count = len(spec["options"])
        return (2,) * count if spec["multiple"] else (count,)

    def ballot(self, spec: Mapping[str, Any], answer: Mapping[str, Any]) -> tuple[int, ...]:
        """The place of the option chosen, or a 1 for each chosen one."""
        if spec["multiple"]:
            chosen = set(answer["choices"])
            return tuple(int(option["value"] in chosen) for option in spec["options"])
        return ([option["value"] for option in spec["options"]].index(answer["choice"]),)

    def elected(self, spec: Mapping[str, Any], tallies: Sequence[Tally]) -> dict[str, Any]:
        """The leading option; of several those that most chose, as many as the bounds allow."""
        values = [option["value"] for option in spec["options"]]
        if not spec["multiple"]:
            return {"choice": values[leader(tallies[0])]}
        taken = [leader(tally) == 1 for tally in tallies]
        margins = [tally.get(1, -math.inf) - tally.get(0, -math.inf) for tally in tallies]
        # The best supported stay in, the least supported go first.
        ranked = sorted(range(len(values)), key=lambda n: (not taken[n], -margins[n], n))
        count = min(max(sum(taken), spec["min"]), spec["max"])
        chosen = set(ranked[:count])
        return {"choices": [value for n, value in enumerate(values) if n in chosen]}

    def grade(
        self, spec: Mapping[str, Any], said: Mapping[str, Any], known: Mapping[str, Any]
    ) -> float:
        """Right or wrong; of several, the share of what both chose in what either did (Jaccard)."""
        if not spec["multiple"]:
            return float(said["choice"] == known["choice"])
        one, other = set(said["choices"]), set(known["choices"])
        return len(one & other) / len(one | other) if one | other else 1.0


def _options(given: Any, problems: Errors) -> list[dict[str, str]]:
    if not isinstance(given, list) or not 2 <= len(given) <= OPTIONS_CAP:
        problems["options"] = [f"A list of 2 to {OPTIONS_CAP} options is needed."]
        return []
    found: list[dict[str, str]] = []
    for number, one in enumerate(given):
        option = {"value": one} if isinstance(one, str) else one
        if not isinstance(option, Mapping) or set(option) - {"value", "label"}:
            problems[f"options.{number}"] = ["A value, with a label if wanted."]
            continue
        said = option.get("value")
        texts = (said, VALUE_CAP), (option.get("label", said), LABEL_CAP)
        if problem := next((why for one in texts if (why := _text_problem(*one))), None):
            problems[f"options.{number}"] = [problem]
            continue
        value, label = (canonical_text(str(text)) for text, _ in texts)
        found.append({"value": value, "label": label})
    values = [option["value"] for option in found]
    if len(set(values)) != len(values):
        problems["options"] = ["Two options have the same value."]
    return found


def _text_problem(value: Any, cap: int) -> str | None:
    problem = text_problem(value, cap)
    return problem or (None if canonical_text(value) else "Text is needed.")


def _bounds(spec: Mapping[str, Any], count: int, problems: Errors) -> dict[str, int]:
    low, high = spec.get("min", 1), spec.get("max", count)
    if not whole_number(low, 0, count):
        problems["min"] = [f"A whole number from 0 to {count}."]
    elif not whole_number(high, max(low, 1), count):
        problems["max"] = [f"A whole number from {max(low, 1)} to {count}."]
    else:
        return {"min": int(low), "max": int(high)}
    return {}


KIND = Choices()
