"""The work that is offered to a worker: what it pays them, how long it takes, whether they may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import CharField, F, QuerySet, Value
from django.db.models.functions import Cast, Concat, LPad

from core import errors
from marketplace.models import Job, Qualification
from payments import pricing
from payments.services import rates
from workers import scoring

from . import places, qualifications, reputation, standing

#: Open tasks that the usual size of a job's tasks is read from.
SAMPLED = 20

_UNITS = """
SELECT j.id, coalesce(avg(x.units), 1) FROM unnest(%s::uuid[]) AS j(id)
LEFT JOIN LATERAL (
    SELECT t.units FROM marketplace_task t
    WHERE t.job_id = j.id AND t.is_open ORDER BY t.pos LIMIT %s
) x ON true
GROUP BY j.id
"""


@dataclass(frozen=True)
class Listing:
    """A job as one worker sees it.

    ``price`` is for a task of the usual size (``units``) at this worker's tier. ``seconds`` for
    such a task were measured over ``sample`` accepted answers, or (``sample`` 0) are what the
    requester says. ``state`` is ``have`` (claim now), ``can_take`` (exams in ``missing`` stand
    between) or ``locked`` (``reason`` and ``detail`` say why).
    """

    job: Job
    unit_price: Decimal
    units: Decimal
    price: pricing.Price
    tier: Decimal
    floor_per_hour_micros: int
    seconds: Decimal
    sample: int
    tasks_left: int
    suits_languages: bool
    state: str
    reason: str = ""
    detail: str = ""
    missing: Sequence[qualifications.Holding] = field(default_factory=list)

    @property
    def hourly_micros(self) -> int:
        """What an hour of this pays at the stated pace, in micro-units."""
        return round(self.price.guaranteed_micros * 3600 / float(self.seconds))


def listed(
    *,
    specialty: str | None = None,
    language: str | None = None,
    sandbox: bool = False,
) -> QuerySet[Job]:
    """Live jobs of real money, or (``sandbox``) of play money; each with its ``rank``: by priority,
    then base rate, then age.
    """
    found = Job.objects.select_related("stats", "organization", "interface").filter(
        state=Job.State.LIVE, purpose=Job.Purpose.WORK, sandbox=sandbox
    )
    if specialty is not None:
        found = found.filter(specialty=specialty)
    if language is not None:
        found = found.filter(languages__contains=[language]) | found.filter(languages=[])
    return found.annotate(
        rank=Concat(
            _digits(Value(99) - F("priority"), 4),
            _digits(Value(2 * 10**9) - F("base_rate_micros"), 10),
            Cast("id", CharField()),
        )
    )


def _digits(value: Any, width: int) -> LPad:
    return LPad(Cast(value, CharField()), width, Value("0"))


def listings(*, worker_id: UUID, jobs: Sequence[Job]) -> list[Listing]:
    """The jobs as this worker sees them. The number of statements does not depend on that of jobs.

    The jobs come as ``listed`` has them. Raises NotAWorker.
    """
    found = standing.read(worker_id)
    units = _units([job.pk for job in jobs])
    wanted = {pk for job in jobs for pk in places.missing_qualifications(job, found)}
    rows = Qualification.objects.filter(pk__in=wanted).select_related("exam_job") if wanted else []
    held = {one.qualification.pk: one for one in qualifications.holdings(found, list(rows))}
    levels: dict[str, int] = {}
    for name in sorted({job.specialty for job in jobs}):
        levels[name] = scoring.tier_of(reputation.skill(worker_id, name), name).level
    return [_listing(job, found, units[job.pk], levels[job.specialty], held) for job in jobs]


def listing(*, worker_id: UUID, job_id: UUID) -> Listing:
    """One launched job as this worker sees it, whatever its state. Raises NotFound, NotAWorker."""
    job = (
        Job.objects.select_related("stats", "organization", "interface")
        .filter(pk=job_id, purpose=Job.Purpose.WORK, launched_at__isnull=False)
        .first()
    )
    if job is None:
        raise errors.NotFound("There is no such job.")
    return listings(worker_id=worker_id, jobs=[job])[0]


def _units(ids: list[UUID]) -> dict[UUID, Decimal]:
    with connection.cursor() as cursor:
        cursor.execute(_UNITS, [ids, SAMPLED])
        return {pk: round(mean, 3) for pk, mean in cursor.fetchall()}


def _listing(
    job: Job,
    found: standing.Standing,
    units: Decimal,
    level: int,
    held: dict[UUID, qualifications.Holding],
) -> Listing:
    card = rates.get(job.card_version)
    tier = card.tier_multiplier(level)
    unit_price = pricing.worker_rate(
        card,
        base_rate_micros=job.base_rate_micros,
        specialty=job.specialty,
        difficulty=job.difficulty,
        tier=tier,
    )
    price = pricing.price(
        unit_price=unit_price,
        units=units,
        floor_per_hour_micros=card.floor_per_hour_micros,
        seconds_per_unit=job.seconds_per_unit,
        fee_rate=card.fee_rate,
        bonus_pct=job.bonus_pct,
    )
    figures = job.stats
    measured = figures.median_seconds
    missing = [held[pk] for pk in places.missing_qualifications(job, found) if pk in held]
    names = {one.qualification.pk: one.qualification.name for one in missing}
    may = places.judge(job, found, names)
    state = qualifications.HAVE
    if not may.ok:
        takeable = may.code == "not_qualified" and all(
            one.state == qualifications.CAN_TAKE for one in missing
        )
        state = qualifications.CAN_TAKE if takeable else qualifications.LOCKED
    return Listing(
        job=job,
        unit_price=unit_price,
        units=units,
        price=price,
        tier=tier,
        floor_per_hour_micros=card.floor_per_hour_micros,
        seconds=max(
            Decimal(str(measured)) if measured else job.seconds_per_unit * units, Decimal("0.1")
        ),
        sample=figures.accepted if measured else 0,
        tasks_left=figures.open_tasks + figures.parked_tasks,
        suits_languages=found.speaks(job.languages),
        state=state,
        reason=may.code,
        detail=may.detail,
        missing=missing,
    )
