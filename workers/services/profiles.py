"""What a worker says of themselves, and what they are told of their quality."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from core import errors
from payments.services import rates
from workers.models import Worker

from . import standing

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)
COUNTRY = re.compile(r"([A-Z]{2})?", re.ASCII)
#: Languages or specialties that a profile may name, and the longest tag of a language.
MOST, LANGUAGE_CAP = 20, 16
#: The card whose specialties a profile may name.
CURRENCY = "USD"


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
