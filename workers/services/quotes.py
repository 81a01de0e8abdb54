"""What a claim pays, in words."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import UUID

from marketplace.models import Job
from payments import pricing


def terms(job: Job) -> dict[str, Any]:
    """The part of a quote that is the same for all answers of a job; decimals are strings."""
    return {
        "unit": job.unit,
        "base_rate_micros": job.base_rate_micros,
        "specialty": job.specialty,
        "difficulty": str(job.difficulty),
    }


# A launched job keeps these for ever (a trigger sees to it), so a process may keep what it has read.
@lru_cache(maxsize=1000)
def terms_of(job_id: UUID) -> dict[str, Any]:
    """The same of a launched job; one statement the first time, none after it."""
    fields = ("unit", "base_rate_micros", "specialty", "difficulty")
    return terms(Job.objects.only(*fields).get(pk=job_id))


def explanation(quote: dict[str, Any], of_job: dict[str, Any]) -> str:
    """A frozen quote in one line, as its receipt will say it.

    ``quote`` holds an assignment's columns, numbers that are not whole as strings; ``of_job`` the
    job's terms.
    """
    return pricing.explain({**quote, **of_job})
