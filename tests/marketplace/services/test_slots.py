"""Slots given back, held, taken late; their reserves freed when nobody wants them any more."""

import pytest
from django.db import IntegrityError, transaction

from marketplace.models import Job, Task
from marketplace.services import jobs, slots
from payments.services import escrow
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


def taken(task: Task, count: int = 1) -> Task:
    """A task with so many slots claimed and not answered yet."""
    row = Task.objects.get(pk=task.pk)
    row.taken += count
    row.remaining -= count
    row.is_open = row.remaining > 0
    row.save(update_fields=["taken", "remaining", "is_open"])
    return row


def fresh(task: Task) -> tuple[int, int, int, bool, str]:
    row = Task.objects.get(pk=task.pk)
    return row.wanted, row.taken, row.remaining, row.is_open, row.state


def line(job: Job) -> int:
    return escrow.summary(job.pk).lines.get("work", 0)


def test_an_open_task_offers_a_slot_given_back_at_the_tail() -> None:
    job = make.live(2)
    first, second = make.work(job)
    taken(first, 2)
    assert fresh(first) == (2, 2, 0, False, "open")
    before = line(job)
    slots.give_back({first.pk: 1})
    assert fresh(first) == (2, 1, 1, True, "open")
    assert Task.objects.get(pk=first.pk).pos > second.pos
    assert line(job) == before


def test_a_decided_task_wants_a_slot_given_back_no_more() -> None:
    job = make.live(1)
    (task,) = make.work(job)
    reserve = task.slot_reserve_micros
    make.conclude(task, votes=2)
    Task.objects.filter(pk=task.pk).update(taken=3, wanted=3)  # a claim that came before
    assert escrow.reserve(job_id=job.pk, line="work", amount_micros=reserve)
    before = line(job)
    slots.give_back({task.pk: 1})
    assert fresh(task) == (2, 2, 0, False, "resolved")
    assert line(job) == before - reserve


def test_slots_of_many_tasks_go_back_together(django_assert_num_queries: object) -> None:
    job = make.live(6)
    for task in make.work(job):
        taken(task, 2)
    counts = {task.pk: 1 + n % 2 for n, task in enumerate(make.work(job))}
    with django_assert_num_queries(2):  # type: ignore[operator]
        slots.give_back(counts)
    assert [
        fresh(task)[2] for task in Task.objects.filter(pk__in=counts).order_by("created_at", "id")
    ]
    assert {Task.objects.get(pk=pk).remaining == n for pk, n in counts.items()} == {True}


def test_more_than_was_taken_cannot_be_given_back() -> None:
    job = make.live(1)
    (task,) = make.work(job)
    with pytest.raises(IntegrityError), transaction.atomic():
        slots.give_back({task.pk: 1})


def test_gold_has_no_slots_to_give_back() -> None:
    job = make.draft()
    (gold,) = make.add_gold(job, [make.YES])
    slots.give_back({gold.pk: 1})
    slots.give_back({})
    assert fresh(gold) == (0, 0, 0, False, "open")


def test_holding_takes_one_slot_of_each_task_that_has_one() -> None:
    job = make.live(3)
    first, second, third = make.work(job)
    taken(first, 2)
    assert slots.hold([one.pk for one in (first, second, third)]) == {second.pk, third.pk}
    assert fresh(second) == (2, 1, 1, True, "open")
    assert slots.hold([second.pk]) == {second.pk}
    assert slots.hold([second.pk]) == set()
    assert fresh(second) == (2, 2, 0, False, "open")
    assert slots.hold([]) == set()


def test_a_paused_job_s_slots_are_not_held() -> None:
    job = make.live(1)
    jobs.pause(job=job, by=job.created_by_id)
    assert slots.hold([one.pk for one in make.work(job)]) == set()


def test_late_work_takes_a_free_slot() -> None:
    job = make.live(1)
    (task,) = make.work(job)
    before = line(job)
    assert slots.take_late(task.pk) is True
    assert fresh(task) == (2, 1, 1, True, "open")
    assert line(job) == before


def test_late_work_gets_a_slot_more_while_the_budget_covers_it() -> None:
    job = make.live(1)
    (task,) = make.work(job)
    taken(task, 2)
    before = line(job)
    assert slots.take_late(task.pk) is True
    assert fresh(task) == (3, 3, 0, False, "open")
    assert line(job) == before + task.slot_reserve_micros


def test_late_work_finds_no_slot_beyond_overlap_budget_or_the_end() -> None:
    job = make.live(1, quality={"kmin": 2, "kmax": 2})
    (full,) = make.work(job)
    taken(full, 2)
    assert slots.take_late(full.pk) is False

    poor = make.live(1, budget_micros=1_000_000)
    (task,) = make.work(poor)
    taken(task, 2)
    free = escrow.free(poor.pk)
    assert escrow.reserve(job_id=poor.pk, line="gold", amount_micros=free)
    assert slots.take_late(task.pk) is False

    done = make.live(1)
    (task,) = make.work(done)
    make.conclude(task)
    before = fresh(task)
    assert slots.take_late(task.pk) is False
    assert fresh(task) == before


def test_releases_add_up_by_job() -> None:
    one, other = make.live(1), make.live(1)
    before = line(one), line(other)
    slots.release([(one.pk, 1000), (other.pk, 0), (one.pk, 2000)])
    assert (line(one), line(other)) == (before[0] - 3000, before[1])
