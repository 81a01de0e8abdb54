"""A worker's place in a job: made at the first claim, refreshed when rate or rights change."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, Max, Min, OuterRef

from core import clock, errors
from marketplace.models import Job, Qualification, Task
from marketplace.services import rounds
from payments import pricing
from payments.services import escrow, rates
from workers import scoring
from workers.models import Assignment, Worker, WorkerJob

from . import reputation, standing

#: Gold tasks a worker may claim before the next refill; the index of the refill names it too.
GOLD_CREDIT = 2
_SOON, _LATER, _MUCH_LATER = timedelta(seconds=2), timedelta(minutes=1), timedelta(minutes=10)


@dataclass(frozen=True)
class Eligibility:
    """Whether a worker may claim in a job; ``code`` says why not, ``missing`` what to get."""

    ok: bool
    code: str = ""
    detail: str = ""
    missing: list[dict[str, str]] = field(default_factory=list)


class JobNotLive(errors.Conflict):
    """The job takes no claims now."""

    code = "job_not_live"


class NotQualified(errors.Forbidden):
    """The worker may not claim in this job; ``missing`` names what would change that."""

    code = "not_qualified"


def eligibility(*, job: Job, worker: Worker) -> Eligibility:
    """Whether a worker may claim in a job, with the names of what is missing (six statements)."""
    found = standing.read(worker.pk)
    missing = missing_qualifications(job, found)
    names = dict(Qualification.objects.filter(pk__in=missing).values_list("pk", "name"))
    return judge(job, found, names)


def judge(job: Job, found: standing.Standing, names: Mapping[UUID, str]) -> Eligibility:
    """The one place that says whether and why a worker may not claim in a job (no statement).

    ``names`` has the names of missing qualifications.
    """
    if job.state != Job.State.LIVE or job.purpose != Job.Purpose.WORK:
        return Eligibility(False, "job_not_live", "This job takes no new claims now.")
    if found.worker.is_suspended:
        return Eligibility(
            False, "suspended", "Your account is suspended. Earned money stays payable."
        )
    if reason := found.suspension(job.specialty):
        return Eligibility(False, "suspended", f"You are suspended in {job.specialty}: {reason}")
    if job.organization_id in found.organizations:
        return Eligibility(False, "own_job", "Members of a requester cannot work on its jobs.")
    missing = [
        {"id": str(pk), "name": names.get(pk, "")} for pk in missing_qualifications(job, found)
    ]
    if missing:
        said = ", ".join(one["name"] for one in missing)
        return Eligibility(False, "not_qualified", f"This job asks for: {said}.", missing)
    return Eligibility(True)


def missing_qualifications(job: Job, found: standing.Standing) -> list[UUID]:
    """Qualifications that the job asks for and the worker does not hold now."""
    return [pk for pk in job.required_qualifications if pk not in found.grants]


def require(eligible: Eligibility) -> None:
    """Raise the problem that an ineligible worker is told.

    Raises JobNotLive or NotQualified.
    """
    if eligible.ok:
        return
    if eligible.code == "job_not_live":
        raise JobNotLive(eligible.detail)
    problem = NotQualified(eligible.detail, missing=eligible.missing)
    problem.code = eligible.code
    raise problem


def join(*, job_id: UUID, worker_id: UUID) -> WorkerJob:
    """Make or refresh the worker's place in a job and its rate.

    The cursor starts at a spread position, so that workers do not all scan the same dead entries at
    the head of the queue. Raises NotFound, NotAWorker, JobNotLive or NotQualified.
    """
    with transaction.atomic():
        job = Job.objects.filter(
            pk=job_id, purpose=Job.Purpose.WORK, launched_at__isnull=False
        ).first()
        if job is None:
            raise errors.NotFound("There is no such job.")
        worker = Worker.objects.filter(pk=worker_id).first()
        if worker is None:
            raise standing.NotAWorker("Become a worker first: POST /api/v1/worker.")
        place = _locked_place(job, worker)
        # Under the lock: who suspends or promotes this worker marks the place after us.
        require(eligibility(job=job, worker=worker))
        _price(place, job)
        _refill(place, job)
        place.save()
        return place


def _locked_place(job: Job, worker: Worker) -> WorkerJob:
    place = WorkerJob.objects.select_for_update().filter(job=job, worker=worker).first()
    if place is not None:
        return place
    now = clock.now()
    made, _ = WorkerJob.objects.get_or_create(
        job=job,
        worker=worker,
        defaults={"pos": _spread_start(job.pk), "joined_at": now, "refill_after": now},
    )
    return WorkerJob.objects.select_for_update().get(pk=made.pk)


def _spread_start(job_id: UUID) -> int:
    ends = Task.objects.filter(job_id=job_id, is_open=True).aggregate(
        low=Min("pos"), high=Max("pos")
    )
    if ends["low"] is None:
        return 0
    return random.randint(ends["low"] - 1, ends["high"])  # noqa: S311  (no secret)


def _price(place: WorkerJob, job: Job) -> None:
    card = rates.get(job.card_version)
    tier = scoring.tier_of(reputation.skill(place.worker_id, job.specialty), job.specialty)
    multiplier = card.tier_multiplier(tier.level)
    place.tier = multiplier
    place.tier_lower_bound = tier.lower_bound
    place.unit_price = pricing.worker_rate(
        card,
        base_rate_micros=job.base_rate_micros,
        specialty=job.specialty,
        difficulty=job.difficulty,
        tier=multiplier,
    )
    place.specialty_factor = card.specialties.get(job.specialty, Decimal(1))
    place.floor_per_hour_micros = card.floor_per_hour_micros
    place.fee_rate = card.fee_rate
    place.card_version = card.version
    place.gold_share = reputation.gold_share(place.worker_id, job)
    place.is_stale = False


def _refill(place: WorkerJob, job: Job) -> None:
    """Reserve gold credits for this worker, so that a gold claim never needs a shared counter."""
    gold = Task.objects.filter(job=job, role=Task.Role.GOLD, state=Task.State.OPEN)
    unit = gold.aggregate(unit=Max("slot_reserve_micros"))["unit"]
    if unit is None:
        return
    if place.gold_credit and place.gold_unit_micros < unit:
        escrow.unreserve(
            job_id=job.pk,
            line="gold",
            amount_micros=place.gold_credit * place.gold_unit_micros,
        )
        place.gold_credit = 0
    place.gold_unit_micros = unit
    answered = Assignment.objects.filter(task_id=OuterRef("pk"), worker_id=place.worker_id)
    undone = gold.filter(~Exists(answered))
    if not undone.filter(pos__gt=place.gold_pos).exists():
        first = undone.order_by("pos").values_list("pos", flat=True).first()
        if first is None:
            _return_credit(place, job)
            return
        place.gold_pos = first - 1
    want = GOLD_CREDIT - place.gold_credit
    if want > 0:
        place.gold_credit += escrow.reserve_up_to(
            job_id=job.pk, line="gold", unit_micros=unit, count=want
        )


def _return_credit(place: WorkerJob, job: Job) -> None:
    if place.gold_credit:
        escrow.unreserve(
            job_id=job.pk, line="gold", amount_micros=place.gold_credit * place.gold_unit_micros
        )
        place.gold_credit = 0


_DUE = """
    SELECT wj.id, wj.job_id FROM workers_workerjob wj JOIN marketplace_job j ON j.id = wj.job_id
    WHERE wj.gold_credit < 2 AND wj.refill_after <= core_now() AND j.state = 'live'
    UNION ALL
    SELECT wj.id, wj.job_id FROM workers_workerjob wj JOIN marketplace_job j ON j.id = wj.job_id
    WHERE wj.gold_credit > 0 AND j.state = 'closing'
    LIMIT %s
