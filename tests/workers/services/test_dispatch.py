import random
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction

from core import clock, sweeps
from core.ids import new_id
from core.services import accounts
from marketplace.models import Job, Qualification, Task
from marketplace.services import jobs, opening
from payments.services import escrow
from tests.factories import marketplace as make
from tests.factories import push
from tests.factories import workers as people
from workers.models import (
    Assignment,
    Availability,
    Grant,
    Offer,
    OfferPlace,
    SkillRecord,
    Worker,
    WorkerJob,
)
from workers.services import assignments, dispatch, matching, offers, passing, places

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_memory():
    dispatch._barren.clear()


def single(count=1, **fields):
    """A job whose tasks want one answer each."""
    return make.live(count, quality={"kmin": 1, "kmax": 1}, **fields)


def test_an_idle_worker_is_offered_an_open_task_and_the_slot_is_held():
    job = make.live(1)
    who = push.available()
    (offer,) = push.dispatched()
    task = Task.objects.get(job=job)
    assert (offer.worker_id, offer.task_id, offer.job_id) == (who.id, task.pk, job.pk)
    assert (task.taken, task.remaining, task.is_open) == (1, 1, True)
    assert offer.expires_at - offer.offered_at == timedelta(seconds=settings.OFFER_SECONDS)
    assert offer.slot_open_at <= offer.offered_at
    assert Availability.objects.get(pk=who.id).is_busy
    assert escrow.summary(job.pk).lines["work"] == 2 * task.slot_reserve_micros


def test_nobody_is_offered_two_tasks_at_once():
    make.live(5)
    push.available()
    assert len(push.dispatched()) == 1
    assert dispatch.sweep() == 0


def test_as_many_get_offers_as_there_are_slots_and_never_one_slot_twice():
    job = make.live(3)
    for _ in range(10):
        push.available()
    found = push.dispatched()
    assert len(found) == 6
    assert len({(one.task_id, one.worker_id) for one in found}) == 6
    assert push.free_slots(job) == 0
    assert push.taken_slots(job) == 6


def test_the_database_refuses_a_second_open_offer_to_one_worker():
    make.live(2)
    push.available()
    (offer,) = push.dispatched()
    other = Task.objects.exclude(pk=offer.task_id).get()
    offer.id, offer.task_id = new_id(), other.pk
    with pytest.raises(IntegrityError, match="offer_one_open"), transaction.atomic():
        offer.save(force_insert=True)


def test_the_better_worker_comes_first_until_the_other_has_waited_long():
    single(1)
    good, other = push.available(), push.available(waited=60)
    push.skilled(good, 0.9)
    push.skilled(other, 0.7)
    (job,) = matching.demand(limit=1)
    assert [one.worker_id for one in matching.idle(job, limit=2)] == [good.id, other.id]
    long_ago = clock.now() - timedelta(seconds=matching.PATIENCE_SECONDS)
    Availability.objects.filter(pk=other.id).update(idle_since=long_ago)
    assert [one.worker_id for one in matching.idle(job, limit=2)] == [other.id, good.id]
    assert [one.worker_id for one in push.dispatched()] == [other.id]


def test_jobs_of_higher_priority_are_served_first():
    low = make.live(1, priority=0, base_rate_micros=500_000)
    high = make.live(1, priority=3)
    push.available()
    (offer,) = push.dispatched()
    assert offer.job_id == high.pk != low.pk


def _unqualified(who, job):
    Job.objects.filter(pk=job.pk).update(required_qualifications=[make_qualification().pk])


def _suspended(who, job):
    Worker.objects.filter(pk=who.id).update(is_suspended=True, suspended_reason="for a trial")


def _suspended_in_the_specialty(who, job):
    push.skilled(who, 0.2)
    SkillRecord.objects.update(is_suspended=True, suspended_at=clock.now())


def _own_job(who, job):
    email = who.worker.user.email
    accounts.set_member(
        organization_id=job.organization_id, email=email, role="viewer", by=job.created_by_id
    )


def _at_work(who, job):
    people.claimed(make.live(1), who)


def _done_before(who, job):
    people.answered(job, who)


def _not_available_any_more(who, job):
    Availability.objects.update(until=clock.now())


def _other_language(who, job):
    Job.objects.filter(pk=job.pk).update(languages=["de"])


def _other_specialty(who, job):
    Availability.objects.update(specialties=["voice"])


def _paused(who, job):
    jobs.pause(job=job, by=job.created_by_id)


def _play_money_is_off(who, job):
    settings.OFFER_PLAY_MONEY = False


@pytest.mark.parametrize(
    "reason",
    [
        _unqualified, _suspended, _suspended_in_the_specialty, _own_job, _at_work,
        _done_before, _not_available_any_more, _other_language, _other_specialty, _paused,
        _play_money_is_off,
    ],
)  # fmt: skip
def test_who_may_not_work_is_not_offered_work(reason, settings):
    settings.OFFER_PLAY_MONEY = True
    job = make.live(1)
    who = push.available()
    reason(who, job)
    assert [one for one in push.dispatched() if one.job_id == job.pk] == []
    assert push.free_slots(job) + push.taken_slots(job) == 2


