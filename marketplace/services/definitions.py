"""What a job's definition may hold: every field checked, defaults filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from core import errors
from marketplace.labeling import registry
from marketplace.labeling.base import SpecError
from marketplace.models import Job
from marketplace.quality.settings import QualitySettings, SettingsError

NAME_CAP = 200
INSTRUCTIONS_CAP = 50_000
RATE_CAP = 1_000_000_000
LIST_CAP = 20
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")

DEFAULTS: Mapping[str, Any] = {
    "instructions": "",
    "purpose": Job.Purpose.WORK,
    "specialty": "text",
    "unit": Job.Unit.ITEM,
    "difficulty": Decimal(1),
    "bonus_pct": Decimal(0),
    "acceptance": Job.Acceptance.AUTO,
    "review_days": 7,
    "time_limit_seconds": 900,
    "undo_seconds": 5,
    "required_qualifications": [],
    "languages": [],
    "priority": 0,
    "sandbox": False,
    "allow_ahead": False,
    "auto_close": True,
    "quality": {},
}


@dataclass(frozen=True)
class Definition:
    """A checked definition: column values of the job, and its interface's kind and spec."""

    columns: dict[str, Any]
    kind: str
    spec: dict[str, Any]


class _Bad(Exception):
    """What is wrong with one field."""


def check(fields: Mapping[str, Any]) -> Definition:
    """Check a whole definition. Raises Invalid naming every field that cannot be as it is."""
    given = {**DEFAULTS, **fields}
    columns: dict[str, Any] = {}
    problems: dict[str, list[str]] = {}
    for name, rule in _RULES.items():
        if name not in given:
            problems[name] = ["This field is required."]
            continue
        try:
            columns[name] = rule(given[name])
        except _Bad as bad:
            problems[name] = [str(bad)]
    kind, spec = _interface(given, problems)
    columns.update(_quality(given["quality"], kind, problems))
    if unknown := set(given) - set(_RULES) - {"quality", "kind", "interface"}:
        problems.update({name: ["There is no such field."] for name in unknown})
    if problems:
        raise errors.Invalid("The job cannot be defined like that.", errors=problems)
    return Definition(columns, kind, spec)


def check_later(fields: Mapping[str, Any]) -> None:
    """Check single fields of a running job. Raises Invalid."""
    problems: dict[str, list[str]] = {}
    for name, value in fields.items():
        try:
            _RULES[name](value)
        except _Bad as bad:
            problems[name] = [str(bad)]
    if problems:
        raise errors.Invalid("The job cannot be changed like that.", errors=problems)


def _quality(given: Any, kind: str, problems: dict[str, list[str]]) -> dict[str, Any]:
    usual = registry.get(kind).quality if kind else {}
    try:
        settings = QualitySettings.from_dict(given, usual=usual)
    except SettingsError as bad:
        for name, said in bad.errors.items():
            problems[f"quality.{name}" if name else "quality"] = said
        return {}
    return {
        "quality": settings.as_dict(),
        "kmin": settings.kmin,
        "max_overlap": settings.kmax,
        "gold_share": Decimal(str(settings.gold_share)).quantize(Decimal("0.001")),
    }


def _interface(
    given: Mapping[str, Any], problems: dict[str, list[str]]
) -> tuple[str, dict[str, Any]]:
    kind, spec = given.get("kind"), given.get("interface")
    if not isinstance(kind, str) or kind not in registry.KINDS:
        problems["kind"] = [f"Kinds are: {', '.join(sorted(registry.KINDS))}."]
        return "", {}
    try:
        return kind, registry.get(kind).check(spec)
    except SpecError as bad:
        for name, said in bad.errors.items():
            problems[f"interface.{name}" if name else "interface"] = said
        return kind, {}


def _text(cap: int, *, empty: bool = False) -> Callable[[Any], str]:
    def rule(value: Any) -> str:
        if not isinstance(value, str) or (not empty and not value.strip()):
            raise _Bad("Text is needed.")
        if len(value) > cap:
            raise _Bad(f"At most {cap} characters.")
        return value

    return rule


def _one_of(choices: Any) -> Callable[[Any], str]:
    def rule(value: Any) -> str:
        if value not in choices.values:
            raise _Bad(f"One of: {', '.join(choices.values)}.")
        return str(value)

    return rule


def _integer(low: int, high: int) -> Callable[[Any], int]:
    def rule(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _Bad(f"A whole number from {low} to {high}.")
        return value

    return rule


def _decimal(low: str, high: str, places: str) -> Callable[[Any], Decimal]:
    def rule(value: Any) -> Decimal:
        said = f"A number from {low} to {high}, in steps of {places}."
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise _Bad(said)
        try:
            exact = Decimal(str(value))
            if not Decimal(low) <= exact <= Decimal(high):
                raise _Bad(said)
            if exact != exact.quantize(Decimal(places)):
                raise _Bad(said)
        except InvalidOperation as problem:
            raise _Bad(said) from problem
        return exact

    return rule


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Bad("True or false.")
    return value


def _ids(value: Any) -> list[UUID]:
    if not isinstance(value, list) or len(value) > LIST_CAP:
        raise _Bad(f"A list of at most {LIST_CAP} ids.")
    try:
        found = [one if isinstance(one, UUID) else UUID(one) for one in value]
    except (ValueError, TypeError, AttributeError) as problem:
        raise _Bad("Not all of these are ids.") from problem
    return list(dict.fromkeys(found))


def _languages(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > LIST_CAP:
        raise _Bad(f"A list of at most {LIST_CAP} language tags.")
    if not all(isinstance(one, str) and _LANGUAGE.fullmatch(one) for one in value):
        raise _Bad("Language tags look like en or pt-BR.")
    return list(dict.fromkeys(value))


_RULES: Mapping[str, Callable[[Any], Any]] = {
    "name": _text(NAME_CAP),
    "instructions": _text(INSTRUCTIONS_CAP, empty=True),
    "purpose": _one_of(Job.Purpose),
    "specialty": _text(32),
    "unit": _one_of(Job.Unit),
    "base_rate_micros": _integer(0, RATE_CAP),
    "seconds_per_unit": _decimal("0.001", "86400", "0.001"),
    "difficulty": _decimal("1", "1.5", "0.01"),
    "bonus_pct": _decimal("0", "0.25", "0.0001"),
    "acceptance": _one_of(Job.Acceptance),
    "review_days": _integer(1, 30),
    "time_limit_seconds": _integer(10, 86_400),
    "undo_seconds": _integer(0, 60),
    "required_qualifications": _ids,
    "languages": _languages,
    "priority": _integer(-10, 10),
    "sandbox": _flag,
    "allow_ahead": _flag,
    "auto_close": _flag,
}
