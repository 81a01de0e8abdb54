"""Quotes: the sum in SQL is the pricing's, and what is expected lies within what is possible."""

import random
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from marketplace.models import Job, JobStats, Task
from marketplace.services import estimates, jobs, prices, stats
from payments import pricing
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


def with_units(job: Job, units: list[Decimal]) -> None:
    make.add_tasks(job, len(units))
    for task, one in zip(make.work(job), units, strict=True):
        Task.objects.filter(pk=task.pk).update(units=one)


@pytest.mark.parametrize("seed", range(12))
def test_the_sum_in_sql_is_the_pricing_of_each_task(seed: int) -> None:
    dice = random.Random(seed)
    job = make.draft(
        base_rate_micros=dice.choice([0, 1, 333, 18_000, 99_999, 550_000]),
        seconds_per_unit=dice.choice([0.001, 4.5, 8, 33.333, 3600]),
        difficulty=dice.choice([1, 1.17, 1.5]),
        specialty=dice.choice(["text", "transcription"]),
    )
    with_units(job, [Decimal(dice.randrange(1, 10**6)) / 1000 for _ in range(30)])
    card = prices.card(job)
    for _, tier in card.tiers:
        price = prices.unit_price(job, card, tier)
        each = [
            pricing.price(
                unit_price=price,
                units=task.units,
                floor_per_hour_micros=card.floor_per_hour_micros,
                seconds_per_unit=job.seconds_per_unit,
                fee_rate=card.fee_rate,
                bonus_pct=job.bonus_pct,
            )
            for task in make.work(job)
        ]
        found = estimates._sum(job, card, price)
        assert found.pay_micros == sum(one.guaranteed_micros for one in each)
        assert found.fee_micros == sum(one.fee_micros for one in each)


def test_a_planned_job_costs_what_the_same_imported_one_does() -> None:
    job = make.draft()
    planned = jobs.quote(job=job, tasks=7)
    make.add_tasks(job, 7)
    imported = jobs.quote(job=job)
    assert imported.lowest == planned.lowest
    assert imported.highest == planned.highest
    assert imported.tasks == planned.tasks == 7


def test_what_is_expected_lies_between_the_least_and_the_most() -> None:
    job = make.draft()
    make.add_tasks(job, 10)
    quote = jobs.quote(job=job)
    least = quote.lowest.total_micros * 10 * job.kmin
    assert least <= quote.expected.total_micros <= quote.maximum.total_micros
    assert quote.lowest.total_micros <= quote.highest.total_micros
    assert job.kmin <= quote.answers_expected <= quote.answers_max == job.max_overlap
    assert quote.expected.fee_micros * 5 >= quote.expected.pay_micros * Decimal("0.99")
    assert quote.budget_minimum_micros <= quote.budget_suggested_micros
    assert quote.hourly_micros >= quote.floor_per_hour_micros


def test_the_suggested_budget_opens_every_task() -> None:
    job = make.draft()
    make.add_tasks(job, 25)
    budget = jobs.quote(job=job).budget_suggested_micros
    job = jobs.launch(job=job, budget_micros=budget, by=job.created_by_id)
    from marketplace.services import opening

    make.sweep_until_done(opening.open_parked)
    assert {task.state for task in make.work(job)} == {"open"}


def test_the_minimum_budget_opens_one() -> None:
    job = make.draft()
    make.add_tasks(job, 3)
    budget = jobs.quote(job=job).budget_minimum_micros
    job = jobs.launch(job=job, budget_micros=budget, by=job.created_by_id)
    from marketplace.services import opening

    make.sweep_until_done(opening.open_parked)
    assert [task.state for task in make.work(job)].count("open") == 1


def test_gold_costs_like_other_answers_and_is_shown_apart() -> None:
    job = make.draft(quality={"gold_share": 0.2})
    make.add_tasks(job, 10)
    without = jobs.quote(job=job)
    assert without.gold_part.total_micros == 0
    make.add_gold(job, [make.YES] * 3)
    quote = jobs.quote(job=job)
    assert quote.gold_share == Decimal("0.200")
    # A fifth of the answers are checks: a quarter of the work on top of it.
    assert quote.expected.pay_micros == pytest.approx(without.expected.pay_micros * 1.25, rel=1e-3)
    assert quote.gold_part.pay_micros == pytest.approx(without.expected.pay_micros * 0.25, rel=1e-3)


def test_a_job_s_own_measure_replaces_the_usual_of_crowds() -> None:
    job = make.draft()
    make.add_tasks(job, 10)
    JobStats.objects.filter(pk=job.pk).update(resolved_tasks=40, answers=168)
    stats.record_pace(job_id=job.pk, median_seconds=21.04, accepted=168)
    quote = jobs.quote(job=job)
    assert quote.answers_expected == Decimal("4.20")
    assert (quote.is_measured, quote.seconds_per_task) == (True, Decimal("21.0"))
    JobStats.objects.filter(pk=job.pk).update(resolved_tasks=estimates.EVIDENCE - 1)
    assert jobs.quote(job=job).answers_expected == Decimal("3.05")


def test_a_measure_out_of_range_is_kept_within_it() -> None:
    job = make.draft()
    JobStats.objects.filter(pk=job.pk).update(resolved_tasks=40, answers=4000)
    assert jobs.quote(job=job, tasks=1).answers_expected == job.max_overlap


def test_a_draft_without_tasks_has_a_quote_of_nothing() -> None:
    quote = jobs.quote(job=make.draft())
    assert (quote.tasks, quote.expected.total_micros, quote.budget_suggested_micros) == (0, 0, 0)


@pytest.mark.parametrize("count", [1, 200])
def test_a_quote_takes_the_same_statements_for_any_number_of_tasks(count: int) -> None:
    from django.test.utils import CaptureQueriesContext

    job = make.draft()
    make.add_tasks(job, count)
    with CaptureQueriesContext(connection) as found:
        jobs.quote(job=job)
    assert len(found) <= 6


def test_a_unit_below_the_floor_is_paid_the_floor() -> None:
    job = make.draft(base_rate_micros=1, seconds_per_unit=30)
    quote = jobs.quote(job=job, tasks=1)
    card = prices.card(job)
    assert quote.hourly_micros >= card.floor_per_hour_micros
    assert quote.lowest.pay_micros >= card.floor_per_hour_micros * 30 // 3600


def test_units_of_a_plan_count(django_assert_num_queries: Any) -> None:
    job = make.draft(base_rate_micros=100_000)
    one = jobs.quote(job=job, tasks=10, units_per_task=Decimal(1))
    five = jobs.quote(job=job, tasks=10, units_per_task=Decimal(5))
    assert five.lowest.pay_micros == 5 * one.lowest.pay_micros
    assert five.units == 50


def test_imported_tasks_beyond_all_money_have_no_quote() -> None:
    job = make.draft(base_rate_micros=1_000_000_000)
    make.add_tasks(job, 300)
    # Each by itself is within bounds; the sum of the reserves does not fit 64 bits.
    Task.objects.filter(job=job).update(units=86_400, slot_reserve_micros=10**17)
    with pytest.raises(estimates.TooLarge):
        jobs.quote(job=job)
