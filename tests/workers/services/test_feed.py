from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock, errors, sweeps
from marketplace.models import Job, JobStats, Qualification
from marketplace.services import stats
from tests.factories import marketplace as make
from tests.factories import workers as people
from tests.workers.services.test_exams import exam
from workers.models import SkillRecord, WorkerJob
from workers.services import feed, pace, reputation

pytestmark = pytest.mark.django_db


def seen(who: people.Person, **query: Any) -> list[feed.Listing]:
    jobs = list(feed.listed(**query).order_by("rank"))
    return feed.listings(worker_id=who.id, jobs=jobs)


def test_the_feed_shows_what_a_job_pays_this_worker() -> None:
    job = people.paying(3)
    who = people.person()
    (one,) = seen(who)
    assert one.job.pk == job.pk
    assert (one.price.guaranteed_micros, one.price.bonus_max_micros) == (18_000, 0)
    # As the requester says: eight seconds.
    assert (one.seconds, one.sample) == (Decimal(8), 0)
    assert one.hourly_micros == 8_100_000
    assert (one.tasks_left, one.state) == (3, "have")
    fact = reputation.GradeFact(who.id, "text", 1.0, "choices", 2)
    reputation.record_grades([fact] * 150, now=clock.now())
    (better,) = seen(who)
    assert better.tier > 1
    assert better.price.guaranteed_micros > 18_000
    # What the feed says is what the claim pays.
    got = people.claimed(job, who)
    assert got["guaranteed_micros"] == better.price.guaranteed_micros


def test_the_best_comes_first_and_play_money_apart() -> None:
    low = people.paying(1, base_rate_micros=20_000)
    high = people.paying(1, base_rate_micros=30_000)
    urgent = people.paying(1, priority=3)
    play = make.live(1)
    who = people.person()
    assert [one.job.pk for one in seen(who)] == [urgent.pk, high.pk, low.pk]
    assert [one.job.pk for one in seen(who, sandbox=True)] == [play.pk]


def test_the_feed_is_narrowed_by_specialty_and_language() -> None:
    german = people.paying(1, languages=["de"])
    spoken = people.paying(1, specialty="transcription")
    who = people.person(languages=["en"])
    assert [one.job.pk for one in seen(who, specialty="transcription")] == [spoken.pk]
    assert {one.job.pk for one in seen(who, language="de")} == {german.pk, spoken.pk}
    assert {one.job.pk for one in seen(who, language="en")} == {spoken.pk}
    assert {one.job.pk: one.suits_languages for one in seen(who)} == {
        german.pk: False,
        spoken.pk: True,
    }


def test_the_feed_says_what_stands_between() -> None:
    takeable = exam(1)
    by_hand = Qualification.objects.create(name="Trusted", created_at=clock.now())
    open_to_all = make.live(1)
    exam_first, never = make.live(1), make.live(1)
    Job.objects.filter(pk=exam_first.pk).update(required_qualifications=[takeable.pk])
    Job.objects.filter(pk=never.pk).update(required_qualifications=[takeable.pk, by_hand.pk])
    who = people.person()
    found = {one.job.pk: one for one in seen(who, sandbox=True)}
    assert found[open_to_all.pk].state == "have"
    assert found[exam_first.pk].state == "can_take"
    assert [one.qualification.pk for one in found[exam_first.pk].missing] == [takeable.pk]
    assert found[never.pk].state == "locked"
    assert found[never.pk].reason == "not_qualified"
    SkillRecord.objects.create(
        worker_id=who.id,
        specialty="text",
        is_suspended=True,
        suspended_at=clock.now(),
        suspended_reason="checks",
        updated_at=clock.now(),
    )
    assert {one.reason for one in seen(who, sandbox=True)} == {"suspended"}


def test_the_number_of_statements_does_not_depend_on_the_number_of_jobs() -> None:
    what = exam(1)
    who = people.person()
    counts = []
    for more in (2, 10):
        for _ in range(more):
            Job.objects.filter(pk=make.live(1).pk).update(required_qualifications=[what.pk])
        with CaptureQueriesContext(connection) as sent:
            found = seen(who, sandbox=True)
        counts.append(len(sent))
        assert len(found) in (2, 12)
    assert counts[0] == counts[1] <= 14


def test_one_job_is_shown_in_any_state_but_before_its_launch() -> None:
    who = people.person()
    job = make.live(1)
    Job.objects.filter(pk=job.pk).update(state="paused")
    one = feed.listing(worker_id=who.id, job_id=job.pk)
    assert (one.state, one.reason) == ("locked", "job_not_live")
    for absent in (make.draft(), make.draft(purpose="exam")):
        with pytest.raises(errors.NotFound):
            feed.listing(worker_id=who.id, job_id=absent.pk)


# --- the pace ---------------------------------------------------------------------------------
def test_the_pace_is_measured_and_the_feed_says_so() -> None:
    job = make.live(9, time_limit_seconds=60, undo_seconds=0)
    who = people.person()
    for seconds in (10, 20, 30, 40, 59, 50):
        got = people.claimed(job, who)
        people.later(seconds=seconds)
        people.submit(who, got["id"])
    people.later(seconds=1)
    assert pace.measure() == 0  # nothing was accepted yet
    people.judge_all()
    people.settle_all()
    assert pace.measure() == 1
    figures = JobStats.objects.get(pk=job.pk)
    assert (figures.median_seconds, figures.accepted) == (35.0, 6)
    assert pace.measure() == 0
    (one,) = seen(who, sandbox=True)
    assert (one.seconds, one.sample) == (Decimal(35), 6)
    assert one.hourly_micros == round(18_000 * 3600 / 35)


def test_a_run_measures_the_pace_once_however_much_has_changed() -> None:
    job = make.live(9, undo_seconds=0)
    who = people.person()
    for _ in range(5):
        people.answered(job, who)
    people.judge_all()
    people.settle_all()
    with CaptureQueriesContext(connection) as sent:
        assert sweeps.exhaust(sweeps.registry()["workers.measure_pace"]) == 0
    assert sum("percentile_cont" in one["sql"] for one in sent) == 1
    assert JobStats.objects.get(pk=job.pk).accepted == 5


def test_few_answers_say_nothing_and_a_pause_no_more_than_the_limit() -> None:
    job = make.live(9, time_limit_seconds=60, undo_seconds=0)
    who = people.person()
    for number in range(1, 6):
        got = people.claimed(job, who)
        people.later(seconds=500)  # away: what came late counts with the time limit at most
        people.submit(who, got["id"])
        people.judge_all()
        people.settle_all()
        pace.measure()
        median = JobStats.objects.get(pk=job.pk).median_seconds
        assert median == (None if number < pace.EVIDENCE else 60)


def test_counting_a_jobs_tasks_leaves_the_pace() -> None:
    job = make.live(1)
    stats.record_pace(job_id=job.pk, median_seconds=12.5, accepted=40)
    stats.recount(job_id=job.pk)
    figures = JobStats.objects.get(pk=job.pk)
    assert (figures.median_seconds, figures.accepted) == (12.5, 40)
    assert not WorkerJob.objects.exists()


def test_a_bonus_that_nobody_pays_is_promised_to_nobody() -> None:
    with pytest.raises(errors.Invalid) as refused:
        people.paying(1, bonus_pct=Decimal("0.25"))
    assert "bonus_pct" in refused.value.errors
