"""Uploads side by side with each other and with the end of their job."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from marketplace.imports.rows import ParsedRow
from marketplace.models import JobStats, Task
from marketplace.services import closing, jobs, stats, tasks
from tests.factories import marketplace as make

from .test_opening import broken, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def slow(rows: Any, waiting: threading.Event, go: threading.Event) -> Iterator[ParsedRow]:
    """Rows that come in two parts; between them something else happens."""
    given = list(rows)
    yield from given[: len(given) // 2]
    waiting.set()
    go.wait(10)
    yield from given[len(given) // 2 :]


def test_the_same_upload_twice_at_once_makes_each_task_once() -> None:
    job = make.draft()

    def upload() -> tuple[int, int]:
        found = tasks.import_rows(job=job, rows=make.rows(300), by=job.created_by_id)
        return found.created, found.duplicates

    found = together(*[upload] * 4)
    assert not [one for one in found if isinstance(one, Exception)], found
    assert sum(created for created, _ in found) == 300
    assert all(created + duplicates == 300 for created, duplicates in found)
    assert Task.objects.filter(job=job).count() == 300
    assert JobStats.objects.get(pk=job.pk).parked_tasks == 300


def test_uploads_of_other_rows_do_not_wait_for_each_other() -> None:
    job = make.draft()
    waiting, go = threading.Event(), threading.Event()

    def slow_one() -> int:
        rows = slow(make.rows(20), waiting, go)
        return tasks.import_rows(job=job, rows=rows, by=job.created_by_id).created

    def quick_one() -> int:
        assert waiting.wait(10)
        try:
            rows = make.rows(20, start=100)
            return tasks.import_rows(job=job, rows=rows, by=job.created_by_id).created
        finally:
            go.set()

    assert together(slow_one, quick_one) == [20, 20]
    assert Task.objects.filter(job=job).count() == 40


@pytest.mark.parametrize("before", ["draft", "live"])
def test_an_upload_during_the_end_of_its_job_leaves_nothing_open(before: str) -> None:
    job = make.draft()
    make.add_tasks(job, 5, start=900)
    if before == "live":
        job = jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    waiting, go = threading.Event(), threading.Event()

    def upload() -> int:
        rows = slow(make.rows(50), waiting, go)
        return tasks.import_rows(job=job, rows=rows, by=job.created_by_id).created

    def cancel() -> None:
        assert waiting.wait(10)
        jobs.cancel(job=job, by=job.created_by_id)
        make.sweep_until_done(closing.finish_closing)
        go.set()

    found = together(upload, cancel)
    assert isinstance(found[0], tasks.TakesNoTasks), found
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert Task.objects.filter(job=job).count() == 5
    assert broken() == []


def test_uploads_and_a_cancel_at_once_are_one_or_the_other() -> None:
    for _ in range(5):
        job = make.live(1)

        def upload(job: Any = job) -> int:
            return tasks.import_rows(
                job=job, rows=make.rows(30, start=10), by=job.created_by_id
            ).created

        def cancel(job: Any = job) -> None:
            jobs.cancel(job=job, by=job.created_by_id)
            for _ in range(5):
                closing.finish_closing()

        found = together(upload, cancel)
        assert not isinstance(found[1], Exception), found
        assert found[0] == 30 or isinstance(found[0], tasks.TakesNoTasks), found
        make.sweep_until_done(closing.finish_closing)
        job.refresh_from_db()
        assert job.state == "cancelled"
        assert not Task.objects.filter(job=job, state__in=["open", "parked"]).exists()
        assert broken() == []


def test_a_price_changed_meanwhile_refuses_the_rows_priced_before() -> None:
    job = make.draft()
    waiting, go = threading.Event(), threading.Event()

    def upload() -> int:
        rows = slow(make.rows(20), waiting, go)
        return tasks.import_rows(job=job, rows=rows, by=job.created_by_id).created

    def change() -> None:
        assert waiting.wait(10)
        jobs.update_draft(job=job, fields={"base_rate_micros": 50_000}, by=job.created_by_id)
        go.set()

    found = together(upload, change)
    assert isinstance(found[0], tasks.TakesNoTasks), found
    assert not Task.objects.filter(job=job).exists()


def test_counting_beside_uploads_ends_with_the_true_number() -> None:
    job = make.live(1)

    def upload(start: int) -> int:
        return sum(
            tasks.import_rows(
                job=job, rows=make.rows(10, start=start + n), by=job.created_by_id
            ).created
            for n in range(0, 100, 10)
        )

    def count() -> None:
        for _ in range(20):
            stats.recount(job_id=job.pk)

    together(lambda: upload(1000), count, lambda: upload(2000))
    stats.recount(job_id=job.pk)
    assert JobStats.objects.get(pk=job.pk).total_tasks == 201
