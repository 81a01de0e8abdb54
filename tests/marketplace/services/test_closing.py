"""Ending jobs: what is claimed is finished, the rest closes, the money goes back."""

from uuid import UUID

import pytest

from marketplace.models import Job, Task, WebhookDelivery
from marketplace.services import closing, jobs
from payments.services import escrow, wallets
from tests.factories import delivery
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


def fresh(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def wallet(job: Job) -> int:
    return wallets.balance(organization_id=job.organization_id, currency=job.currency)


def settle(job: Job) -> None:
    """What answered slots had reserved was paid, as far as this plane can see."""
    lines = escrow.summary(job.pk).lines
    if lines.get("work"):
        escrow.unreserve(job_id=job.pk, line="work", amount_micros=lines["work"])


def test_a_cancelled_job_closes_its_slots_and_returns_the_money() -> None:
    whose = make.requester(credit_micros=make.ENOUGH)
    endpoint = delivery.endpoint(whose.organization_id)
    job = make.live(3, whose=whose)
    assert wallet(job) == 0
    jobs.cancel(job=job, reason="No longer needed.", by=whose.user_id)
    assert fresh(job).state == "closing"
    make.sweep_until_done(closing.finish_closing)
    done = fresh(job)
    assert (done.state, done.state_reason, done.next_state) == (
        "cancelled",
        "No longer needed.",
        "",
    )
    assert done.closed_at is not None
    assert {task.state for task in make.work(job)} == {"cancelled"}
    assert {(task.wanted, task.remaining, task.is_open) for task in make.work(job)} == {
        (0, 0, False)
    }
    assert wallet(job) == make.ENOUGH
    told = WebhookDelivery.objects.filter(endpoint=endpoint, event_type="job.completed")
    assert [one.payload["data"]["state"] for one in told] == ["cancelled"]


def test_a_job_waits_for_what_is_claimed() -> None:
    job = make.live(2)
    first, _ = make.work(job)
    Task.objects.filter(pk=first.pk).update(taken=1, remaining=1)
    jobs.cancel(job=job, by=job.created_by_id)
    make.sweep_until_done(closing.finish_closing)
    assert fresh(job).state == "closing"
    first.refresh_from_db()
    assert (first.state, first.wanted, first.taken) == ("cancelled", 1, 1)
    assert escrow.summary(job.pk).lines["work"] == first.slot_reserve_micros
    settle(job)
    make.sweep_until_done(closing.finish_closing)
    assert fresh(job).state == "cancelled"


def test_a_job_all_of_whose_work_is_decided_completes_by_itself() -> None:
    job = make.live(2, auto_close=True)
    first, second = make.work(job)
    make.conclude(first)
    assert closing.close_finished() == 0
    make.conclude(second, escalated=True)
    assert closing.close_finished() == 1
    assert (fresh(job).state, fresh(job).next_state) == ("closing", "completed")
    settle(job)
    make.sweep_until_done(closing.close_finished, closing.finish_closing)
    assert fresh(job).state == "completed"
    second.refresh_from_db()
    assert second.state == "escalated"


def test_a_job_that_is_kept_open_is_not_closed() -> None:
    job = make.live(1, auto_close=False)
    make.conclude(make.work(job)[0])
    assert closing.close_finished() == 0
    jobs.update_draft(job=job, fields={"auto_close": True}, by=job.created_by_id)
    assert closing.close_finished() == 1


def test_a_job_without_tasks_waits_for_some() -> None:
    job = make.live(0, auto_close=True)
    assert fresh(job).state == "live"
    assert closing.close_finished() == 0


def test_reviewed_work_is_settled_before_the_job_closes() -> None:
    """A rejection asks for another answer, so the job must still be there."""
    job = make.live(1, auto_close=True, acceptance="review")
    make.conclude(make.work(job)[0])
    assert closing.close_finished() == 0
    settle(job)
    assert closing.close_finished() == 1


def test_large_jobs_close_in_bounded_steps() -> None:
    job = make.live(7)
    jobs.cancel(job=job, by=job.created_by_id)
    assert [closing.step(job_id=job.pk, limit=3) for _ in range(5)] == [3, 3, 1, 1, 0]
    assert fresh(job).state == "cancelled"


def test_parked_tasks_are_cancelled_and_decided_ones_keep_their_state() -> None:
    job = make.live(2)
    make.add_tasks(job, 1, start=10)
    first, second, parked = make.work(job)
    make.conclude(first)
    jobs.cancel(job=job, by=job.created_by_id)
    settle_after = closing.step(job_id=job.pk)
    assert settle_after == 2
    assert [Task.objects.get(pk=one.pk).state for one in (first, second, parked)] == [
        "resolved",
        "cancelled",
        "cancelled",
    ]


def test_an_exam_is_over_at_once() -> None:
    job = make.exam()
    jobs.cancel(job=job, by=job.created_by_id)
    make.sweep_until_done(closing.finish_closing)
    assert fresh(job).state == "cancelled"


def test_a_step_of_a_job_that_is_not_closing_does_nothing() -> None:
    job = make.live(1)
    assert closing.step(job_id=job.pk) == 0
    assert fresh(job).state == "live"


def test_jobs_that_wait_for_reviews_hold_up_no_others() -> None:
    waiting = make.live(1, auto_close=True, acceptance="review")
    decided = make.live(1, auto_close=True)
    for job in (waiting, decided):
        make.conclude(make.work(job)[0])
    assert closing.close_finished(limit=1) == 1
    assert (fresh(waiting).state, fresh(decided).state) == ("live", "closing")


def test_closing_jobs_that_wait_for_claims_hold_up_no_others() -> None:
    waiting, idle = make.live(1), make.live(1)
    (claimed,) = make.work(waiting)
    Task.objects.filter(pk=claimed.pk).update(taken=1, remaining=1)
    for job in (waiting, idle):
        jobs.cancel(job=job, by=job.created_by_id)
    closing.step(job_id=waiting.pk)
    make.sweep_until_done(lambda: closing.finish_closing(limit=1))
    assert (fresh(waiting).state, fresh(idle).state) == ("closing", "cancelled")


def test_a_job_that_breaks_holds_up_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, sound = make.live(1), make.live(1)
    decided = make.live(1, auto_close=True)
    make.conclude(make.work(decided)[0])
    for job in (broken, sound):
        jobs.cancel(job=job, by=job.created_by_id)
    cancel = closing._cancel

    def breaks(job_id: UUID, limit: int) -> int:
        if job_id == broken.pk:
            raise RuntimeError("not this one")
        return cancel(job_id, limit)

    monkeypatch.setattr(closing, "_cancel", breaks)
    assert closing.sweep() == 2
    assert closing.sweep() == 1
    assert [fresh(job).state for job in (broken, sound, decided)] == [
        "closing",
        "cancelled",
        "closing",
    ]
    # When nothing but broken ones is left, the sweep says so.
    with pytest.raises(RuntimeError):
        closing.sweep()
