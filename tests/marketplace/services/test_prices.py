"""A job's price basis: reserves of slots, and drafts priced again."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from marketplace.models import Job, Task
from marketplace.services import jobs, prices
from payments import pricing
from payments.services import rates
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


def test_pricing_again_takes_three_statements_however_many_tasks(
    django_assert_num_queries: object,
) -> None:
    job = make.draft()
    make.add_tasks(job, 20)
    Task.objects.filter(job=job).update(slot_reserve_micros=1)
    with django_assert_num_queries(3):  # type: ignore[operator]
        assert prices.reprice_tasks(job) == 20
    assert prices.reprice_tasks(job) == 0


def statements_on_tasks(captured: Any) -> list[str]:
    return [
        one["sql"] for one in captured.captured_queries if "UPDATE marketplace_task" in one["sql"]
    ]


def test_tasks_are_priced_again_only_when_their_price_may_have_changed() -> None:
    job = make.draft()
    make.add_tasks(job, 3)
    by = job.created_by_id
    with CaptureQueriesContext(connection) as captured:
        jobs.update_draft(job=job, fields={"name": "Other", "languages": ["de"]}, by=by)
        jobs.update_draft(job=job, fields={"base_rate_micros": 18_000, "difficulty": 1}, by=by)
    assert statements_on_tasks(captured) == []
    with CaptureQueriesContext(connection) as captured:
        jobs.update_draft(job=job, fields={"difficulty": 1.2}, by=by)
    assert len(statements_on_tasks(captured)) == 1
    with CaptureQueriesContext(connection) as captured:
        jobs.launch(job=job, budget_micros=make.ENOUGH, by=by)
    assert statements_on_tasks(captured) == []


def test_a_launch_prices_by_the_card_of_its_moment() -> None:
    job = make.draft()
    make.add_tasks(job, 1)
    other = rates.current("USD").version
    Job.objects.filter(pk=job.pk).update(card_version=other)
    Task.objects.filter(job=job).update(slot_reserve_micros=1)
    job = jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    assert job.card_version == rates.current("XTS").version != other
    assert [one.slot_reserve_micros for one in make.work(job)] == [prices.reserves(job)(Decimal(1))]


def test_pricing_again_may_take_longer_than_other_statements() -> None:
    job = make.draft()
    make.add_tasks(job, 1)
    with transaction.atomic(), connection.cursor() as cursor:
        jobs.update_draft(job=job, fields={"difficulty": 1.3}, by=job.created_by_id)
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] == prices.TIMEOUT


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
