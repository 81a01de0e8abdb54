from datetime import timedelta

import pytest
from django.conf import settings

from core import clock, errors
from marketplace.models import Job, Task
from marketplace.services import jobs, opening
from tests.factories import marketplace as make
from tests.factories import push
from tests.factories import workers as people
from workers.models import Assignment, Availability, Offer, Worker, WorkerJob
from workers.services import availability, claims, dispatch, offers, passing, places, standing
from workers.services.claims import Nothing

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_memory():
    dispatch._barren.clear()


def offered(count=2, **fields):
    """A job, a worker and the offer that the worker got."""
    job = make.live(count, **fields)
    who = push.available()
    push.dispatched()
    return job, who, push.offered_to(who)


def test_an_offer_shows_the_job_what_it_pays_and_when_it_ends():
    job, who, offer = offered()
    seen = offers.current(worker_id=who.id)
    assert (seen["id"], seen["job_id"], seen["name"]) == (offer.pk, job.pk, job.name)
    assert (seen["kind"], seen["currency"]) == ("choices", "XTS")
    assert seen["expires_at"] == offer.expires_at
    assert seen["guaranteed_micros"] > 0
    claim = offers.accept(offer_id=offer.pk, worker_id=who.id)
    assert claim["guaranteed_micros"] == seen["guaranteed_micros"]
    assert claim["bonus_max_micros"] == seen["bonus_max_micros"]


def test_an_accepted_offer_is_a_claim_with_a_frozen_quote_and_the_whole_time_limit():
    job, who, offer = offered(time_limit_seconds=600)
    people.later(seconds=10)
    before = clock.now()
    claim = offers.accept(offer_id=offer.pk, worker_id=who.id)
    row = Assignment.objects.get(pk=claim["id"])
    offer.refresh_from_db()
    assert (offer.state, offer.assignment_id) == (Offer.State.ACCEPTED, row.pk)
    assert row.state == Assignment.State.CLAIMED
    assert row.expires_at - row.claimed_at == timedelta(seconds=600)
    assert row.claimed_at >= before
    assert (push.taken_slots(job), push.free_slots(job)) == (1, 3)
    again = claims.claim(job_id=job.pk, worker_id=who.id)
    shown = set(claim) - {"verdict", "server_time"}
    assert {name: again[name] for name in shown} == {name: claim[name] for name in shown}


def test_accepting_twice_gives_the_same_claim():
    _, who, offer = offered()
    first = offers.accept(offer_id=offer.pk, worker_id=who.id)
    again = offers.accept(offer_id=offer.pk, worker_id=who.id)
    assert again["id"] == first["id"]
    assert Assignment.objects.count() == 1
    people.submit(who, first["id"])
    with pytest.raises(offers.OfferOver):
        offers.accept(offer_id=offer.pk, worker_id=who.id)


def test_an_accepted_task_is_answered_and_paid_like_a_claimed_one():
    _, who, offer = offered(quality={"kmin": 1, "kmax": 1})
    claim = offers.accept(offer_id=offer.pk, worker_id=who.id)
    people.submit(who, claim["id"])
    people.later(minutes=1)
    assert (people.judge_all(), people.settle_all()) == (1, 1)
    assert Assignment.objects.get().state == Assignment.State.ACCEPTED
    assert Task.objects.get(pk=claim["task_id"]).state == "resolved"


@pytest.mark.parametrize("verb", [offers.accept, offers.decline])
def test_somebody_elses_offer_is_as_if_absent(verb):
    _, _, offer = offered()
    other = people.person()
    with pytest.raises(errors.NotFound):
        verb(offer_id=offer.pk, worker_id=other.id)


def test_an_offer_is_accepted_in_time_or_not_at_all():
    _, who, offer = offered()
    people.later(seconds=settings.OFFER_SECONDS)
    with pytest.raises(offers.OfferOver) as told:
        offers.accept(offer_id=offer.pk, worker_id=who.id)
    assert told.value.extra == {"state": "lapsed"}
    assert Assignment.objects.count() == 0
    assert isinstance(offers.current(worker_id=who.id), Nothing)


def test_an_offer_is_declined_once_and_then_neither_accepted_nor_lapsed():
    _, who, offer = offered()
    assert offers.decline(offer_id=offer.pk, worker_id=who.id).state == Offer.State.DECLINED
    assert offers.decline(offer_id=offer.pk, worker_id=who.id).state == Offer.State.DECLINED
    with pytest.raises(offers.OfferOver):
        offers.accept(offer_id=offer.pk, worker_id=who.id)
    people.later(seconds=settings.OFFER_SECONDS + 1)
    assert passing.lapse() == 0


def test_who_holds_another_task_of_the_job_finishes_that_first():
    job, who, offer = offered()
    other = Task.objects.exclude(pk=offer.task_id).get()
    people.claimed(job, who, hints=[other.external_id])
    with pytest.raises(offers.ClaimOpen):
        offers.accept(offer_id=offer.pk, worker_id=who.id)
    offer.refresh_from_db()
    assert offer.state == Offer.State.OFFERED


