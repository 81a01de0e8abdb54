from datetime import timedelta

import pytest
from django.conf import settings

from core import clock, errors
from marketplace.models import Annotation, Job, Resolution, Task
from marketplace.services import closing, jobs
from payments.models import Earning
from payments.services import escrow
from tests.factories import marketplace as make
from tests.factories import reviewing
from tests.factories import workers as people
from workers.models import Assignment, Contest, Worker
from workers.services import contests, reviews

pytestmark = pytest.mark.django_db
S = Assignment.State


def rejected(**fields):
    job = reviewing.reviewed_job(**fields)
    row = reviewing.to_review(job, people.person())
    return job, reviewing.reject(row)


def contested(job):
    return escrow.summary(job.pk).lines["contested"]


def test_a_worker_contests_a_rejection_within_its_time():
    job, row = rejected()
    found = reviewing.contest(row)
    assert found.answer_by == clock.now() + timedelta(days=settings.CONTEST_ANSWER_DAYS)
    assert [one.pk for one in contests.open_for(job.organization_id)] == [found.pk]
    assert [one.pk for one in contests.of_worker(row.worker_id)] == [found.pk]
    assert list(contests.open_for(None)) == []
    assert list(contests.of_worker(people.person().id)) == []


def test_contesting_twice_is_as_once_and_other_words_come_too_late():
    _, row = rejected()
    first = reviewing.contest(row)
    assert reviewing.contest(row).pk == first.pk
    with pytest.raises(contests.AlreadyContested):
        reviewing.contest(row, "And another thing.")


def test_who_comes_after_the_window_has_nothing_to_contest():
    job, row = rejected()
    people.later(days=settings.CONTEST_DAYS)
    with pytest.raises(contests.WindowOver):
        reviewing.contest(row)
    assert contests.sweep() == 1
    with pytest.raises(contests.WindowOver):
        reviewing.contest(row)
    assert contested(job) == 0


def test_only_ones_own_rejection_is_contested():
    job, row = rejected()
    with pytest.raises(errors.NotFound):
        contests.contest(assignment_id=row.pk, worker_id=people.person().id, statement="x")
    fine = reviewing.to_review(job, people.person())
    with pytest.raises(contests.NotRejected):
        reviewing.contest(fine)


def test_an_upheld_contest_pays_out_of_what_was_kept_aside_and_the_answer_counts_again():
    job, row = rejected()
    found = reviewing.decide(reviewing.contest(row), contests.uphold)
    row.refresh_from_db()
    assert (found.state, found.ended_by) == (Contest.State.UPHELD, job.created_by_id)
    assert (row.state, row.settled_at) == (S.ACCEPTED, clock.now())
    assert contested(job) == 0
    earning = Earning.objects.get(assignment_ref=row.pk)
    assert (earning.line, earning.amount_micros) == ("contested", row.guaranteed_micros)
    assert not Annotation.objects.get(assignment_ref=row.pk).is_excluded
    assert Worker.objects.get(pk=row.worker_id).accepted_count == 1
    assert reviewing.decide(found, contests.uphold).state == Contest.State.UPHELD
    assert Earning.objects.count() == 1
    with pytest.raises(contests.ContestOver):
        reviewing.decide(found, contests.deny)


def test_an_upheld_answer_counts_beside_the_one_that_replaced_it():
    """Both are paid for and contradict each other: that is for the requester to decide."""
    job, row = rejected()
    task = Task.objects.get(job=job)
    assert task.state == Task.State.OPEN
    reviewing.to_review(job, people.person(), people.NO)
    reviewing.decide(reviewing.contest(row), contests.uphold)
    task.refresh_from_db()
    found = Resolution.objects.get(is_current=True)
    assert (task.state, found.answers, found.is_escalated) == (Task.State.ESCALATED, 2, True)


def test_a_denied_contest_frees_what_was_kept_aside():
    job, row = rejected()
    free = escrow.free(job.pk)
    found = reviewing.decide(reviewing.contest(row), contests.deny)
    row.refresh_from_db()
    assert (found.state, found.answer) == (Contest.State.DENIED, "So it is.")
    assert (row.state, row.settled_at) == (S.REJECTED, clock.now())
    assert contested(job) == 0
    assert escrow.free(job.pk) == free + row.reserve_micros
    assert not Earning.objects.exists()
    assert reviewing.decide(found, contests.deny).state == Contest.State.DENIED
    with pytest.raises(contests.ContestOver):
        reviewing.decide(found, contests.uphold)
    people.later(days=60)
    assert contests.sweep() == 0


def test_the_requesters_silence_upholds():
    job, row = rejected()
    people.later(days=settings.CONTEST_DAYS - 1)
    found = reviewing.contest(row)
    people.later(days=2)
    assert contests.sweep() == 0  # the window is over, but the contest is open
    people.later(days=settings.CONTEST_ANSWER_DAYS)
    assert contests.oldest_due() > 0
    with pytest.raises(contests.ContestOver) as told:
        reviewing.decide(found, contests.deny)
    assert told.value.extra == {"state": "lapsed"}
    assert contests.sweep() == 1
    found.refresh_from_db()
    row.refresh_from_db()
    assert (found.state, found.ended_by, row.state) == (Contest.State.LAPSED, None, S.ACCEPTED)
    assert Earning.objects.get().assignment_ref == row.pk
    assert (contested(job), contests.sweep(), contests.oldest_due()) == (0, 0, None)


def test_a_rejection_that_nobody_contests_stands_and_its_reserve_is_free():
    job, row = rejected()
    assert contests.sweep() == 0
    people.later(days=settings.CONTEST_DAYS)
    assert contests.sweep() == 1
    row.refresh_from_db()
    assert (row.state, row.settled_at) == (S.REJECTED, clock.now())
    assert contested(job) == 0
    assert contests.sweep() == 0


@pytest.mark.parametrize("verb", [contests.uphold, contests.deny])
def test_another_requesters_contest_is_as_if_absent(verb):
    _, row = rejected()
    found = reviewing.contest(row)
    other = make.requester()
    for organization_id in (other.organization_id, None):
        with pytest.raises(errors.NotFound):
            reviewing.decide(found, verb, organization_id=organization_id, by=other.user_id)


def test_nobody_decides_about_their_own_work():
    _, row = rejected()
    with pytest.raises(reviews.OwnWork):
        reviewing.decide(reviewing.contest(row), contests.uphold, by=row.worker_id)


def test_a_job_ends_only_when_no_rejection_can_be_contested_any_more():
    job, row = rejected()
    jobs.cancel(job=job, reason="done", by=job.created_by_id)
    closing.finish_closing()
    closing.finish_closing()
    assert Job.objects.get(pk=job.pk).state == Job.State.CLOSING
    reviewing.decide(reviewing.contest(row), contests.uphold)
    closing.finish_closing()
    assert Job.objects.get(pk=job.pk).state == Job.State.CANCELLED
    summary = escrow.summary(job.pk)
    assert (summary.balance, summary.spent_micros) == (0, row.guaranteed_micros)
