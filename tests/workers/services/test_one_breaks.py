from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from structlog.testing import capture_logs

from marketplace.models import Job
from payments.services import escrow
from tests.factories import marketplace as make
from tests.factories import reviewing
from tests.factories import workers as people
from workers.models import Assignment, WorkerJob
from workers.services import contests, places, settlement

pytestmark = pytest.mark.django_db
S = Assignment.State


class Broken(Exception):
    pass


def breaking(real: Callable[..., Any], jobs: set[UUID], job_of: Callable[..., UUID]) -> Any:
    """A function that does what it does but for these jobs."""

    def call(*args: Any, **named: Any) -> Any:
        if job_of(*args, **named) in jobs:
            raise Broken
        return real(*args, **named)

    return call


def states(*rows: Assignment) -> list[str]:
    return [Assignment.objects.get(pk=row.pk).state for row in rows]


def test_a_job_that_cannot_be_paid_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = [make.live(1, undo_seconds=0) for _ in range(3)]
    rows = [people.answered(job, people.person()) for job in ours]
    people.judge_all()
    bad = {ours[1].pk}
    credit = breaking(settlement.earnings.credit, bad, lambda work, **_: work[0].job_id)
    monkeypatch.setattr(settlement.earnings, "credit", credit)
    with capture_logs() as logs:
        assert settlement.sweep() == 2
    assert states(*rows) == [S.ACCEPTED, S.SUBMITTED, S.ACCEPTED]
    (said,) = [one for one in logs if one["event"] == "job_turn_broke"]
    assert said["job"] == str(ours[1].pk)
    with pytest.raises(Broken):
        settlement.sweep()  # it is the only one now: something else is wrong
    bad.clear()
    assert settlement.sweep() == 1


def test_a_rejection_that_cannot_be_ended_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = [reviewing.reviewed_job() for _ in range(4)]
    rows = [reviewing.reject(reviewing.to_review(job, people.person())) for job in ours]
    for row in rows[:2]:
        reviewing.contest(row)
    people.later(days=max(settings.CONTEST_DAYS, settings.CONTEST_ANSWER_DAYS) + 1)
    bad = {ours[0].pk, ours[2].pk}
    pay = breaking(contests._pay, bad, lambda row: row.job_id)
    release = breaking(contests._release, bad, lambda row: row.job_id)
    monkeypatch.setattr(contests, "_pay", pay)
    monkeypatch.setattr(contests, "_release", release)
    with capture_logs() as logs:
        assert contests.sweep() == 2
    assert states(*rows) == [S.REJECTED, S.ACCEPTED, S.REJECTED, S.REJECTED]
    assert escrow.summary(ours[3].pk).lines["contested"] == 0
    told = {(one["job"], one["act"]) for one in logs if one["event"] == "job_turn_broke"}
    assert told == {
        (str(ours[0].pk), f"_lapse {rows[0].pk}"),
        (str(ours[2].pk), f"_let_stand {rows[2].pk}"),
    }
    with pytest.raises(Broken):
        contests.sweep()
    bad.clear()
    assert contests.sweep() == 2


def test_a_place_that_cannot_be_refilled_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours: list[Job] = []
    for _ in range(3):
        job = make.live(1)
        make.add_gold(job, [people.YES] * 3)
        places.join(job_id=job.pk, worker_id=people.person().id)
        ours.append(job)
    WorkerJob.objects.update(gold_credit=1)
    bad = {ours[0].pk}
    monkeypatch.setattr(
        places, "_refill", breaking(places._refill, bad, lambda _place, job: job.pk)
    )
    assert places.refill_gold() == 2
    held = [WorkerJob.objects.get(job=job).gold_credit for job in ours]
    assert held == [1, 2, 2]
    with pytest.raises(Broken):
        places.refill_gold()
