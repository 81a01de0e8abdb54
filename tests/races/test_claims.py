"""Many claimers at once on real PostgreSQL: no slot twice, none lost, nobody gets a task again."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, F

from core import audit, errors
from marketplace.models import Annotation, Job, Task
from marketplace.services import jobs
from tests.factories import marketplace as make
from tests.factories import workers as people
from workers.models import Assignment
from workers.services import assignments, claims, places, submissions
from workers.services.claims import ClaimInProgress, Nothing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Run an act in so many threads that start at the same moment; errors are answers."""
    start = threading.Barrier(count)

    def run(number: int) -> Any:
        try:
            start.wait()
            return act(number)
        except Exception as problem:  # noqa: BLE001
            return problem
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def no_failures(answers: list[Any]) -> None:
    assert [one for one in answers if isinstance(one, Exception)] == []


def drained(job: Job, who: people.Person) -> int:
    """Claim and submit until no slot is open; how many. Who hears of nothing asks again."""
    done = 0
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            got = people.claim(job, who)
        except ClaimInProgress:
            continue
        if isinstance(got, Nothing):
            if not Task.objects.filter(job=job, is_open=True).exists():
                return done
            time.sleep(0.02)
            continue
        people.submit(who, got["id"], people.YES)
        done += 1
    raise AssertionError("slots are open that nobody is given")


def assert_slots_add_up(job: Job) -> None:
    over = Task.objects.filter(job=job, taken__gt=F("max_overlap"))
    assert not over.exists()
    live = Assignment.objects.filter(job=job).exclude(state__in=["returned", "expired"])
    by_task = Counter(live.values_list("task_id", flat=True))
    for task in Task.objects.filter(job=job, role="work"):
        assert task.taken == by_task[task.pk]
    twice = live.values("task", "worker").annotate(n=Count("id")).filter(n__gt=1)
    assert not twice.exists()
    for invariant in ("M1", "M2", "M3"):
        assert audit.check(invariant).ok, audit.check(invariant).sample


def test_a_full_drain_with_32_claimers_leaves_no_slot_and_overfills_none() -> None:
    job = make.live(60, quality={"kmin": 3, "kmax": 3})
    crowd = [people.person() for _ in range(32)]
    done = together(32, lambda number: drained(job, crowd[number]))
    no_failures(done)
    assert sum(done) == 180
    assert not Task.objects.filter(job=job, remaining__gt=0).exists()
    assert Annotation.objects.count() == 180
    assert_slots_add_up(job)


def test_32_claimers_on_few_slots_share_them_without_a_tear() -> None:
    job = make.live(3, quality={"kmin": 2, "kmax": 2})
    crowd = [people.person() for _ in range(32)]
    for who in crowd:
        places.join(job_id=job.pk, worker_id=who.id)
    got = together(32, lambda number: people.claim(job, crowd[number]))
    no_failures(got)
    assert sum(isinstance(one, dict) for one in got) <= 6
    # Who came away empty-handed finds what the others left, up to the last slot.
    again = [people.claim(job, who) for who in crowd]
    assert sum(isinstance(one, dict) for one in again) == 6
    assert_slots_add_up(job)


def test_double_clicks_give_one_live_claim() -> None:
    job = make.live(20)
    who = people.person()
    for _ in range(5):
        got = together(8, lambda _: people.claim(job, who))
        claimed = {one["id"] for one in got if isinstance(one, dict)}
        assert len(claimed) == 1
        assert all(isinstance(one, dict | ClaimInProgress) for one in got)
        assert Assignment.objects.filter(worker_id=who.id, state="claimed").count() == 1
        people.submit(who, claimed.pop())
    assert_slots_add_up(job)


def test_first_clicks_make_one_place() -> None:
    job = make.live(5)
    who = people.person()
    got = together(8, lambda _: people.claim(job, who))
    assert len({one["id"] for one in got if isinstance(one, dict)}) == 1
    assert_slots_add_up(job)


def test_the_same_answer_from_everywhere_is_recorded_once() -> None:
    job = make.live(1)
    who = people.person()
    pk = people.claimed(job, who)["id"]
    done = together(8, lambda _: people.submit(who, pk))
    no_failures(done)
    assert {one.state for one in done} == {"submitted"}
    assert Annotation.objects.count() == 1


