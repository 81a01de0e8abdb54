from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core import clock
from marketplace.models import Job, Task
from marketplace.services import jobs
from payments.services import escrow
from tests.factories import marketplace as make
from tests.factories import workers as people
from workers.models import WorkerJob
from workers.services import places, reputation

pytestmark = pytest.mark.django_db


def with_gold(count: int, budget: int = make.ENOUGH, **fields: Any) -> Job:
    job = make.draft(**fields)
    make.add_tasks(job, 5)
    if count:
        make.add_gold(job, [people.YES] * count)
    jobs.launch(job=job, budget_micros=budget, by=job.created_by_id)
    make.opening.open_parked()
    return job


def join(job: Job, who: people.Person) -> WorkerJob:
    return places.join(job_id=job.pk, worker_id=who.id)


def test_a_place_is_made_with_the_rate_of_the_workers_tier() -> None:
    job = make.live(1, specialty="transcription", difficulty=1.1)
    who = people.person()
    place = join(job, who)
    assert place.unit_price == Decimal(29700)  # 0.0180 x 1.50 x 1.10
    assert (place.tier, place.tier_lower_bound, place.is_stale) == (1, None, False)
    fact = reputation.GradeFact(who.id, "transcription", 1.0, "choices", 2)
    reputation.record_grades([fact] * 200, now=clock.now())
    assert WorkerJob.objects.get().is_stale
    place = join(job, who)
    assert place.tier > 1
    assert place.unit_price == Decimal(29700) * place.tier
    assert WorkerJob.objects.count() == 1


def test_workers_start_at_spread_places() -> None:
    job = make.live(200)
    starts = {join(job, people.person()).pos for _ in range(8)}
    assert len(starts) >= 6
    low, high = make.work(job)[0].pos, make.work(job)[-1].pos
    assert all(low - 1 <= one <= high for one in starts)


def test_credits_for_gold_are_reserved_at_the_price_of_the_dearest() -> None:
    job = with_gold(3)
    who = people.person()
    place = join(job, who)
    unit = Task.objects.filter(job=job, role="gold").first()
    assert unit is not None
    assert (place.gold_credit, place.gold_unit_micros) == (2, unit.slot_reserve_micros)
    assert escrow.summary(job.pk).lines["gold"] == 2 * unit.slot_reserve_micros
    join(job, who)
    assert escrow.summary(job.pk).lines["gold"] == 2 * unit.slot_reserve_micros


def test_the_refill_tops_up_what_was_used_until_the_gold_is_done() -> None:
    job = with_gold(3)
    who = people.person()
    join(job, who)
    for number in (1, 2, 3):
        got = people.claimed(job, who, hints=[f"g{number}"])
        people.submit(who, got["id"])
        people.later(seconds=3)
        places.refill_gold()
    place = WorkerJob.objects.get()
    assert place.gold_credit == 0
    people.later(seconds=6)
    people.judge_all()
    people.settle_all()
    # Everything answered is paid, and no credit is kept for gold that there is none of.
    assert escrow.summary(job.pk).lines["gold"] == 0


def test_without_gold_the_place_is_left_alone_for_long() -> None:
    job = with_gold(0)
    join(job, people.person())
    assert places.refill_gold() == 1
    assert places.refill_gold() == 0
    people.later(seconds=61)
    assert places.refill_gold() == 0
    people.later(minutes=10)
    assert places.refill_gold() == 1


def test_dearer_gold_that_comes_later_gets_its_own_price() -> None:
    job = with_gold(1)
    who = people.person()
    before = join(job, who).gold_unit_micros
    Task.objects.filter(job=job, role="gold").update(slot_reserve_micros=before + 5_000)
    place = join(job, who)
    assert place.gold_unit_micros == before + 5_000
    assert escrow.summary(job.pk).lines["gold"] == place.gold_credit * (before + 5_000)


def test_an_ending_job_gets_the_credits_back() -> None:
    job = with_gold(3)
    join(job, people.person())
    jobs.cancel(job=job, by=job.created_by_id)
    assert places.refill_gold() == 1
    assert escrow.summary(job.pk).lines["gold"] == 0
    assert places.refill_gold() == 0


def test_without_budget_there_is_no_credit_and_no_gold() -> None:
    job = with_gold(2, budget=make.ENOUGH)
    free = escrow.free(job.pk)
    assert escrow.reserve(job_id=job.pk, line="exam", amount_micros=free)
    assert join(job, people.person()).gold_credit == 0