def make_qualification():
    return Qualification.objects.create(name="Careful", created_at=clock.now())


def test_who_holds_the_qualification_and_speaks_the_language_is_offered_work():
    asked = make_qualification()
    job = make.live(1)
    Job.objects.filter(pk=job.pk).update(required_qualifications=[asked.pk], languages=["pt", "de"])
    who = push.available(languages=["pt-BR"], specialties=["text"])
    Grant.objects.create(worker_id=who.id, qualification=asked, granted_at=clock.now())
    assert [one.worker_id for one in push.dispatched()] == [who.id]


def test_a_declined_task_passes_on_at_once_and_never_comes_back():
    job = single(1)
    first, second = push.available(waited=50), push.available()
    push.skilled(first, 0.9)
    (offer,) = push.dispatched()
    assert offer.worker_id == first.id
    offers.decline(offer_id=offer.pk, worker_id=first.id)
    (passed,) = push.opened()
    assert (passed.worker_id, passed.task_id) == (second.id, offer.task_id)
    assert (push.free_slots(job), push.taken_slots(job)) == (0, 1)
    offers.decline(offer_id=passed.pk, worker_id=second.id)
    assert push.dispatched() == []
    assert (push.free_slots(job), push.taken_slots(job)) == (1, 0)
    assert Offer.objects.count() == 2


def test_an_ignored_offer_passes_on_and_its_slot_is_never_free_in_between():
    job = single(1)
    first, second = push.available(waited=50), push.available()
    push.skilled(first, 0.9)
    (offer,) = push.dispatched()
    people.later(seconds=settings.OFFER_SECONDS + 1)
    assert passing.oldest_due() == pytest.approx(1, abs=0.5)
    (passed,) = push.dispatched()
    offer.refresh_from_db()
    assert offer.state == Offer.State.LAPSED
    assert (passed.worker_id, passed.task_id) == (second.id, offer.task_id)
    assert passed.slot_open_at == offer.ended_at
    assert (push.free_slots(job), push.taken_slots(job)) == (0, 1)
    assert passing.oldest_due() is None
    assert not Availability.objects.get(pk=first.id).is_busy


def test_who_leaves_three_offers_unanswered_in_a_row_is_not_available_any_more():
    make.live(9)
    who = push.available()
    for _ in range(2):
        push.dispatched()
        people.later(seconds=settings.OFFER_SECONDS + 1)
    push.dispatched()
    offers.decline(offer_id=push.offered_to(who).pk, worker_id=who.id)
    assert Availability.objects.get().lapsed_in_a_row == 0
    for _ in range(settings.OFFER_LAPSES):
        assert len(push.dispatched()) == 1
        people.later(seconds=settings.OFFER_SECONDS + 1)
    assert push.dispatched() == []
    row = Availability.objects.get()
    assert (row.ended_reason, row.is_busy) == ("unanswered", False)
    assert row.until <= clock.now()


def test_a_lapsed_slot_that_nobody_else_wants_is_free_for_claims():
    job = single(1)
    push.available()
    push.dispatched()
    people.later(seconds=settings.OFFER_SECONDS + 1)
    assert push.dispatched() == []
    assert people.claimed(job, people.person())["task_id"] == Task.objects.get().pk


@pytest.mark.parametrize("stop", [jobs.pause, jobs.cancel])
def test_a_stopped_job_takes_its_offers_back(stop):
    job = make.live(2)
    workers = [push.available() for _ in range(3)]
    assert len(push.dispatched()) == 3
    stop(job=job, by=job.created_by_id, **({"reason": "x"} if stop is jobs.cancel else {}))
    assert push.dispatched() == []
    assert {one.state for one in Offer.objects.all()} == {Offer.State.WITHDRAWN}
    assert push.taken_slots(job) == 0
    assert not Availability.objects.filter(is_busy=True).exists()
    assert Availability.objects.filter(lapsed_in_a_row=0).count() == len(workers)


def test_a_worker_is_idle_again_when_the_accepted_task_is_answered():
    make.live(3)
    who = push.available()
    (offer,) = push.dispatched()
    claim = offers.accept(offer_id=offer.pk, worker_id=who.id)
    assert push.dispatched() == []
    assert Availability.objects.get().is_busy
    people.submit(who, claim["id"])
    (following,) = push.dispatched()
    submitted = Assignment.objects.get(pk=claim["id"]).submitted_at
    assert following.idle_at == submitted
    assert following.task_id != offer.task_id


@pytest.mark.parametrize("how", ["return", "expire"])
def test_a_worker_is_idle_again_when_the_accepted_task_ends_otherwise(how):
    make.live(3)
    who = push.available(hours=100)
    (offer,) = push.dispatched()
    claim = offers.accept(offer_id=offer.pk, worker_id=who.id)
    if how == "return":
        assignments.return_(assignment_id=claim["id"], worker_id=who.id)
    else:
        people.later(hours=2)
        assignments.expire()
    (following,) = push.dispatched()
    assert following.task_id != offer.task_id


