from datetime import timedelta

import pytest
from django.conf import settings

from core import clock, errors
from marketplace.models import Annotation, Job, Resolution, Task
from payments.models import Earning
from payments.services import escrow
from tests.factories import marketplace as make
from tests.factories import reviewing
from tests.factories import workers as people
from workers.models import Assignment
from workers.services import assignments, reviews, settlement

pytestmark = pytest.mark.django_db
S = Assignment.State


def lines(job):
    return escrow.summary(job.pk).lines


def test_an_answer_to_a_reviewed_job_waits_for_its_requester():
    job = reviewing.reviewed_job()
    row = reviewing.to_review(job, people.person())
    assert [one.pk for one in reviews.awaiting(job.organization_id)] == [row.pk]
    assert row.settle_after == row.submitted_at + timedelta(days=job.review_days)
    assert people.settle_all() == 0
    assert list(reviews.awaiting(make.requester().organization_id)) == []
    assert list(reviews.awaiting(None)) == []


def test_an_accepted_answer_is_paid_at_once():
    job = reviewing.reviewed_job()
    row = reviewing.to_review(job, people.person())
    reviewing.accept(row)
    assert list(reviews.awaiting(job.organization_id)) == []
    assert people.settle_all() == 1
    row.refresh_from_db()
    assert (row.state, row.reviewed_by) == (S.ACCEPTED, job.created_by_id)
    assert Earning.objects.get().assignment_ref == row.pk
    assert reviewing.accept(row).state == S.ACCEPTED
    assert people.settle_all() == 0


def test_silence_accepts():
    job = reviewing.reviewed_job(review_days=3)
    row = reviewing.to_review(job, people.person())
    people.later(days=2, hours=23)
    assert people.settle_all() == 0
    people.later(hours=2)
    with pytest.raises(reviews.ReviewOver):
        reviewing.reject(row)
    assert people.settle_all() == 1
    row.refresh_from_db()
    assert (row.state, row.reviewed_at) == (S.ACCEPTED, None)


def test_a_rejection_takes_the_answer_out_keeps_its_pay_aside_and_asks_for_another():
    job = reviewing.reviewed_job()
    row = reviewing.to_review(job, people.person())
    task = Task.objects.get(job=job)
    assert task.state == Task.State.RESOLVED
    free = escrow.free(job.pk)
    rejected = reviewing.reject(row)
    now = clock.now()
    assert (rejected.state, rejected.reject_reason) == (S.REJECTED, "clearly_wrong")
    assert rejected.contest_until == now + timedelta(days=settings.CONTEST_DAYS)
    assert Annotation.objects.get().is_excluded
    task.refresh_from_db()
    assert (task.state, task.taken, task.remaining) == (Task.State.OPEN, 1, 1)
    assert lines(job)["work"] == task.slot_reserve_micros
    assert lines(job)["contested"] == row.reserve_micros
    assert escrow.free(job.pk) == free - task.slot_reserve_micros
    assert people.settle_all() == 0

    another = reviewing.to_review(job, people.person(), people.NO)
    assert another.task_id == row.task_id
    task.refresh_from_db()
    assert task.state == Task.State.RESOLVED
    assert Resolution.objects.get(is_current=True).value == people.NO
    assert Resolution.objects.count() == 2
    assert [one.pk for one in reviews.rejected(job.organization_id)] == [row.pk]


def test_a_worker_does_not_get_the_task_of_their_rejected_answer_again():
    job = reviewing.reviewed_job()
    who = people.person()
    reviewing.reject(reviewing.to_review(job, who))
    assert not isinstance(people.claim(job, who), dict)
    assert isinstance(people.claim(job, people.person()), dict)


def test_a_task_is_decided_again_from_the_answers_that_still_count():
    job = reviewing.reviewed_job(quality={"kmin": 3, "kmax": 3, "lead": 1})
    workers = [people.person() for _ in range(3)]
    said = [people.YES, people.NO, people.YES]
    rows = [
        reviewing.to_review(job, who, answer) for who, answer in zip(workers, said, strict=True)
    ]
    assert Resolution.objects.get(is_current=True).value == people.YES
    for row in (rows[0], rows[2]):
        reviewing.reject(row)
    task = Task.objects.get(job=job)
    assert task.state == Task.State.OPEN
    for answer in (people.NO, people.NO):
        reviewing.to_review(job, people.person(), answer)
    found = Resolution.objects.get(is_current=True)
    assert (found.value, found.answers) == (people.NO, 3)


def test_a_rejection_without_budget_for_another_answer_parks_the_task():
    job = reviewing.reviewed_job()
    row = reviewing.to_review(job, people.person())
    escrow.reserve(job_id=job.pk, line="escalation", amount_micros=escrow.free(job.pk))
    reviewing.reject(row)
    task = Task.objects.get(job=job)
    assert (task.state, task.remaining) == (Task.State.PARKED, 0)
    assert lines(job)["contested"] == row.reserve_micros


