"""What a job will cost and how long it takes, before and while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from django.db import connection

from core import errors
from marketplace.models import Job, JobStats, Task
from marketplace.services import prices
from payments import money, pricing

#: Of the answers between the smallest and the largest overlap, how many a task usually needs;
#: recorded crowds under the stopping rule took 2.3 to 3.7 of 2 to 5.
USUAL_EXTRA = Decimal("0.35")
#: Decided tasks after which the job's own mean replaces the usual one.
EVIDENCE = 30
#: The tier that an expected cost assumes: most people of a crowd are a step above none.
EXPECTED_TIER = Decimal("1.10")
#: What a suggested budget adds to the expected need.
MARGIN = Decimal("1.10")


class TooLarge(errors.Invalid):
    """The job would cost more, or take longer, than any account or clock of ours can hold."""

    code = "job_too_large"


@dataclass(frozen=True)
class Cost:
    """Pay and fee in micro-units; the fee is on top of the pay and never cut from it."""

    pay_micros: int
    fee_micros: int

    @property
    def total_micros(self) -> int:
        """What the requester is charged."""
        return self.pay_micros + self.fee_micros


@dataclass(frozen=True)
class JobQuote:
    """The cost of a job: expected, and at most (every slot used, every worker of the top tier).

    ``hourly_micros`` is what a worker without a tier earns an hour at ``seconds_per_task``, which
    was ``measured`` or declared. ``budget_suggested_micros`` opens all tasks at once; a smaller
    budget opens fewer at a time. ``gold_share`` of the answers are checks, paid like the others.
    """

    currency: str
    card_version: int
    tasks: int
    units: Decimal
    answers_expected: Decimal
    answers_max: int
    gold_share: Decimal
    lowest: Cost
    highest: Cost
    expected: Cost
    maximum: Cost
    gold_part: Cost
    hourly_micros: int
    floor_per_hour_micros: int
    seconds_per_task: Decimal
    is_measured: bool
    worker_seconds: int
    budget_minimum_micros: int
    budget_suggested_micros: int


def expected_answers(job: Job, figures: JobStats | None) -> Decimal:
    """How many answers of work a task of this job takes: measured, else the usual of crowds."""
    low, high = Decimal(job.kmin), Decimal(job.max_overlap)
    if figures is not None and figures.resolved_tasks >= EVIDENCE and figures.answers:
        mean = Decimal(figures.answers) / figures.resolved_tasks
        return min(max(mean, low), high)
    return low + USUAL_EXTRA * (high - low)


def later_slots(job: Job, figures: JobStats | None) -> Decimal:
    """What a task is expected to need beyond the slots it opens with, in slots, gold included."""
    answers = expected_answers(job, figures)
    return answers - job.kmin + _gold_ratio(job, figures) * answers


def audit_share(job: Job) -> float:
    """The share of tasks that get more answers than agreement asks for."""
    share: float = job.quality.get("audit_share", 0)
    return share


def _gold_ratio(job: Job, figures: JobStats | None) -> Decimal:
    """Gold answers for each answer of work."""
    if figures is None or not figures.gold_tasks:
        return Decimal(0)
    share = Decimal(job.gold_share)
    return share / (1 - share)


def quote(*, job: Job, tasks: int | None = None, units_per_task: Decimal | None = None) -> JobQuote:
    """The cost of a job with the tasks it has, or with ``tasks`` planned ones of given units.

    Raises TooLarge.
    """
    figures = JobStats.objects.get(pk=job.pk)
    card = prices.card(job)
    load = _imported(job) if tasks is None else _planned(tasks, units_per_task or Decimal(1))
    tiers = [Decimal(1), EXPECTED_TIER, max(multiplier for _, multiplier in card.tiers)]
    low, usual, top = (load.cost(job, card, tier) for tier in tiers)
    answers = expected_answers(job, figures)
    share = Decimal(job.gold_share if figures.gold_tasks or tasks is not None else 0)
    ratio = share / (1 - share)
    count = load.tasks or 1
    seconds, is_measured = _seconds(job, figures, load.units / count)
    reserve = load.reserve(job)
    found = JobQuote(
        currency=job.currency,
        card_version=card.version,
        tasks=load.tasks,
        units=load.units,
        answers_expected=answers.quantize(Decimal("0.01")),
        answers_max=job.max_overlap,
        gold_share=share,
        lowest=_times(low, Decimal(1) / count),
        highest=_times(top, Decimal(1) / count),
        expected=_times(usual, answers * (1 + ratio)),
        maximum=_times(top, Decimal(job.max_overlap) * (1 + ratio)),
        gold_part=_times(usual, answers * ratio),
        hourly_micros=round(Decimal(low.pay_micros) / count * 3600 / seconds),
        floor_per_hour_micros=card.floor_per_hour_micros,
        seconds_per_task=seconds,
        is_measured=is_measured,
        worker_seconds=round(load.tasks * seconds * answers * (1 + ratio)),
        budget_minimum_micros=_need(Decimal(reserve) / count, job, answers, ratio),
        budget_suggested_micros=_need(reserve * MARGIN, job, answers, ratio),
    )
    _require_bounded(found)
    return found


def _require_bounded(found: JobQuote) -> None:
    largest = max(
        found.maximum.total_micros,
        found.expected.total_micros,
        found.highest.total_micros,
        found.hourly_micros,
        found.budget_minimum_micros,
        found.budget_suggested_micros,
        found.worker_seconds,
    )
    if largest > money.LARGEST_MICROS:
        most = money.display(money.LARGEST_MICROS, found.currency)
        raise TooLarge(f"A job of this size is beyond what can be paid at all, {most}.")


def _need(reserve: Decimal, job: Job, answers: Decimal, ratio: Decimal) -> int:
    slots = max(answers, Decimal(job.kmin)) + ratio * answers
    return ceil(reserve * slots / 10_000) * 10_000


def _times(cost: Cost, factor: Decimal) -> Cost:
    return Cost(round(cost.pay_micros * factor), round(cost.fee_micros * factor))


def _seconds(job: Job, figures: JobStats, units: Decimal) -> tuple[Decimal, bool]:
    if figures.median_seconds:
        return Decimal(str(round(figures.median_seconds, 1))), True
    return max(job.seconds_per_unit * units, Decimal("0.1")).quantize(Decimal("0.1")), False


@dataclass(frozen=True)
class _Load:
    """Tasks to be paid for: uniform planned ones, or (``units_each`` None) a job's own."""

    tasks: int
    units: Decimal
    units_each: Decimal | None = None

    def cost(self, job: Job, card: pricing.Card, tier: Decimal) -> Cost:
        """One answer to every task by workers of a tier."""
        unit_price = prices.unit_price(job, card, tier)
        if self.units_each is None:
            return _sum(job, card, unit_price)
        one = pricing.price(
            unit_price=unit_price,
            units=self.units_each,
            floor_per_hour_micros=card.floor_per_hour_micros,
            seconds_per_unit=job.seconds_per_unit,
            fee_rate=card.fee_rate,
            bonus_pct=job.bonus_pct,
        )
        return Cost(one.guaranteed_micros * self.tasks, one.fee_micros * self.tasks)

    def reserve(self, job: Job) -> int:
        """One slot's reserve of every task."""
        if self.units_each is not None:
            return prices.reserves(job)(self.units_each) * self.tasks
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(sum(slot_reserve_micros), 0) FROM marketplace_task"
                " WHERE job_id = %s AND role = 'work'",
                [job.pk],
            )
            return int(cursor.fetchone()[0])


