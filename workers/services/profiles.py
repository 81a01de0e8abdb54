"""What a worker says of themselves, and what they are told of their quality."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from core import errors
from payments import pricing
from payments.services import rates
from workers import scoring
from workers.models import Worker

from . import reputation, standing

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)
COUNTRY = re.compile(r"([A-Z]{2})?", re.ASCII)
#: Languages or specialties that a profile may name, and the longest tag of a language.
MOST, LANGUAGE_CAP = 20, 16
#: The card whose specialties a profile may name.
CURRENCY = "USD"


@dataclass(frozen=True)
class SkillView:
    """A worker's quality in one specialty: the factor on their pay, the lower bound that it rests
    on (None with too few checks), and how many right answers to checks would reach the next factor
    (None when it is out of reach, or this is the top).
    """

    specialty: str
    checks: int
    lower_bound: float | None
    tier: Decimal
    next_tier: Decimal | None
    checks_missing: int | None
    is_suspended: bool
    suspended_reason: str


@dataclass(frozen=True)
class Profile:
    """A worker, and their skills in the specialties they named or were checked in."""

    worker: Worker
    skills: Sequence[SkillView]


def checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Profile fields as they are kept: lists without repetitions. Raises Invalid naming each that
    cannot be as it is.
    """
    problems: dict[str, list[str]] = {}
    found: dict[str, Any] = {}
    for name, value in fields.items():
        found[name], problem = _RULES[name](value)
        if problem:
            problems[name] = [problem]
    if problems:
        raise errors.Invalid("The profile cannot be like that.", errors=problems)
    return found


def profile(*, worker_id: UUID) -> Profile:
    """A worker's profile. Raises NotAWorker."""
    found = standing.read(worker_id)
    card = rates.current(CURRENCY)
    named = sorted({*found.worker.specialties, *found.records})
    return Profile(found.worker, [_skill(found, one, card) for one in named])


def _skill(found: standing.Standing, specialty: str, card: pricing.Card) -> SkillView:
    skill = reputation.skill(found.worker.pk, specialty)
    tier = scoring.tier_of(skill, specialty)
    missing = scoring.checks_missing(skill, specialty)
    record = found.records.get(specialty)
    return SkillView(
        specialty=specialty,
        checks=skill.checks,
        lower_bound=None if tier.lower_bound is None else float(tier.lower_bound),
        tier=card.tier_multiplier(tier.level),
        next_tier=None if missing is None else card.tier_multiplier(tier.level + 1),
        checks_missing=missing,
        is_suspended=record is not None and record.is_suspended,
        suspended_reason=found.suspension(specialty),
    )


def change(*, worker_id: UUID, fields: Mapping[str, Any]) -> Worker:
    """Change what is given of ``languages``, ``specialties`` and ``country``.

    Raises Invalid, NotAWorker.
    """
    found = checked(fields)
    with transaction.atomic():
        row = Worker.objects.select_for_update(no_key=True).filter(pk=worker_id).first()
        if row is None:
            raise standing.NotAWorker("Become a worker first: POST /api/v1/worker.")
        for name, value in found.items():
            setattr(row, name, value)
        row.save(update_fields=list(found))
        return row


def _languages(value: Any) -> tuple[list[str], str]:
    tags = list(dict.fromkeys(value))
    fine = all(len(one) <= LANGUAGE_CAP and LANGUAGE.fullmatch(one) for one in tags)
    return tags, "" if fine and len(tags) <= MOST else f"At most {MOST} tags like en or pt-BR."


def _specialties(value: Any) -> tuple[list[str], str]:
    named = list(dict.fromkeys(value))
    if not named:
        return named, ""
    known = rates.current(CURRENCY).specialties
    fine = all(one in known for one in named)
    return named, "" if fine else f"Specialties are: {', '.join(sorted(known))}."


def _country(value: Any) -> tuple[str, str]:
    fine = COUNTRY.fullmatch(value)
    return value, "" if fine else "Two capital letters, or empty."


_RULES: Mapping[str, Callable[[Any], tuple[Any, str]]] = {
    "languages": _languages,
    "specialties": _specialties,
    "country": _country,
}