def test_who_claimed_the_offered_task_by_themselves_gives_the_offers_slot_back():
    job, who, offer = offered(1)
    mine = people.claimed(job, who)
    assert mine["task_id"] == offer.task_id
    with pytest.raises(offers.OfferOver):
        offers.accept(offer_id=offer.pk, worker_id=who.id)
    offer.refresh_from_db()
    assert offer.state == Offer.State.WITHDRAWN
    assert (push.taken_slots(job), push.free_slots(job)) == (1, 1)


def test_a_rate_that_does_not_hold_any_more_is_renewed_on_the_way():
    job, who, offer = offered()
    places.join(job_id=job.pk, worker_id=who.id)
    WorkerJob.objects.update(is_stale=True, unit_price=1)
    assert offers.current(worker_id=who.id)["guaranteed_micros"] > 1000
    WorkerJob.objects.update(is_stale=True, unit_price=1)
    assert offers.accept(offer_id=offer.pk, worker_id=who.id)["guaranteed_micros"] > 1000


def test_gold_whose_credit_is_gone_is_taken_back_without_a_word_of_what_it_was():
    job = make.draft()
    make.add_tasks(job, 1)
    make.add_gold(job, [people.YES])
    job = jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    opening.open_parked()
    who = push.available()
    places.join(job_id=job.pk, worker_id=who.id)
    WorkerJob.objects.update(gold_share=1)
    push.dispatched()
    WorkerJob.objects.update(gold_credit=0)
    with pytest.raises(offers.OfferOver) as told:
        offers.accept(offer_id=push.offered_to(who).pk, worker_id=who.id)
    assert "gold" not in str(told.value)


def test_who_asks_is_told_to_come_back_soon_while_there_is_work_and_later_otherwise(settings):
    settings.OFFER_SECONDS = 300
    who = push.available(specialties=["text"])
    assert offers.current(worker_id=who.id) == Nothing(offers.SOON, remaining=False)
    people.later(seconds=250)
    assert offers.current(worker_id=who.id) == Nothing(25, remaining=False)
    people.later(seconds=2500)
    assert offers.current(worker_id=who.id) == Nothing(100, remaining=False)
    job = make.live(1)
    assert offers.current(worker_id=who.id) == Nothing(offers.SOON, remaining=True)
    Job.objects.filter(pk=job.pk).update(state=Job.State.PAUSED)
    availability.end(worker_id=who.id)
    assert offers.current(worker_id=who.id) == Nothing(offers.LATE, remaining=False)


def test_asking_for_an_offer_is_one_statement(django_assert_num_queries):
    _, who, _ = offered()
    offers.current(worker_id=who.id)
    with django_assert_num_queries(1):
        offers.current(worker_id=who.id)


def test_availability_is_renewed_changed_and_ended():
    who = people.person()
    assert availability.read(who.id) is None
    assert availability.end(worker_id=who.id) is None
    first = push.wait(who, specialties=["text"])
    people.later(minutes=10)
    renewed = push.wait(who, specialties=["image", "image"])
    assert (renewed.since, renewed.specialties) == (first.since, ["image"])
    assert availability.is_on(renewed, clock.now())
    ended = availability.end(worker_id=who.id)
    assert (ended.ended_reason, ended.until <= clock.now()) == ("asked", True)
    assert availability.end(worker_id=who.id).until == ended.until
    back = push.wait(who)
    assert (back.ended_reason, back.since > first.since) == ("", True)
    past = availability.declare(
        worker_id=who.id, specialties=[], until=clock.now() - timedelta(seconds=1)
    )
    assert past.ended_reason == "asked"


def test_ending_availability_passes_the_open_offer_on():
    job, who, offer = offered(1)
    other = push.available()
    push.dispatched()
    offers.decline(offer_id=push.offered_to(other).pk, worker_id=other.id)
    third = push.available()
    push.dispatched()
    fourth = push.available()
    availability.end(worker_id=who.id)
    offer.refresh_from_db()
    assert offer.state == Offer.State.WITHDRAWN
    assert push.offered_to(fourth).task_id == offer.task_id
    assert push.offered_to(third) is not None
    assert push.taken_slots(job) == 2


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"specialties": ["juggling"]}, "specialties"),
        ({"until": timedelta(days=31)}, "until"),
    ],
)
def test_availability_for_what_is_not_there_is_refused(facts, field):
    who = people.person()
    given = {"specialties": [], "until": timedelta(hours=1), **facts}
    with pytest.raises(errors.Invalid) as told:
        availability.declare(
            worker_id=who.id, specialties=given["specialties"], until=clock.now() + given["until"]
        )
    assert set(told.value.errors) == {field}


def test_only_workers_are_available_and_none_who_is_suspended():
    owner = make.requester()
    with pytest.raises(standing.NotAWorker):
        availability.read(owner.user_id)
    with pytest.raises(standing.NotAWorker):
        availability.declare(worker_id=owner.user_id, specialties=[], until=clock.now())
    with pytest.raises(standing.NotAWorker):
        availability.end(worker_id=owner.user_id)
    who = people.person()
    Worker.objects.filter(pk=who.id).update(is_suspended=True, suspended_reason="for a trial")
    with pytest.raises(availability.Suspended):
        push.wait(who)
    assert not Availability.objects.exists()
