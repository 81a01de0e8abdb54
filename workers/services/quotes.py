"""Saying in words what a claim pays, on the path of every claim without a statement of its own."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from marketplace.models import Job
from payments import pricing

# A launched job keeps these for ever (a trigger sees to it), so a process may keep what it has read.
_terms: dict[UUID, dict[str, Any]] = {}


def terms(job: Job) -> dict[str, Any]:
    """The part of a quote that is the same for all answers of a job; decimals are strings."""
    return {
        "unit": job.unit,
        "base_rate_micros": job.base_rate_micros,
        "specialty": job.specialty,
        "difficulty": str(job.difficulty),
    }


def terms_of(job_id: UUID) -> dict[str, Any]:
    """The same of a launched job; one statement the first time, none after it."""
    if job_id not in _terms:
        if len(_terms) > 1000:
            _terms.clear()
        fields = ("unit", "base_rate_micros", "specialty", "difficulty")
        _terms[job_id] = terms(Job.objects.only(*fields).get(pk=job_id))
    return _terms[job_id]


def explanation(quote: dict[str, Any], of_job: dict[str, Any]) -> str:
    """A frozen quote in one line, as its receipt will say it.

    ``quote`` holds an assignment's columns, numbers that are not whole as strings; ``of_job`` the
    job's terms.
    """
    return pricing.explain({**quote, **of_job})
