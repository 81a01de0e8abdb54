"""Ends side by side with what still goes on: slots are taken or closed, money goes back once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from marketplace.models import Job, Task
from marketplace.services import closing, decisions, jobs, opening, slots
from payments.services import escrow, wallets
from tests.factories import marketplace as make

from .test_opening import broken, drained, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

# What the claim statement does to a task: the first open one that nobody has locked.
_CLAIM = """
UPDATE marketplace_task t
SET taken = taken + 1, remaining = remaining - 1, is_open = remaining > 1
FROM (
    SELECT t.id FROM marketplace_task t JOIN marketplace_job j ON j.id = t.job_id
    WHERE t.job_id = %s AND t.is_open AND j.state = 'live'
    ORDER BY t.pos LIMIT 1 FOR UPDATE OF t SKIP LOCKED
) free
WHERE t.id = free.id RETURNING t.id
"""


def claims(job: Job, count: int) -> list[Any]:
    found = []
    for _ in range(count):
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, [job.pk])
            row = cursor.fetchone()
        if row:
            found.append(row[0])
    return found


def test_cancelling_beside_claims_keeps_every_slot_taken_or_closed() -> None:
    job = make.live(60)
    reserve = make.work(job)[0].slot_reserve_micros

    def cancel() -> None:
        jobs.cancel(job=job, by=job.created_by_id)
        for _ in range(20):
            closing.finish_closing()

    found = together(
        cancel, lambda: claims(job, 40), lambda: claims(job, 40), drained(closing.finish_closing)
    )
    assert not [one for one in found if isinstance(one, Exception)], found
    make.sweep_until_done(closing.finish_closing)
    taken = sum(Task.objects.filter(job=job).values_list("taken", flat=True))
    assert taken == len(found[1]) + len(found[2])
    assert set(Task.objects.filter(job=job).values_list("state", "remaining")) == {("cancelled", 0)}
    assert escrow.summary(job.pk).lines["work"] == taken * reserve
    assert broken() == []

    # What was claimed is given back: then the rest of the money goes home, once.
    counts: dict[Any, int] = {}
    for pk in found[1] + found[2]:
        counts[pk] = counts.get(pk, 0) + 1
    slots.give_back(counts)
    together(*[drained(closing.finish_closing, 3)] * 3)
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert wallets.balance(job.organization_id, job.currency) == 10 * make.ENOUGH
    assert broken() == []


def test_two_sweeps_end_a_job_once() -> None:
    jobs_made = [make.live(20) for _ in range(4)]
    for job in jobs_made:
        jobs.cancel(job=job, by=job.created_by_id)
    found = together(*[drained(closing.finish_closing, 6)] * 4)
    assert not [one for one in found if isinstance(one, Exception)], found
    make.sweep_until_done(closing.finish_closing)
    assert set(Job.objects.values_list("state", flat=True)) == {"cancelled"}
    for job in jobs_made:
        assert wallets.balance(job.organization_id, job.currency) == 10 * make.ENOUGH
    assert broken() == []


def test_cancelling_twice_at_once_is_as_once() -> None:
    job = make.live(5)
    found = together(*[lambda: jobs.cancel(job=job, by=job.created_by_id).state] * 4)
    assert set(found) == {"closing"}


def test_closing_beside_slots_given_back_frees_each_reserve_once() -> None:
    job = make.live(30)
    taken = claims(job, 60)
    assert len(taken) == 60

    def give_back() -> None:
        for pk in taken:
            slots.give_back({pk: 1})

    def cancel() -> None:
        jobs.cancel(job=job, by=job.created_by_id)
        for _ in range(10):
            closing.finish_closing()

    found = together(give_back, cancel)
    assert not [one for one in found if isinstance(one, Exception)], found
    make.sweep_until_done(closing.finish_closing)
    job.refresh_from_db()
    assert (job.state, escrow.summary(job.pk).balance) == ("cancelled", 0)
    assert broken() == []


def test_a_task_is_asked_again_or_its_job_closes_never_both() -> None:
    for _ in range(6):
        job = make.live(1, auto_close=True)
        (task,) = make.work(job)
        make.conclude(task)
        reserved = escrow.summary(job.pk).lines["work"]
        escrow.unreserve(job_id=job.pk, line="work", amount_micros=reserved)
        opened, _ = together(
            lambda task=task: decisions.reopen(task=task, by=task.job.created_by_id),  # type: ignore[misc]
            drained(lambda: closing.close_finished() + closing.finish_closing(), 4),
        )
        job.refresh_from_db()
        task.refresh_from_db()
        if isinstance(opened, decisions.JobNotRunning):
            make.sweep_until_done(closing.finish_closing)
            job.refresh_from_db()
            assert (task.state, job.state) == ("resolved", "completed")
        else:
            assert not isinstance(opened, Exception), opened
            assert (task.state, job.state) == ("open", "live")
        assert broken() == []


def test_opening_beside_closing_opens_nothing_that_stays() -> None:
    job = make.draft()
    make.add_tasks(job, 100)
    job = jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)

    def cancel() -> None:
        jobs.cancel(job=job, by=job.created_by_id)
        for _ in range(10):
            closing.step(job_id=job.pk, limit=15)

    found = together(drained(lambda: opening.open_parked(limit=10), 12), cancel)
    assert not [one for one in found if isinstance(one, Exception)], found
    make.sweep_until_done(opening.open_parked, closing.finish_closing)
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert set(Task.objects.filter(job=job).values_list("state", flat=True)) == {"cancelled"}
    assert wallets.balance(job.organization_id, job.currency) == 10 * make.ENOUGH
    assert broken() == []
