"""Opening parked tasks: as many as the budget can see through, half-done ones first."""

from typing import Any

import pytest

from marketplace.models import Job, JobStats, Task, WebhookDelivery
from marketplace.services import jobs, opening
from payments.services import escrow
from tests.factories import delivery
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


def launched(count: int, *, slots: float, **fields: Any) -> Job:
    """A launched job whose budget is worth so many slots; nothing is open yet."""
    job = make.draft(**fields)
    (task, *_) = make.add_tasks(job, count)
    budget = round(task.slot_reserve_micros * slots)
    return jobs.launch(job=job, budget_micros=budget, by=job.created_by_id)


def states(job: Job) -> list[str]:
    return [task.state for task in make.work(job)]


def test_a_task_opens_with_its_first_slots_reserved() -> None:
    job = launched(1, slots=100)
    assert opening.open_parked() == 1
    (task,) = make.work(job)
    assert (task.state, task.wanted, task.taken, task.remaining, task.is_open) == (
        "open", 2, 0, 2, True,
    )  # fmt: skip
    assert task.opened_at is not None
    assert escrow.summary(job.pk).lines["work"] == 2 * task.slot_reserve_micros
    assert opening.open_parked() == 0


def test_tasks_open_in_the_order_of_the_file_as_far_as_the_budget_sees_them_through() -> None:
    # Of 2 to 5 answers 3.05 are expected: eight slots see two tasks through, not three.
    job = launched(5, slots=8)
    make.sweep_until_done(opening.open_parked)
    assert states(job) == ["open", "open", "parked", "parked", "parked"]
    assert escrow.free(job.pk) > 0


def test_more_budget_opens_more() -> None:
    job = launched(5, slots=8)
    make.sweep_until_done(opening.open_parked)
    job = Job.objects.get(pk=job.pk)
    assert job.budget_alert == "out_of_budget"
    reserve = make.work(job)[0].slot_reserve_micros
    jobs.extend_budget(job=job, amount_micros=8 * reserve, key="k", by=job.created_by_id)
    make.sweep_until_done(opening.open_parked)
    assert states(job).count("open") == 5
    job.refresh_from_db()
    assert job.budget_alert == ""


def test_the_requester_is_told_once_that_the_budget_is_out() -> None:
    whose = make.requester()
    endpoint = delivery.endpoint(whose.organization_id)
    job = launched(5, slots=4, whose=whose)
    for _ in range(3):
        make.sweep_until_done(opening.open_parked)
    sent = WebhookDelivery.objects.filter(endpoint=endpoint)
    told = sent.filter(event_type="job.budget_alert")
    assert [one.payload["data"]["job"] for one in told] == [str(job.pk)]


def test_only_live_jobs_open_tasks() -> None:
    job = launched(2, slots=100)
    jobs.pause(job=job, by=job.created_by_id)
    make.add_tasks(make.draft(), 2)
    assert opening.open_parked() == 0
    jobs.resume(job=job, by=job.created_by_id)
    assert opening.open_parked() == 2


def test_a_half_done_task_goes_first_and_needs_one_slot_only() -> None:
    job = launched(3, slots=100)
    make.sweep_until_done(opening.open_parked)
    first, _, third = make.work(job)
    make.answer(third, make.YES)
    make.answer(Task.objects.get(pk=third.pk), make.NO)
    # One more answer was wanted and there was no budget: parked at the head.
    Task.objects.filter(pk=third.pk).update(state="parked", pos=0)
    before = escrow.summary(job.pk).lines["work"]
    assert opening.open_parked() == 1
    third.refresh_from_db()
    assert (third.state, third.wanted, third.taken, third.remaining) == ("open", 3, 2, 1)
    assert third.pos > first.pos
    assert escrow.summary(job.pk).lines["work"] == before + third.slot_reserve_micros


def test_a_half_done_task_opens_where_a_new_one_would_not() -> None:
    job = launched(2, slots=7)
    make.sweep_until_done(opening.open_parked)
    assert states(job) == ["open", "open"]
    first, _ = make.work(job)
    make.answer(first, make.YES)
    make.answer(Task.objects.get(pk=first.pk), make.NO)
    Task.objects.filter(pk=first.pk).update(state="parked", pos=0)
    make.add_tasks(job, 1, start=10)
    make.sweep_until_done(opening.open_parked)
    assert Task.objects.get(pk=first.pk).state == "open"
    assert Task.objects.get(job=job, external_id="t10").state == "parked"


def test_batches_are_bounded() -> None:
    job = launched(7, slots=100)
    assert [opening.open_parked(limit=3) for _ in range(4)] == [3, 3, 1, 0]
    assert set(states(job)) == {"open"}


def test_an_audit_share_of_the_tasks_is_drawn() -> None:
    job = launched(40, slots=1000, quality={"audit_share": 0.5})
    make.sweep_until_done(opening.open_parked)
    drawn = Task.objects.filter(job=job, is_audit=True).count()
    assert 5 <= drawn <= 35


def test_gold_and_exams_are_none_of_its_business() -> None:
    job = make.draft()
    make.add_tasks(job, 1)
    make.add_gold(job, [make.YES])
    jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    make.exam()
    assert opening.open_parked() == 1
    assert Task.objects.get(job=job, role="gold").wanted == 0


def test_a_job_that_pays_nothing_opens_at_once() -> None:
    """Reserves of nothing: a card without a floor and a rate of 0."""
    job = launched(3, slots=100)
    Task.objects.filter(job=job).update(slot_reserve_micros=0)
    assert opening.open_parked() == 3


def test_a_job_that_breaks_holds_up_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, sound = launched(1, slots=100), launched(1, slots=100)
    money = opening._money

    def breaks(job: Job, figures: JobStats, reserve: int) -> opening._Money:
        if job.pk == broken.pk:
            raise RuntimeError("not this one")
        return money(job, figures, reserve)

    monkeypatch.setattr(opening, "_money", breaks)
    assert opening.open_parked() == 1
    assert (states(broken), states(sound)) == (["parked"], ["open"])
    with pytest.raises(RuntimeError):
        opening.open_parked()