def test_who_has_done_all_that_is_open_rests_and_stands_in_nobodys_way(monkeypatch):
    job = make.live(3)
    ahead = push.available(waited=500)
    push.skilled(ahead, 0.99)
    for _ in range(3):
        people.answered(job, ahead)
    monkeypatch.setattr(dispatch, "BATCH", 1)
    fresh = push.available()
    dispatch.sweep(limit=1)
    dispatch.sweep(limit=1)
    assert push.offered_to(fresh) is not None
    place = OfferPlace.objects.get(worker_id=ahead.id)
    assert place.rest_until > clock.now()
    people.later(seconds=dispatch.LAP_REST + 1)
    dispatch.sweep(limit=5)
    again = OfferPlace.objects.get(worker_id=ahead.id)
    assert again.empty_laps == place.empty_laps + 1
    assert again.rest_until - clock.now() > timedelta(seconds=dispatch.LAP_REST)


def test_a_worker_who_is_ahead_of_the_others_walks_on_to_what_they_have_not_done(monkeypatch):
    monkeypatch.setattr(matching, "SLACK", 1)
    monkeypatch.setattr(matching, "WALK", 4)
    job = make.live(12)
    ahead = push.available()
    done = {people.answered(job, ahead).task_id for _ in range(8)}
    for number, pk in enumerate(sorted(done), start=1):
        Task.objects.filter(pk=pk).update(pos=number)
    for _ in range(6):
        people.later(seconds=dispatch.WALK_REST + 1)
        dispatch.sweep()
        if push.offered_to(ahead):
            break
    assert push.offered_to(ahead).task_id not in done


def test_newcomers_get_their_share_and_the_best_get_the_rest():
    now = clock.now()
    workers = [matching.Idle(number, now, number >= 100) for number in range(200)]
    served = list(matching.in_turn(workers, phase=0.0))
    assert len(served) == len({worker.worker_id for worker, _ in served}) == 200
    first = served[:100]
    assert sum(is_share for _, is_share in first) == pytest.approx(10, abs=1)
    assert all(worker.is_newcomer for worker, is_share in first if is_share)
    best = [worker.worker_id for worker, is_share in first if not is_share]
    assert best == sorted(best)


def test_the_share_of_newcomers_holds_over_many_small_batches(monkeypatch):
    monkeypatch.setattr(matching, "random", random.Random(1))
    single(60)
    old = [push.available() for _ in range(40)]
    for who in old:
        push.proven(who)
        push.skilled(who, 0.95)
    new = {push.available().id for _ in range(40)}
    for _ in range(60):
        dispatch.sweep(limit=1)
    shares = Offer.objects.filter(is_newcomer_share=True)
    assert {one.worker_id for one in shares} <= new
    assert 3 <= shares.count() <= 12
    assert Offer.objects.count() == 60


def test_gold_is_offered_at_the_workers_gold_share_without_a_slot():
    job = make.draft()
    make.add_tasks(job, 2)
    make.add_gold(job, [people.YES, people.NO])
    job = jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    opening.open_parked()
    who = push.available()
    places.join(job_id=job.pk, worker_id=who.id)
    WorkerJob.objects.update(gold_share=1)
    credit = WorkerJob.objects.get().gold_credit
    assert credit > 0
    (offer,) = push.dispatched()
    assert Task.objects.get(pk=offer.task_id).role == "gold"
    assert push.taken_slots(job) == 0
    claim = offers.accept(offer_id=offer.pk, worker_id=who.id)
    assert Assignment.objects.get(pk=claim["id"]).role == "gold"
    assert WorkerJob.objects.get().gold_credit == credit - 1
    people.submit(who, claim["id"])
    WorkerJob.objects.update(gold_share=1)
    (second,) = push.dispatched()
    assert Task.objects.get(pk=second.task_id).role == "gold"
    assert second.task_id != offer.task_id
    people.later(seconds=settings.OFFER_SECONDS + 1)
    push.dispatched()
    assert push.taken_slots(job) <= 1
    second.refresh_from_db()
    assert second.state == Offer.State.LAPSED


def test_the_number_of_statements_does_not_grow_with_the_batch(django_assert_max_num_queries):
    make.live(30)
    for _ in range(30):
        push.available()
    with django_assert_max_num_queries(24):
        assert dispatch.sweep() == 30


def test_an_offer_is_withdrawn_from_a_job_that_was_paused_before_it_was_accepted():
    job = make.live(1)
    who = push.available()
    (offer,) = push.dispatched()
    jobs.pause(job=job, by=job.created_by_id)
    with pytest.raises(places.JobNotLive):
        offers.accept(offer_id=offer.pk, worker_id=who.id)
    assert push.dispatched() == []
    assert push.taken_slots(job) == 0


def test_the_sweep_runs_every_second_and_tells_what_is_late():
    found = sweeps.registry()["workers.dispatch"]
    assert (found.queue, found.every) == ("dispatch", 1)
    assert found.oldest_due() is None
