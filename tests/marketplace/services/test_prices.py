"""A job's price basis: reserves of slots, and drafts priced again."""

from decimal import Decimal

import pytest

from marketplace.models import Task
from marketplace.services import jobs, prices
from payments import pricing
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


def test_a_reserve_covers_the_dearest_worker_and_the_bonus() -> None:
    job = make.draft(bonus_pct=0.2)
    card = prices.card(job)
    reserve = prices.reserves(job)(Decimal(1))
    for _, tier in card.tiers:
        one = pricing.price(
            unit_price=prices.unit_price(job, card, tier),
            units=Decimal(1),
            floor_per_hour_micros=card.floor_per_hour_micros,
            seconds_per_unit=job.seconds_per_unit,
            fee_rate=card.fee_rate,
            bonus_pct=job.bonus_pct,
        )
        assert reserve >= one.guaranteed_micros + one.bonus_max_micros + one.fee_micros


def test_a_changed_draft_prices_its_tasks_again() -> None:
    job = make.draft()
    before = {one.slot_reserve_micros for one in make.add_tasks(job, 3)}
    job = jobs.update_draft(
        job=job,
        fields={"base_rate_micros": 36_000, "quality": {"kmin": 1, "kmax": 3}},
        by=job.created_by_id,
    )
    after = make.work(job)
    assert {one.slot_reserve_micros for one in after} == {prices.reserves(job)(Decimal(1))}
    assert before != {one.slot_reserve_micros for one in after}
    assert {one.max_overlap for one in after} == {3}


def test_pricing_again_takes_two_statements_however_many_tasks(
    django_assert_num_queries: object,
) -> None:
    job = make.draft()
    make.add_tasks(job, 20)
    Task.objects.filter(job=job).update(slot_reserve_micros=1)
    with django_assert_num_queries(2):  # type: ignore[operator]
        assert prices.reprice_tasks(job) == 20
    assert prices.reprice_tasks(job) == 0


def test_gold_keeps_its_own_overlap() -> None:
    job = make.draft()
    make.add_gold(job, [make.YES])
    jobs.update_draft(job=job, fields={"base_rate_micros": 50_000}, by=job.created_by_id)
    gold = Task.objects.get(job=job, role="gold")
    assert (gold.max_overlap, gold.wanted) == (1, 0)


def test_the_basis_names_all_that_a_price_depends_on() -> None:
    job = make.draft()
    assert prices.basis(job) == prices.basis(type(job).objects.get(pk=job.pk))
    job.difficulty = Decimal("1.2")
    assert prices.basis(job) != prices.basis(type(job).objects.get(pk=job.pk))
