from __future__ import annotations

from datetime import timedelta

import pytest

from core import errors
from marketplace.models import Task
from marketplace.services import jobs
from payments.services import escrow
from tests.factories import marketplace as make
from tests.factories import workers as people
from workers.models import Assignment, WorkerJob
from workers.services import assignments

pytestmark = pytest.mark.django_db


def test_a_returned_task_is_free_again_at_the_tail() -> None:
    job = make.live(3)
    who = people.person()
    got = people.claimed(job, who)
    before = Task.objects.get(pk=got["task_id"])
    row = assignments.return_(assignment_id=got["id"], worker_id=who.id)
    assert row.state == "returned"
    task = Task.objects.get(pk=got["task_id"])
    assert (task.taken, task.remaining, task.is_open) == (0, 2, True)
    assert task.pos > before.pos
    # Twice is as once.
    assignments.return_(assignment_id=got["id"], worker_id=who.id)
    assert Task.objects.get(pk=got["task_id"]).remaining == 2


def test_only_a_live_claim_is_returned_and_only_by_its_worker() -> None:
    job = make.live(1)
    who = people.person()
    row = people.answered(job, who)
    with pytest.raises(assignments.NotClaimed):
        assignments.return_(assignment_id=row.pk, worker_id=who.id)
    with pytest.raises(errors.NotFound):
        assignments.return_(assignment_id=row.pk, worker_id=people.person().id)


def test_extending_adds_a_time_limit_from_now_three_times() -> None:
    job = make.live(1, time_limit_seconds=60)
    who = people.person()
    got = people.claimed(job, who)
    for number in range(1, 4):
        people.later(seconds=50)
        row = assignments.extend(assignment_id=got["id"], worker_id=who.id)
        assert row.extensions == number
        assert row.expires_at - row.claimed_at == timedelta(seconds=50 * number + 60)
    with pytest.raises(assignments.NoMoreExtensions):
        assignments.extend(assignment_id=got["id"], worker_id=who.id)
    people.submit(who, got["id"])
    with pytest.raises(assignments.NotClaimed):
        assignments.extend(assignment_id=got["id"], worker_id=who.id)


def test_a_draft_from_elsewhere_is_not_overwritten() -> None:
    job = make.live(1)
    who = people.person()
    pk = people.claimed(job, who)["id"]

    def save(version: int, draft: object) -> Assignment:
        return assignments.save_draft(
            assignment_id=pk, worker_id=who.id, version=version, draft=draft
        )

    assert save(0, {"choice": "y"}).draft_version == 1
    assert save(0, {"choice": "y"}).draft_version == 1  # the lost answer, asked for again
    with pytest.raises(assignments.DraftConflict) as told:
        save(0, {"choice": "n"})
    assert told.value.extra == {"version": 1, "draft": {"choice": "y"}}
    assert save(1, {"choice": "n"}).draft_version == 2
    people.submit(who, pk)
    with pytest.raises(assignments.NotClaimed):
        save(2, {})


def with_gold(count: int = 1, **fields: object) -> make.Job:
    job = make.draft(**fields)
    make.add_tasks(job, 3)
    make.add_gold(job, [people.YES] * count)
    jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    make.opening.open_parked()
    return job


def test_returned_gold_gives_the_credit_back() -> None:
    job = with_gold()
    who = people.person()
    got = people.claimed(job, who, hints=["g1"])
    place = WorkerJob.objects.get(worker_id=who.id)
    before = escrow.summary(job.pk).lines["gold"]
    assert place.gold_credit == 1
    assignments.return_(assignment_id=got["id"], worker_id=who.id)
    place.refresh_from_db()
    assert place.gold_credit == 2
    assert escrow.summary(job.pk).lines["gold"] == before


def test_gold_reserved_at_another_price_frees_that_price() -> None:
    """Dearer gold was added meanwhile: a credit at the new unit would not be covered by the old."""
    job = with_gold()
    who = people.person()
    got = people.claimed(job, who, hints=["g1"])
    reserved = Assignment.objects.get(pk=got["id"]).reserve_micros
    WorkerJob.objects.filter(worker_id=who.id).update(gold_unit_micros=reserved + 100)
    before = escrow.summary(job.pk).lines["gold"]
    assignments.return_(assignment_id=got["id"], worker_id=who.id)
    assert WorkerJob.objects.get(worker_id=who.id).gold_credit == 1
    assert escrow.summary(job.pk).lines["gold"] == before - reserved


def test_what_is_returned_after_the_end_of_a_job_frees_its_reserve() -> None:
    job = make.live(2)
    who = people.person()
    got = people.claimed(job, who)
    jobs.cancel(job=job, by=job.created_by_id)
    from marketplace.services import closing

    closing.finish_closing()
    held = escrow.summary(job.pk).lines["work"]
    assert held == Assignment.objects.get(pk=got["id"]).reserve_micros
    assignments.return_(assignment_id=got["id"], worker_id=who.id)
    assert escrow.summary(job.pk).lines["work"] == 0
