"""Requester, worker and the sweeps decide about the same answer at once: one outcome, one payment."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.conf import settings

from core import audit
from payments.models import Earning
from payments.services import escrow
from tests.factories import reviewing
from tests.factories import workers as people
from tests.factories.together import failures, together
from workers.models import Assignment, Contest
from workers.services import contests, judging, reviews, settlement

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
S = Assignment.State
ROUNDS = 12


def assert_sound() -> None:
    broken = {one.id: one.sample for one in audit.run_all() if not one.ok}
    assert broken == {}


def test_accepted_rejected_and_settled_at_once_it_is_one_of_them() -> None:
    job = reviewing.reviewed_job(ROUNDS)
    outcomes = set()
    for number in range(ROUNDS):
        row = reviewing.to_review(job, people.person())
        if row.role != "work":
            people.settle_all()
            continue
        if number % 2:  # the time is over at this very moment
            Assignment.objects.filter(pk=row.pk).update(settle_after=row.judged_at)
        answers = together(
            partial(reviewing.accept, row),
            partial(reviewing.reject, row),
            partial(reviewing.reject, row, reason="incomplete"),
            settlement.sweep,
            settlement.sweep,
        )
        assert failures(answers, reviews.ReviewOver) == []
        people.settle_all()
        row.refresh_from_db()
        outcomes.add(row.state)
        paid = Earning.objects.filter(assignment_ref=row.pk).count()
        assert (row.state, paid) in ((S.ACCEPTED, 1), (S.REJECTED, 0))
        assert_sound()
    assert S.ACCEPTED in outcomes


def test_upheld_denied_and_lapsed_at_once_it_is_one_of_them() -> None:
    job = reviewing.reviewed_job(ROUNDS)
    outcomes = set()
    for number in range(ROUNDS):
        row = reviewing.to_review(job, people.person())
        if row.role != "work":
            continue
        found = reviewing.contest(reviewing.reject(row))
        if number % 2:
            Contest.objects.filter(pk=found.pk).update(answer_by=found.opened_at)
        answers = together(
            partial(reviewing.decide, found, contests.uphold),
            partial(reviewing.decide, found, contests.deny),
            contests.sweep,
            contests.sweep,
        )
        assert failures(answers, contests.ContestOver) == []
        contests.sweep()
        found.refresh_from_db()
        row.refresh_from_db()
        outcomes.add(found.state)
        is_paid = Earning.objects.filter(assignment_ref=row.pk).count()
        assert is_paid == (found.state != Contest.State.DENIED)
        assert (row.state == S.ACCEPTED) == bool(is_paid)
        assert escrow.summary(job.pk).lines["contested"] == 0
        assert_sound()
    assert Contest.State.LAPSED in outcomes


def test_contesting_at_the_last_moment_is_in_time_or_not() -> None:
    job = reviewing.reviewed_job(ROUNDS)
    for _ in range(ROUNDS):
        row = reviewing.to_review(job, people.person())
        if row.role != "work":
            continue
        reviewing.reject(row)
    people.later(days=settings.CONTEST_DAYS, seconds=-1)
    rows = list(Assignment.objects.filter(state=S.REJECTED))
    Assignment.objects.filter(pk__in=[one.pk for one in rows[::2]]).update(
        contest_until=rows[0].reviewed_at
    )
    answers = together(*[partial(reviewing.contest, row) for row in rows], contests.sweep)
    assert failures(answers, contests.WindowOver) == []
    contests.sweep()
    open_ones = Contest.objects.filter(state=Contest.State.OPEN).count()
    assert Assignment.objects.filter(state=S.REJECTED, settled_at=None).count() == open_ones
    assert_sound()


def test_rejections_while_the_same_tasks_are_judged_neither_wait_for_ever_nor_lose_a_slot() -> None:
    job = reviewing.reviewed_job(6, quality={"kmin": 2, "kmax": 5})
    crowd = [people.person() for _ in range(4)]
    rows = []
    for who in crowd[:2]:
        for _ in range(6):
            got = people.claim(job, who)
            if isinstance(got, dict):
                people.submit(who, got["id"])
                rows.append(got["id"])
    people.judge_all()

    def work(who: people.Person) -> Any:
        for _ in range(6):
            got = people.claim(job, who)
            if isinstance(got, dict):
                people.submit(who, got["id"], people.NO)
        return judging.judge_batch()

    waiting = list(Assignment.objects.filter(pk__in=rows, role="work"))
    acts = [partial(reviewing.reject, row) for row in waiting[::2]]
    answers = together(*acts, *[partial(work, who) for who in crowd[2:]], judging.judge_batch)
    assert failures(answers) == []
    people.judge_all()
    assert Assignment.objects.filter(state=S.REJECTED).count() == len(acts)
    assert_sound()


def test_accepting_many_beside_rejecting_some() -> None:
    job = reviewing.reviewed_job(20)
    rows = [reviewing.to_review(job, people.person()) for _ in range(20)]
    ids = [row.pk for row in rows]
    rejected = [row for row in rows if row.role == "work"][:8]
    many = partial(
        reviews.accept_all,
        assignment_ids=ids,
        organization_id=job.organization_id,
        by=job.created_by_id,
    )
    answers = together(
        many, many, settlement.sweep, *[partial(reviewing.reject, row) for row in rejected]
    )
    assert failures(answers, reviews.ReviewOver) == []
    people.settle_all()
    ended = Assignment.objects.filter(pk__in=ids)
    assert ended.filter(state__in=[S.ACCEPTED, S.REJECTED]).count() == 20
    assert Earning.objects.count() == ended.filter(state=S.ACCEPTED).count()
    assert_sound()
