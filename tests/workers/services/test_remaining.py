from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.db import connection

from marketplace.models import Job, Task
from tests.factories import marketplace as make
from tests.factories import push
from tests.factories import workers as people
from workers.services import assignments, claims, dispatch
from workers.services.claims import Nothing

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    dispatch._barren.clear()


def single(count: int = 1) -> Job:
    """A job whose tasks want one answer each."""
    return make.live(count, quality={"kmin": 1, "kmax": 1})


def remaining(job: Job, who: people.Person) -> bool:
    """What a worker hears for whom there is nothing now."""
    got = people.claim(job, who)
    assert isinstance(got, Nothing), got
    return got.remaining


def become(job: Job, **fields: Any) -> None:
    Task.objects.filter(job=job, role="work").update(**fields)


def test_a_task_for_the_requesters_experts_never_comes_back() -> None:
    job = single()
    become(job, state="escalated", is_open=False, wanted=0, remaining=0)
    assert not remaining(job, people.person())


def test_a_task_that_waits_for_budget_may_come_back_to_who_has_not_answered_it() -> None:
    job = single()
    one, two = people.person(), people.person()
    people.answered(job, one)
    become(job, state="parked")
    assert not remaining(job, one)
    assert remaining(job, two)


def test_an_answer_that_is_not_judged_may_not_be_the_last() -> None:
    job = single()
    one, two = people.person(), people.person()
    people.answered(job, one)
    assert not remaining(job, one)
    assert remaining(job, two)
    people.later(seconds=6)
    people.judge_all()
    assert not remaining(job, two)


def test_what_is_offered_to_others_may_come_back() -> None:
    job = single()
    push.available()
    (offer,) = push.dispatched()
    assert offer.job_id == job.pk
    assert remaining(job, people.person())


def test_who_gave_a_task_back_waits_for_nothing_when_another_has_it() -> None:
    job = single()
    one, two = people.person(), people.person()
    held = people.claimed(job, one)
    assignments.return_(assignment_id=held["id"], worker_id=one.id)
    people.claimed(job, two)
    assert not remaining(job, one)


@pytest.mark.slow
def test_what_may_come_back_is_found_alike_in_any_job() -> None:
    """Thousands of tasks each are open, taken, and waiting for budget."""
    job = single()
    who = people.person()
    people.copies(make.work(job)[0], 6_000)
    people.answered(job, who)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE marketplace_task SET is_open = false, remaining = 0, taken = wanted,
                state = CASE WHEN pos %% 2 = 0 THEN 'parked' ELSE 'open' END
            WHERE job_id = %s AND pos %% 3 <> 0
            """,
            [job.pk],
        )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("ANALYZE marketplace_task, workers_assignment, workers_offer")
        cursor.execute(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {claims._COMES_BACK}",
            {"job": job.pk, "worker": who.id, "recent": claims._RECENT, "most": claims._MOST},
        )
        plan = cursor.fetchone()[0]
    plan = plan if isinstance(plan, list) else orjson.loads(plan)
    assert "task_parked" in orjson.dumps(plan).decode()
    top = plan[0]["Plan"]
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 100