"""


def refill_gold(*, limit: int = 200) -> int:
    """Sweep: top up gold credits in live jobs, and give them back where a job is ending.

    Returns the number of places handled. One short transaction a place, because a place that is
    locked makes that worker's claim wait; safe to run twice and side by side. A place that breaks
    keeps no other waiting.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [limit])
        due = cursor.fetchall()
    return rounds.play((job_id, _turn(pk)) for pk, job_id in due)


def _turn(pk: int) -> Callable[[UUID], int]:
    def turn(_job_id: UUID) -> int:
        return int(_refill_one(pk))

    turn.__name__ = f"refill {pk}"  # the log of a turn that breaks says which place it was
    return turn


def _refill_one(pk: int) -> bool:
    with transaction.atomic():
        place = (
            WorkerJob.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("job")
            .filter(pk=pk)
            .first()
        )
        if place is None:
            return False
        before = place.gold_credit
        if place.job.state == Job.State.LIVE:
            _refill(place, place.job)
        else:
            _return_credit(place, place.job)
        if place.gold_credit != before:
            pause = _SOON
        else:  # no gold that this worker has not answered, or no budget; or no gold at all
            pause = _LATER if place.gold_unit_micros else _MUCH_LATER
        place.refill_after = clock.now() + pause
        place.save(update_fields=["gold_credit", "gold_pos", "gold_unit_micros", "refill_after"])
        return True
