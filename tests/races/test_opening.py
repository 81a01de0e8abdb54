"""Openings side by side: each task once, and never beyond the budget."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from core import audit
from marketplace.models import Job, JobStats, Task
from marketplace.services import jobs, opening
from payments.services import escrow
from tests.factories import marketplace as make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def together(*acts: Callable[[], Any]) -> list[Any]:
    """Run acts in threads that start at the same moment; what they raised is their answer."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            start.wait()
            return act()
        except Exception as problem:  # noqa: BLE001
            return problem
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def drained(sweep: Callable[[], int], rounds: int = 8) -> Callable[[], int]:
    return lambda: sum(sweep() for _ in range(rounds))


def broken() -> list[str]:
    return [one.id for one in audit.run_all() if not one.ok and one.id[0] != "W"]


def launched(count: int, *, slots: int) -> Job:
    job = make.draft()
    (task, *_) = make.add_tasks(job, count)
    return jobs.launch(
        job=job, budget_micros=task.slot_reserve_micros * slots, by=job.created_by_id
    )


def test_two_sweeps_open_each_task_once() -> None:
    job = launched(300, slots=5000)
    opened = together(*[drained(lambda: opening.open_parked(limit=20), 20)] * 4)
    while more := opening.open_parked():
        opened.append(more)
    assert sum(opened) == 300
    rows = Task.objects.filter(job=job)
    assert set(rows.values_list("state", "wanted", "remaining")) == {("open", 2, 2)}
    reserve = rows[0].slot_reserve_micros
    assert escrow.summary(job.pk).lines["work"] == 300 * 2 * reserve
    assert JobStats.objects.get(pk=job.pk).open_tasks == 300
    assert broken() == []


def test_sweeps_beside_other_spending_stay_within_the_budget() -> None:
    """Gold credits are reserved out of the same budget at the same moment."""
    job = launched(60, slots=60)
    reserve = make.work(job)[0].slot_reserve_micros

    def spend() -> int:
        return sum(
            escrow.reserve_up_to(job_id=job.pk, line="gold", unit_micros=reserve, count=3)
            for _ in range(10)
        )

    found = together(drained(opening.open_parked), spend, drained(opening.open_parked), spend)
    assert not [one for one in found if isinstance(one, Exception)]
    summary = escrow.summary(job.pk)
    assert summary.free >= 0
    opened = Task.objects.filter(job=job, state="open").count()
    assert summary.lines["work"] == opened * 2 * reserve
    assert broken() == []


def test_pausing_while_tasks_open_leaves_none_opened_after() -> None:
    job = launched(200, slots=5000)

    def pause() -> int:
        jobs.pause(job=job, by=job.created_by_id)
        return Task.objects.filter(job=job, state="open").count()

    found = together(drained(lambda: opening.open_parked(limit=10), 15), pause)
    assert not [one for one in found if isinstance(one, Exception)]
    assert Task.objects.filter(job=job, state="open").count() == found[1]
    assert opening.open_parked() == 0
    assert broken() == []


def test_more_budget_while_tasks_open_is_not_lost() -> None:
    job = launched(40, slots=10)
    reserve = make.work(job)[0].slot_reserve_micros

    def extend() -> None:
        for number in range(10):
            jobs.extend_budget(
                job=job, amount_micros=40 * reserve, key=str(number), by=job.created_by_id
            )

    found = together(extend, drained(opening.open_parked), drained(opening.open_parked))
    assert not [one for one in found if isinstance(one, Exception)]
    while opening.open_parked():
        pass
    job.refresh_from_db()
    assert Task.objects.filter(job=job, state="open").count() == 40
    assert job.budget_alert == ""
    assert broken() == []
