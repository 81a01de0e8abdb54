"""Dispatchers, workers who answer or do not, and workers who pull, all at once."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models import Count

from core import audit
from marketplace.models import Job, Task
from marketplace.services import jobs, slots
from tests.factories import marketplace as make
from tests.factories import push
from tests.factories import workers as people
from tests.factories.together import failures, together
from workers.models import Assignment, Availability, Offer
from workers.services import availability, claims, dispatch, offers, passing
from workers.services.claims import ClaimInProgress

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
S = Offer.State


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    dispatch._barren.clear()


def assert_sound() -> None:
    broken = {one.id: one.sample for one in audit.run_all() if not one.ok}
    assert broken == {}


def single(count: int, **fields: Any) -> Job:
    return make.live(count, quality={"kmin": 1, "kmax": 1}, undo_seconds=0, **fields)


def test_dispatchers_side_by_side_offer_no_slot_twice_and_nobody_two() -> None:
    job = make.live(20, quality={"kmin": 2, "kmax": 2})
    for _ in range(60):
        push.available()
    answers = together(*[dispatch.sweep] * 6)
    assert failures(answers) == []
    push.dispatched()
    opened = Offer.objects.filter(state=S.OFFERED)
    assert opened.count() == 40
    assert not opened.values("worker").annotate(n=Count("id")).filter(n__gt=1).exists()
    assert push.free_slots(job) == 0
    assert_sound()


def test_a_double_click_on_accept_makes_one_claim() -> None:
    single(8)
    who = push.available()
    for _ in range(8):
        (offer,) = push.dispatched()
        answers = together(*[partial(offers.accept, offer_id=offer.pk, worker_id=who.id)] * 6)
        assert failures(answers) == []
        (claim,) = {one["id"] for one in answers}
        people.submit(who, claim)
    assert_sound()


def test_an_offer_ends_one_way_whoever_comes_at_once() -> None:
    job = single(40)
    outcomes = set()
    for number in range(14):
        who = push.available()
        (offer,) = [one for one in push.dispatched() if one.worker_id == who.id]
        how = {"offer_id": offer.pk, "worker_id": who.id}
        if number % 2:
            Offer.objects.filter(pk=offer.pk).update(expires_at=offer.offered_at)
        answers = together(
            partial(offers.accept, **how),
            partial(offers.decline, **how),
            passing.lapse,
            passing.lapse,
            partial(availability.end, worker_id=who.id),
        )
        assert failures(answers, offers.OfferOver) == []
        offer.refresh_from_db()
        outcomes.add(offer.state)
        made = Assignment.objects.filter(worker_id=who.id).count()
        assert made == (offer.state == S.ACCEPTED)
        assert_sound()
    assert len(outcomes) >= 2
    assert push.taken_slots(job) == Assignment.objects.count()


def test_who_accepts_and_pulls_at_once_holds_one_claim_of_the_job() -> None:
    job = single(30)
    who = push.available()
    for _ in range(12):
        (offer,) = push.dispatched()
        answers = together(
            partial(offers.accept, offer_id=offer.pk, worker_id=who.id),
            partial(claims.claim, job_id=job.pk, worker_id=who.id),
        )
        assert failures(answers, offers.OfferOver, offers.ClaimOpen, ClaimInProgress) == []
        live = Assignment.objects.filter(worker_id=who.id, state="claimed")
        assert live.count() == 1
        people.submit(who, live.get().pk)
        if push.offered_to(who):
            offers.decline(offer_id=offer.pk, worker_id=who.id)
        assert_sound()


def test_pausing_while_offers_are_made_and_taken_leaves_no_slot_behind() -> None:
    for _ in range(6):
        job = single(10, priority=1)
        for _ in range(6):
            push.available()
        open_ones = [one for one in push.dispatched() if one.job_id == job.pk]
        together(
            partial(jobs.pause, job=job, by=job.created_by_id),
            dispatch.sweep,
            *[
                partial(offers.accept, offer_id=one.pk, worker_id=one.worker_id)
                for one in open_ones[:3]
            ],
            dispatch.sweep,
        )
        push.dispatched()
        live = Assignment.objects.filter(job=job, state="claimed").count()
        assert push.taken_slots(job) == live
        assert not Offer.objects.filter(job=job, state=S.OFFERED).exists()
        assert_sound()


def test_a_dispatcher_that_dies_in_the_middle_leaves_nothing_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = single(5)
    for _ in range(5):
        push.available()

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(passing, "make", die)
        with pytest.raises(KeyboardInterrupt):
            dispatch.sweep()
    assert (push.free_slots(job), push.taken_slots(job)) == (5, 0)
    assert len(push.dispatched()) == 5
    assert_sound()


def test_a_task_that_somebody_is_at_is_passed_over_and_not_waited_for() -> None:
    job = single(2)
    push.available()
    first = make.work(job)[0]
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            slots.hold([first.pk])
            held.set()
            done.wait(20)

    def offer() -> float:
        held.wait(20)
        began = time.monotonic()
        dispatch.sweep()
        took = time.monotonic() - began
        done.set()
        return took

    answers = together(hold, offer)
    assert failures(answers) == []
    assert answers[1] < 5
    assert push.opened() == [] or push.opened()[0].task_id != first.pk


@dataclass
class Market:
    """A job that workers do, until so many answers are there."""

    job: Job
    wanted: int
    over: threading.Event = field(default_factory=threading.Event)

    def is_over(self) -> bool:
        if not self.over.is_set():
            done = Assignment.objects.filter(job=self.job, state__in=["submitted", "accepted"])
            if done.count() >= self.wanted:
                self.over.set()
        return self.over.is_set()

    def dispatcher(self, runs: int) -> None:
        """Sweep so many times, then be gone."""
        until = time.monotonic() + 90
        while runs and not self.is_over() and time.monotonic() < until:
            dispatch.sweep()
            runs -= 1
            time.sleep(0.05)
        if time.monotonic() >= until:
            self.over.set()

    def worker(self, who: people.Person, luck: random.Random) -> None:
        """Answer most offers, leave some alone, come back when set unavailable."""
        ignored: set[UUID] = set()
        while not self.over.is_set():
            got = offers.current(worker_id=who.id)
            if isinstance(got, dict) and got["id"] not in ignored:
                self.answer(who, got["id"], luck.random(), ignored)
                continue
            if Availability.objects.get(pk=who.id).ended_reason:
                push.wait(who)
            time.sleep(0.05)

    def answer(self, who: people.Person, offer: UUID, drawn: float, ignored: set[UUID]) -> None:
        with contextlib.suppress(offers.OfferOver):
            if drawn < 0.1:
                offers.decline(offer_id=offer, worker_id=who.id)
            elif drawn < 0.2:
                ignored.add(offer)
            else:
                claim = offers.accept(offer_id=offer, worker_id=who.id)
                people.submit(who, claim["id"])

    def puller(self, who: people.Person) -> None:
        """Claim without waiting for offers."""
        while not self.over.is_set():
            with contextlib.suppress(ClaimInProgress):
                got = people.claim(self.job, who)
                if isinstance(got, dict):
                    people.submit(who, got["id"])
            time.sleep(0.3)


def test_offers_until_all_is_done_with_a_dispatcher_lost_on_the_way(settings: Any) -> None:
    settings.OFFER_SECONDS = 1
    market = Market(single(80), 80)
    crowd = [push.available(hours=5) for _ in range(10)]
    pullers = [people.person() for _ in range(2)]
    answers = together(
        partial(market.dispatcher, -1),
        partial(market.dispatcher, 10),
        *[partial(market.worker, who, random.Random(number)) for number, who in enumerate(crowd)],
        *[partial(market.puller, who) for who in pullers],
    )
    assert failures(answers) == []
    assert Task.objects.filter(job=market.job, taken=1, remaining=0).count() == 80
    assert Assignment.objects.filter(state="submitted").count() == 80
    assert_sound()
    lapsed = Offer.objects.filter(state=S.LAPSED)
    assert lapsed.exists()
    for one in lapsed:
        assert (one.ended_at - one.expires_at).total_seconds() < 5
