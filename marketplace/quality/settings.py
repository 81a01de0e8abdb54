"""How sure a job wants to be: the settings a requester sees and may change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

OVERLAP_CAP = 50


class SettingsError(ValueError):
    """Settings cannot be as they are. ``errors`` names them; ``""`` is the object itself."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(str(errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """What the stopping rule goes by.

    ``kmin`` answers are asked for first, ``kmax`` at most. An answer is accepted when it leads by
    ``lead`` votes, or when it is right with at least ``confidence`` as far as checks know the
    people; open answers when two are at least ``agreement`` alike. ``gold_share`` of what a worker
    gets are checks; ``audit_share`` of the tasks get a third answer whatever the first two say. A
    worker whose checks show less than ``ban_floor`` is checked more, and suspended where they show
    less than the usual floor too; None is the usual floor, and hard scales need a lower one.
    """

    kmin: int = 2
    kmax: int = 5
    lead: int = 2
    confidence: float = 0.95
    agreement: float = 0.95
    gold_share: float = 0.05
    audit_share: float = 0.02
    ban_floor: float | None = None

    @classmethod
    def from_dict(cls, given: Any, *, usual: Mapping[str, Any] | None = None) -> QualitySettings:
        """Settings from JSON; what is missing is as ``usual`` (of the kind) or the default has it.

        Raises SettingsError naming every setting that cannot be as it is.
        """
        if not isinstance(given, Mapping):
            raise SettingsError({"": ["An object is needed."]})
        known = {field.name for field in fields(cls)}
        problems = {str(name): ["There is no such setting."] for name in set(given) - known}
        values: dict[str, Any] = {**asdict(cls()), **(usual or {})}
        if "kmin" in given and "kmax" not in given and _whole(given["kmin"], 1, OVERLAP_CAP):
            values["kmax"] = max(values["kmax"], given["kmin"])
        if "kmax" in given and "kmin" not in given and _whole(given["kmax"], 1, OVERLAP_CAP):
            values["kmin"] = min(values["kmin"], given["kmax"])
        values.update({name: given[name] for name in known if name in given})
        for name, low, high in (
            ("kmin", 1, OVERLAP_CAP),
            ("kmax", 1, OVERLAP_CAP),
            ("lead", 1, 10),
        ):
            if not _whole(values[name], low, high):
                problems[name] = [f"A whole number from {low} to {high}."]
        for name, low_share, high_share in _SHARES:
            value = values[name]
            if name == "ban_floor" and value is None:
                continue
            if not _number(value, low_share, high_share):
                problems[name] = [f"A number from {low_share} to {high_share}."]
        if not problems and values["kmin"] > values["kmax"]:
            problems["kmin"] = [f"At most kmax, {values['kmax']}."]
        if problems:
            raise SettingsError(problems)
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """All settings as JSON; `from_dict` gives the same settings back."""
        return asdict(self)


_SHARES = (
    ("confidence", 0.5, 0.999),
    ("agreement", 0.5, 1.0),
    ("gold_share", 0.0, 0.5),
    ("audit_share", 0.0, 0.5),
    ("ban_floor", 0.0, 0.95),
)


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _number(value: Any, low: float, high: float) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and low <= value <= high
    )