def test_rejecting_twice_is_as_once_and_another_reason_comes_too_late():
    job = reviewing.reviewed_job()
    row = reviewing.to_review(job, people.person())
    first = reviewing.reject(row)
    again = reviewing.reject(row)
    assert again.reviewed_at == first.reviewed_at
    assert lines(job)["contested"] == row.reserve_micros
    with pytest.raises(reviews.ReviewOver) as told:
        reviewing.reject(row, reason="incomplete")
    assert told.value.extra == {"state": "rejected"}
    with pytest.raises(reviews.ReviewOver):
        reviewing.accept(row)


def test_what_was_accepted_is_not_rejected_any_more():
    row = reviewing.to_review(reviewing.reviewed_job(), people.person())
    reviewing.accept(row)
    with pytest.raises(reviews.ReviewOver):
        reviewing.reject(row)
    people.settle_all()
    with pytest.raises(reviews.ReviewOver):
        reviewing.reject(row)


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"reason": "disagrees_with_others"}, "reason"),
        ({"evidence": "  "}, "evidence"),
        ({"evidence": "x" * 4001}, "evidence"),
    ],
)
def test_a_rejection_needs_a_reason_of_the_list_and_evidence(facts, field):
    row = reviewing.to_review(reviewing.reviewed_job(), people.person())
    with pytest.raises(errors.Invalid) as told:
        reviewing.reject(row, **facts)
    assert set(told.value.errors) == {field}


def test_only_judged_answers_of_reviewed_jobs_are_reviewed():
    job = reviewing.reviewed_job(2)
    fresh = people.answered(job, people.person())
    with pytest.raises(reviews.NotJudged):
        reviewing.accept(fresh)
    claimed = Assignment.objects.get(pk=people.claimed(job, people.person())["id"])
    with pytest.raises(reviews.NotReviewable):
        reviewing.reject(claimed)
    auto = people.paying(1, undo_seconds=0)
    row = reviewing.to_review(auto, people.person())
    with pytest.raises(reviews.NotReviewable):
        reviewing.reject(row)


@pytest.mark.parametrize("verb", [reviewing.accept, reviewing.reject])
def test_another_requesters_answer_is_as_if_absent(verb):
    row = reviewing.to_review(reviewing.reviewed_job(), people.person())
    other = make.requester()
    for organization_id in (other.organization_id, None):
        with pytest.raises(errors.NotFound):
            verb(row, organization_id=organization_id, by=other.user_id)


@pytest.mark.parametrize("verb", [reviewing.accept, reviewing.reject])
def test_nobody_reviews_their_own_work(verb):
    row = reviewing.to_review(reviewing.reviewed_job(), people.person())
    with pytest.raises(reviews.OwnWork):
        verb(row, by=row.worker_id)


def test_many_answers_are_accepted_at_once():
    job = reviewing.reviewed_job(4)
    rows = [reviewing.to_review(job, people.person()) for _ in range(4)]
    reviewing.reject(rows[0])
    foreign = reviewing.to_review(reviewing.reviewed_job(), people.person())
    accepted = reviews.accept_all(
        assignment_ids=[*(row.pk for row in rows), foreign.pk, job.pk],
        organization_id=job.organization_id,
        by=job.created_by_id,
    )
    assert accepted == [row.pk for row in rows[1:]]
    assert people.settle_all() == 3
    again = reviews.accept_all(
        assignment_ids=accepted, organization_id=job.organization_id, by=job.created_by_id
    )
    assert again == []


def test_late_answers_are_listed_and_rejected_ones_are_not_exported():
    job = reviewing.reviewed_job()
    slow, quick = people.person(), people.person()
    late = people.claimed(job, slow)
    people.later(hours=2)
    assignments.expire()
    row = reviewing.to_review(job, quick, people.NO)
    people.submit(slow, late["id"])
    assert [one.pk for one in reviews.late(job.organization_id)] == [late["id"]]
    assert reviews.said([row])[row.pk].answer == people.NO
    reviewing.reject(row)
    assert Resolution.objects.filter(is_current=True).count() == 0
    third = reviewing.to_review(job, people.person())
    (result,) = Resolution.objects.filter(is_current=True)
    assert [vote["annotation"] for vote in result.votes] == [
        str(Annotation.objects.get(assignment_ref=third.pk).pk)
    ]


def test_a_gold_answer_is_paid_without_a_review_when_the_time_for_one_is_over():
    job = people.paying(1, acceptance="review", undo_seconds=0)
    make.add_gold(job, [people.YES])
    from workers.models import WorkerJob
    from workers.services import places

    who = people.person()
    places.join(job_id=job.pk, worker_id=who.id)
    WorkerJob.objects.update(gold_share=1)
    row = reviewing.to_review(job, who)
    assert row.role == "gold"
    with pytest.raises(reviews.NotReviewable):
        reviewing.reject(row)
    assert list(reviews.awaiting(job.organization_id)) == []
    assert settlement.sweep() == 0
    people.later(days=job.review_days)
    assert settlement.sweep() == 1
    assert Job.objects.get(pk=job.pk).state == Job.State.LIVE
