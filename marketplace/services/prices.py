"""A job's price basis handed to the pricing of the money plane."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db import connection

from marketplace.models import Job
from payments import pricing
from payments.services import rates

_BASIS = (
    "unit",
    "base_rate_micros",
    "seconds_per_unit",
    "specialty",
    "difficulty",
    "bonus_pct",
    "currency",
    "card_version",
    "max_overlap",
    "interface_id",
)

#: Pricing very many tasks again may take longer than a request's other statements.
TIMEOUT = "15min"

_DISTINCT = """
SELECT DISTINCT units FROM marketplace_task WHERE job_id = %s
"""

_REPRICE = """
UPDATE marketplace_task t
SET slot_reserve_micros = p.reserve,
    max_overlap = CASE WHEN t.role = 'work' THEN %(overlap)s ELSE t.max_overlap END
FROM unnest(%(units)s::numeric[], %(reserves)s::bigint[]) AS p(units, reserve)
WHERE t.job_id = %(job)s AND t.units = p.units
  AND (t.slot_reserve_micros <> p.reserve OR (t.role = 'work' AND t.max_overlap <> %(overlap)s))
"""


def basis(job: Job) -> tuple[Any, ...]:
    """What the price of the job's tasks depends on; equal bases give equal reserves."""
    return tuple(getattr(job, name) for name in _BASIS)


def card(job: Job) -> pricing.Card:
    """The rate card that the job is priced by."""
    return rates.get(job.card_version)


def unit_price(job: Job, by: pricing.Card, tier: Decimal) -> Decimal:
    """Micro-units for one unit of the job's work by a worker of a tier."""
    return pricing.worker_rate(
        by,
        base_rate_micros=job.base_rate_micros,
        specialty=job.specialty,
        difficulty=job.difficulty,
        tier=tier,
    )


def reserves(job: Job) -> Callable[[Decimal], int]:
    """A function from a task's units to the reserve of one slot, in micro-units.

    Covers pay and fee of any tier on this card, the bonus, and the top-up to the hourly floor.
    """
    by = card(job)
    known: dict[Decimal, int] = {}

    def reserve(units: Decimal) -> int:
        if units not in known:
            if len(known) > 100_000:
                known.clear()
            known[units] = pricing.slot_reserve(
                by,
                base_rate_micros=job.base_rate_micros,
                specialty=job.specialty,
                difficulty=job.difficulty,
                seconds_per_unit=job.seconds_per_unit,
                bonus_pct=job.bonus_pct,
                units=units,
            )
        return known[units]

    return reserve


def reprice_tasks(job: Job) -> int:
    """Bring the tasks of a draft in line with its price basis; how many changed.

    The caller holds the job's row lock, and knows that the basis is another than before. Three
    statements, whatever the number of tasks.
    """
    reserve_of = reserves(job)
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{TIMEOUT}'")
        cursor.execute(_DISTINCT, [job.pk])
        units = [row[0] for row in cursor.fetchall()]
        if not units:
            return 0
        cursor.execute(
            _REPRICE,
            {
                "job": job.pk,
                "overlap": job.max_overlap,
                "units": units,
                "reserves": [reserve_of(one) for one in units],
            },
        )
        return int(cursor.rowcount)
