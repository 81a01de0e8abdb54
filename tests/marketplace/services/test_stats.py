"""Figures of jobs: counted now and then, never in the way of a claim."""

from datetime import timedelta

import pytest

from core import clock
from marketplace.models import Job, JobStats, Task
from marketplace.services import stats
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


def figures(job: Job) -> JobStats:
    return JobStats.objects.get(pk=job.pk)


def test_tasks_are_counted_by_state() -> None:
    job = make.live(4)
    make.add_gold(job, [make.YES])
    first, second, third, _ = make.work(job)
    make.conclude(first)
    make.conclude(second, votes=2, escalated=True)
    Task.objects.filter(pk=third.pk).update(state="cancelled", wanted=0, remaining=0, is_open=False)
    stats.recount(job_id=job.pk)
    assert stats.progress(figures(job)) == stats.Progress(
        total=4, parked=0, open=1, escalated=1, resolved=1, cancelled=1, gold=1
    )
    assert figures(job).answers == 2


def test_figures_are_counted_again_when_they_are_old() -> None:
    job = make.live(2)
    make.draft()
    stats.recount(job_id=job.pk)
    JobStats.objects.filter(pk=job.pk).update(open_tasks=77)
    assert stats.refresh() == 0
    clock.shift(timedelta(seconds=10))
    assert stats.refresh() == 1
    assert figures(job).open_tasks == 2
    assert stats.refresh() == 0


def test_a_large_job_is_counted_less_often() -> None:
    job = make.live(1)
    JobStats.objects.filter(pk=job.pk).update(
        total_tasks=stats.LARGE + 1, refreshed_at=clock.now() - timedelta(seconds=10)
    )
    assert stats.refresh() == 0
    JobStats.objects.filter(pk=job.pk).update(refreshed_at=clock.now() - timedelta(seconds=31))
    assert stats.refresh() == 1


def test_what_only_the_labour_plane_can_measure_is_handed_down() -> None:
    job = make.live(1)
    stats.record_pace(job_id=job.pk, median_seconds=12.5, accepted=30)
    stats.recount(job_id=job.pk)
    assert (figures(job).median_seconds, figures(job).accepted) == (12.5, 30)


def test_imports_and_openings_are_entered_at_once() -> None:
    job = make.draft()
    make.add_tasks(job, 3)
    assert (figures(job).total_tasks, figures(job).parked_tasks) == (3, 3)
    live = make.live(3)
    assert (figures(live).parked_tasks, figures(live).open_tasks) == (0, 3)