def _planned(tasks: int, units_each: Decimal) -> _Load:
    return _Load(tasks, tasks * units_each, units_each)


def _imported(job: Job) -> _Load:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), coalesce(sum(units), 0) FROM marketplace_task"
            " WHERE job_id = %s AND role = %s",
            [job.pk, Task.Role.WORK],
        )
        count, units = cursor.fetchone()
    return _Load(count, units)


# The arithmetic of payments.pricing over a job's tasks; a test holds the two together.
_SUM = """
SELECT coalesce(sum(q.pay), 0),
    coalesce(sum(ceil(q.pay * %(fee)s::numeric / 100) * 100), 0)
FROM marketplace_task t
CROSS JOIN LATERAL (
    SELECT greatest(
        round(%(price)s::numeric * t.units / 100) * 100,
        ceil(%(floor)s::bigint * %(seconds)s::numeric * t.units / 360000) * 100
    ) AS pay
) q
WHERE t.job_id = %(job)s AND t.role = 'work'
"""


def _sum(job: Job, card: pricing.Card, unit_price: Decimal) -> Cost:
    with connection.cursor() as cursor:
        cursor.execute(
            _SUM,
            {
                "fee": card.fee_rate,
                "price": unit_price,
                "floor": card.floor_per_hour_micros,
                "seconds": job.seconds_per_unit,
                "job": job.pk,
            },
        )
        pay, fee = cursor.fetchone()
    return Cost(int(pay), int(fee))
