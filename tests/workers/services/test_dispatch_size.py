"""What a round of dispatch costs does not depend on the size of the job, little on who waits."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from core import clock
from core.ids import new_id
from core.models import User
from marketplace.models import Job
from tests.factories import marketplace as make
from tests.factories import push
from tests.factories import workers as people
from workers.models import Availability, Offer, Worker
from workers.services import dispatch, matching, offers

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
FEW, MANY, CROWD = 1_000, 100_000, 2_000


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    dispatch._barren.clear()


def crowd(count: int, *, specialty: str) -> None:
    """So many idle available workers."""
    now = clock.now()
    users = User.objects.bulk_create(
        User(email=f"{new_id()}@example.org", created_at=now) for _ in range(count)
    )
    workers = Worker.objects.bulk_create(Worker(user=user, joined_at=now) for user in users)
    Availability.objects.bulk_create(
        Availability(
            worker=worker,
            specialties=[specialty],
            since=now,
            idle_since=now,
            until=now + timedelta(hours=8),
        )
        for worker in workers
    )


def analyse() -> None:
    with connection.cursor() as cursor:
        for table in ("marketplace_task", "workers_availability", "workers_worker"):
            cursor.execute(f"ANALYZE {table}")


def plan(statement: str, params: Any) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", params)
        found = cursor.fetchone()[0]
    return (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]


def scans(node: dict[str, Any]) -> set[tuple[str, str]]:
    own = {(node["Node Type"], node["Relation Name"])} if "Relation Name" in node else set()
    return own.union(*[scans(one) for one in node.get("Plans", [])])


def blocks(node: dict[str, Any]) -> int:
    return int(node["Shared Hit Blocks"]) + int(node["Shared Read Blocks"])


def statements(job: Job, workers: list[Any]) -> dict[str, tuple[str, Any]]:
    """The reading statements of a round, by what they look for."""
    play = {"play": True, "limit": dispatch.JOBS}
    walkers = {"job": job.pk, "workers": workers, "walk": matching.WALK}
    return {
        "demand": (matching._DEMAND + matching._OPEN, play),
        "head": (matching._HEAD, [job.pk, dispatch.BATCH + matching.SLACK]),
        "walk": (matching._WALK, walkers),
    }


def test_a_round_reads_the_same_blocks_in_a_job_of_a_thousand_and_of_a_hundred_thousand() -> None:
    job = make.live(1)
    (task,) = make.work(job)
    crowd(CROWD, specialty="text")
    workers = list(Availability.objects.values_list("pk", flat=True)[:20])
    read: dict[int, dict[str, int]] = {}
    for size in (FEW, MANY):
        people.copies(task, size)
        analyse()
        read[size] = {}
        for name, (statement, params) in statements(job, workers).items():
            found = plan(statement, params)
            assert ("Seq Scan", "marketplace_task") not in scans(found), name
            read[size][name] = blocks(found)
    for name, few in read[FEW].items():
        assert read[MANY][name] <= 1.5 * few + 20, (name, read)


def test_a_round_with_work_for_a_batch_is_short_beside_two_thousand_who_wait() -> None:
    job = make.live(1)
    people.copies(make.work(job)[0], MANY)
    crowd(CROWD, specialty="text")
    analyse()
    dispatch.sweep()
    began = time.monotonic()
    made = dispatch.sweep()
    took = time.monotonic() - began
    assert made == dispatch.BATCH
    assert Offer.objects.count() == 2 * dispatch.BATCH
    assert took < 2, f"{took:.2f} s"


def test_two_thousand_who_wait_for_other_work_cost_next_to_nothing() -> None:
    job = make.live(1)
    people.copies(make.work(job)[0], MANY)
    crowd(CROWD, specialty="image")
    analyse()
    assert dispatch.sweep() == 0
    with connection.execute_wrapper(_counted := Counted()):
        began = time.monotonic()
        assert dispatch.sweep() == 0
        took = time.monotonic() - began
    assert _counted.n <= 12
    assert took < 0.5, f"{took:.2f} s"


def test_who_can_do_nothing_of_what_is_open_is_not_looked_through_every_second() -> None:
    job = make.live(3)
    Job.objects.filter(pk=job.pk).update(required_qualifications=[new_id()])
    crowd(CROWD, specialty="text")
    analyse()
    first, second = Counted(), Counted()
    with connection.execute_wrapper(first):
        assert dispatch.sweep() == 0
    with connection.execute_wrapper(second):
        assert dispatch.sweep() == 0
    assert second.n < first.n
    who = push.available()
    with connection.execute_wrapper(third := Counted()):
        dispatch.sweep()
    assert third.n == first.n
    assert push.offered_to(who) is None


def test_asking_for_an_offer_reads_a_few_blocks_whatever_is_open() -> None:
    job = make.live(1)
    people.copies(make.work(job)[0], MANY)
    crowd(CROWD, specialty="text")
    analyse()
    dispatch.sweep()
    busy = Offer.objects.first()
    idle = Availability.objects.filter(is_busy=False).first()
    assert busy is not None
    assert idle is not None
    assert blocks(plan(offers._CURRENT, {"worker": busy.worker_id})) < 60
    asked = {"worker": idle.pk, "play": settings.OFFER_PLAY_MONEY}
    assert blocks(plan(offers._LIKELY, asked)) < 60


class Counted:
    """Counts statements."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, execute: Any, *args: Any) -> Any:
        self.n += 1
        return execute(*args)