def test_of_two_answers_at_once_one_is_kept_and_the_other_told() -> None:
    job = make.live(1)
    who = people.person()
    pk = people.claimed(job, who)["id"]
    said = [people.YES, people.NO]
    done = together(8, lambda number: people.submit(who, pk, said[number % 2]))
    kept = Annotation.objects.get().answer
    for number, one in enumerate(done):
        if said[number % 2] == kept:
            assert one.state == "submitted"
        else:
            assert isinstance(one, submissions.AlreadySubmitted)


def test_submit_return_and_expiry_of_one_claim_end_in_one_way() -> None:
    job = make.live(1, quality={"kmin": 1, "kmax": 1}, time_limit_seconds=60)
    for _ in range(6):
        who = people.person()
        pk = people.claimed(job, who)["id"]
        people.later(seconds=61)
        acts: list[Callable[[], Any]] = [
            lambda who=who, pk=pk: people.submit(who, pk),
            lambda who=who, pk=pk: assignments.return_(assignment_id=pk, worker_id=who.id),
            assignments.expire,
        ]
        ended = together(3, lambda number, acts=acts: acts[number]())
        assert all(isinstance(one, errors.Conflict) for one in ended if isinstance(one, Exception))
        row = Assignment.objects.get(pk=pk)
        (task,) = make.work(job)
        if row.state == "submitted":
            assert (task.taken, task.remaining) == (1, 0)
            break
        assert row.state in ("returned", "expired")
        assert (task.taken, task.remaining) == (0, 1)
    assert_slots_add_up(job)


def test_undo_beside_claims_never_gives_a_third_open_task() -> None:
    job = make.live(40, undo_seconds=60, allow_ahead=True)
    who = people.person()
    for _ in range(8):
        pk = people.answered(job, who).pk

        def act(number: int, pk: Any = pk) -> Any:
            if number % 2:
                return submissions.undo(assignment_id=pk, worker_id=who.id)
            return people.claim(job, who, ahead=True)

        got = together(4, act)
        assert all(isinstance(one, errors.Conflict) for one in got if isinstance(one, Exception))
        live = Assignment.objects.filter(worker_id=who.id, state="claimed")
        lanes = list(live.values_list("lane", flat=True))
        assert 1 <= len(lanes) <= 2
        assert len(set(lanes)) == len(lanes)
        for one in live:
            people.submit(who, one.pk)
    assert_slots_add_up(job)


def test_everything_at_once_and_the_slots_still_add_up() -> None:
    """Claims, submits, returns, expiry, judging and settlement side by side in one job."""
    job = make.draft(quality={"kmin": 2, "kmax": 3}, undo_seconds=0)
    make.add_tasks(job, 40)
    make.add_gold(job, [people.YES] * 5)
    jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    make.opening.open_parked()
    crowd = [people.person() for _ in range(10)]
    stop = threading.Event()

    def act(number: int) -> Any:
        if number == 10:
            while not stop.is_set():
                assignments.expire()
                people.judge_all()
                people.settle_all()
                places.refill_gold()
                time.sleep(0.01)
            return None
        try:
            return worked(job, crowd[number], number)
        finally:
            nonlocal busy
            with lock:
                busy -= 1
                if not busy:
                    stop.set()

    busy, lock = 10, threading.Lock()
    no_failures(together(11, act))
    people.judge_all()
    people.settle_all()
    assert_slots_add_up(job)
    assert not Assignment.objects.filter(job=job, state="submitted").exists()
    for finding in audit.run_all():
        assert finding.ok, finding


def worked(job: Job, who: people.Person, number: int) -> int:
    """Answer, now and then give a task back or change one's mind."""
    done = 0
    for turn in range(200):
        try:
            got = claims.claim(job_id=job.pk, worker_id=who.id)
        except ClaimInProgress:
            continue
        if isinstance(got, Nothing):
            if not got.remaining:
                break
            time.sleep(0.01)
            continue
        if (turn + number) % 7 == 0:
            assignments.return_(assignment_id=got["id"], worker_id=who.id)
            continue
        people.submit(who, got["id"], people.YES if turn % 5 else people.NO)
        done += 1
    return done
