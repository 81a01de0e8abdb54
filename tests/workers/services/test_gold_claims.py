"""Gold comes in between work: with it, never instead of it."""

from __future__ import annotations

import pytest

from marketplace.models import Job, Task
from marketplace.services import jobs
from tests.factories import marketplace as make
from tests.factories import workers as people
from workers.models import Assignment, WorkerJob
from workers.services import places
from workers.services.claims import Nothing

pytestmark = pytest.mark.django_db


def checked(work: int = 2, gold: int = 4) -> Job:
    """A job of work and gold whose workers are owed gold at every claim."""
    job = make.draft(quality={"gold_share": 0.5})
    make.add_tasks(job, work)
    make.add_gold(job, [people.YES] * gold)
    jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    make.opening.open_parked()
    return job


def always_gold() -> None:
    """As if the dice said gold every time."""
    WorkerJob.objects.update(gold_share=1)


def roles(who: people.Person) -> list[str]:
    return sorted(Assignment.objects.filter(worker_id=who.id).values_list("role", flat=True))


def test_gold_comes_while_there_is_work_and_ends_with_it() -> None:
    job = checked()
    who = people.person()
    place = places.join(job_id=job.pk, worker_id=who.id)
    always_gold()
    WorkerJob.objects.update(pos=0)
    people.answered(job, who)
    assert roles(who) == ["gold"]
    WorkerJob.objects.update(gold_share=0)
    for _ in range(2):
        people.answered(job, who)
    assert roles(who) == ["gold", "work", "work"]
    # All the work is done. However often this worker asks: no gold, and no pay for it.
    always_gold()
    for _ in range(6):
        got = people.claim(job, who)
        assert isinstance(got, Nothing)
        assert not got.remaining
        people.later(seconds=11)
    assert roles(who) == ["gold", "work", "work"]
    place.refresh_from_db()
    assert place.gold_credit > 0


def test_who_is_past_the_end_of_the_queue_laps_and_gets_gold_with_the_rest() -> None:
    job = checked()
    who = people.person()
    places.join(job_id=job.pk, worker_id=who.id)
    always_gold()
    last = Task.objects.filter(job=job).order_by("-pos").values_list("pos", flat=True)[0]
    WorkerJob.objects.update(pos=last)
    people.answered(job, who)
    assert roles(who) == ["gold"]


def test_work_that_others_hold_is_no_occasion_for_gold() -> None:
    job = checked(work=1)
    Task.objects.filter(job=job, role="work").update(wanted=1, max_overlap=1, remaining=1)
    first, second = people.person(), people.person()
    WorkerJob.objects.update(gold_share=0)
    places.join(job_id=job.pk, worker_id=first.id)
    WorkerJob.objects.update(gold_share=0)
    people.claimed(job, first)
    places.join(job_id=job.pk, worker_id=second.id)
    always_gold()
    got = people.claim(job, second)
    assert isinstance(got, Nothing)
    assert got.remaining
    assert roles(second) == []


def test_a_claim_with_hints_gets_its_gold_without_work() -> None:
    job = checked(work=1)
    Task.objects.filter(job=job, role="work").update(is_open=False, remaining=0, wanted=0)
    who = people.person()
    assert people.claimed(job, who, hints=["g1"])
    assert roles(who) == ["gold"]
