"""The hot path by its costs: statements a request, blocks a claim, updates in place; and its sums."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import orjson
import pytest
from django.db import connection

from core.ids import new_id
from marketplace.models import Job, Task
from payments import pricing
from payments.services import rates
from tests.factories import marketplace as make
from tests.factories import workers as people
from tests.factories.callers import Caller
from workers import statements
from workers.models import Assignment, WorkerJob
from workers.services import quotes

pytestmark = pytest.mark.django_db


# --- statements a request ---------------------------------------------------------------------
@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that are sent meanwhile; beginnings and ends of transactions are no work."""
    sent: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(("SAVEPOINT", "RELEASE")):
            sent.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield sent


def warm(job: Job) -> tuple[people.Person, Caller]:
    """A worker at the head of the job's queue; the interface and the job's terms are in this
    process's memory.
    """
    quotes.terms_of(job.pk)
    who = people.person()
    people.answered(job, who)
    WorkerJob.objects.filter(job=job, worker_id=who.id).update(pos=0)
    return who, people.api(who)


def test_a_claim_is_two_statements_with_its_authentication() -> None:
    job = make.live(5)
    _, api = warm(job)
    with counted() as sent:
        assert api.post(f"/jobs/{job.pk}/claim").status_code == 201
    assert len(sent) == 2, sent


def test_a_submit_is_two_statements_with_its_authentication() -> None:
    job = make.live(5)
    _, api = warm(job)
    pk = api.post(f"/jobs/{job.pk}/claim").json()["id"]
    with counted() as sent:
        done = api.post(f"/assignments/{pk}/submit", {"answer": people.YES})
    assert done.status_code == 200, done.content
    assert len(sent) == 2, sent


def test_a_submit_with_the_next_claim_is_three() -> None:
    job = make.live(5)
    _, api = warm(job)
    pk = api.post(f"/jobs/{job.pk}/claim").json()["id"]
    with counted() as sent:
        done = api.post(f"/assignments/{pk}/submit?next=1", {"answer": people.YES})
    assert done.json()["next"]["id"] != pk
    assert len(sent) == 3, sent


def test_a_claim_and_a_submit_need_no_transaction_of_the_applications() -> None:
    """Each is one statement that commits by itself, and durably."""
    for sql in (statements.CLAIM, statements.SUBMIT):
        assert ";" not in sql
    with connection.cursor() as cursor:
        cursor.execute("SELECT boot_val FROM pg_settings WHERE name = 'synchronous_commit'")
        assert cursor.fetchone()[0] == "on"
        cursor.execute(
            "SELECT count(*) FROM pg_db_role_setting WHERE array_to_string(setconfig, ',')"
            " LIKE '%%synchronous_commit%%'"
        )
        assert cursor.fetchone()[0] == 0


# --- the quote --------------------------------------------------------------------------------
def price_inputs(seed: int, count: int) -> list[dict[str, Any]]:
    dice = random.Random(seed)
    found = []
    for _ in range(count):
        size = dice.choice([10, 1_000, 100_000, 10_000_000])
        found.append(
            {
                "unit_price": Decimal(dice.randrange(size * 1_000_000)) / 1_000_000,
                "units": Decimal(dice.randint(1, dice.choice([5, 3_000, 90_000_000]))) / 1000,
                "floor_per_hour_micros": dice.choice([0, 7_250_000, dice.randrange(10**9)]),
                "seconds_per_unit": Decimal(dice.randint(1, dice.choice([9_000, 10**8]))) / 1000,
                "fee_rate": Decimal(dice.randint(0, 10_000)) / 10_000,
                "bonus_pct": Decimal(dice.randint(0, 2_500)) / 10_000,
            }
        )
    # Halves and exact steps, where roundings differ.
    halves = {
        "unit_price": Decimal(100),
        "floor_per_hour_micros": 360_000,
        "seconds_per_unit": Decimal(1),
        "fee_rate": Decimal("0.5"),
        "bonus_pct": Decimal("0.25"),
    }
    found += [{**halves, "units": Decimal(units)} for units in ("0.5", "1.5", "2.5", "1", "3")]
    return found


def test_the_sums_in_sql_are_those_of_the_pricing() -> None:
    inputs = price_inputs(20251125, 3000)
    names = list(inputs[0])
    types = ["numeric", "numeric", "bigint", "numeric", "numeric", "numeric"]
    arrays = ", ".join(f"%s::{kind}[]" for kind in types)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT q.guaranteed, {statements.BONUS}, {statements.FEE}
            FROM unnest({arrays}) WITH ORDINALITY AS ok({", ".join(names)}, n)
            CROSS JOIN LATERAL (SELECT ok.units) p
            CROSS JOIN LATERAL (SELECT {statements.GUARANTEED} AS guaranteed) q
            ORDER BY ok.n
            """,
            [[one[name] for one in inputs] for name in names],
        )
        rows = cursor.fetchall()
    for one, row in zip(inputs, rows, strict=True):
        wanted = pricing.price(**one)
        assert row == (wanted.guaranteed_micros, wanted.bonus_max_micros, wanted.fee_micros), one


@pytest.mark.parametrize("seed", range(6))
def test_a_claims_frozen_quote_is_the_pricing_of_its_columns(seed: int) -> None:
    dice = random.Random(seed)
    card = rates.current("XTS")
    _, tier = dice.choice(card.tiers)
    job = make.live(
        1,
        base_rate_micros=dice.randint(1, 200_000),
        specialty=dice.choice(sorted(card.specialties)),
        difficulty=Decimal(dice.randint(100, 150)) / 100,
        seconds_per_unit=Decimal(dice.randint(1, 60_000)) / 1000,
        bonus_pct=Decimal(dice.randint(0, 2_500)) / 10_000,
        unit="word_block",
    )
    who = people.person()
    people.answered(job, who)
    (task,) = make.work(job)
    people.copies(task, 3)
    unit_price = pricing.worker_rate(
        card,
        base_rate_micros=job.base_rate_micros,
        specialty=job.specialty,
        difficulty=job.difficulty,
        tier=tier,
    )
    WorkerJob.objects.filter(worker_id=who.id).update(unit_price=unit_price, tier=tier)
    got = people.claimed(job, who)
    wanted = pricing.price(
        unit_price=unit_price,
        units=task.units,
        floor_per_hour_micros=card.floor_per_hour_micros,
        seconds_per_unit=job.seconds_per_unit,
        fee_rate=card.fee_rate,
        bonus_pct=job.bonus_pct,
    )
    row = Assignment.objects.get(pk=got["id"])
    assert (row.guaranteed_micros, row.bonus_max_micros, row.fee_micros) == (
        wanted.guaranteed_micros,
        wanted.bonus_max_micros,
        wanted.fee_micros,
    )
    assert Decimal(got["unit_price"]) == unit_price
    # Whatever the tier, what was reserved covers pay, bonus and fee.
    assert row.reserve_micros >= row.guaranteed_micros + row.bonus_max_micros + row.fee_micros


# --- blocks and places ------------------------------------------------------------------------
def blocks(job: Job, who: people.Person) -> tuple[int, dict[str, Any]]:
    """Blocks that one claim reads or writes, and its plan."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statements.CLAIM}",
            {
                "job": job.pk,
                "worker": who.id,
                "assignment": new_id(),
                "ahead": False,
                "hinted": False,
            },
        )
        plan = cursor.fetchone()[0]
    plan = plan if isinstance(plan, list) else orjson.loads(plan)
    top = plan[0]["Plan"]
    return top["Shared Hit Blocks"] + top["Shared Read Blocks"], top


def finish(who: people.Person) -> None:
    """End the worker's claim, so that the next one is new."""
    Assignment.objects.filter(worker_id=who.id, state="claimed").update(
        state="returned", returned_at="2025-01-01T00:00Z"
    )


def mean_blocks(job: Job, who: people.Person, claims: int = 12) -> float:
    """Blocks a claim, after a first one."""
    found = []
    for number in range(claims + 1):
        count, _ = blocks(job, who)
        if number:
            found.append(count)
        finish(who)
    return sum(found) / len(found)


def crowded(count: int) -> Job:
    """A job with so many open tasks."""
    job = make.live(1)
    people.copies(make.work(job)[0], count)
    settle_statistics()
    return job


def settle_statistics() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("ANALYZE marketplace_task, workers_assignment, workers_workerjob")


def join(job: Job, who: people.Person) -> WorkerJob:
    people.claimed(job, who)
    finish(who)
    return WorkerJob.objects.get(job=job, worker_id=who.id)


def do(job: Job, who: people.Person, share: float) -> None:
    """As if this worker had answered that share of the open tasks, in the order of the queue."""
    place = WorkerJob.objects.get(job=job, worker_id=who.id)
    open_ids = list(Task.objects.filter(job=job, is_open=True).order_by("pos").values_list("pk"))
    count = round(len(open_ids) * share)
    if not count:
        WorkerJob.objects.filter(pk=place.pk).update(pos=0)
        return
    columns = [
        field.column
        for field in Assignment._meta.concrete_fields
        if field.column not in ("id", "task_id")
    ]
    template = Assignment.objects.filter(worker_id=who.id, job=job).first()
    assert template is not None
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO workers_assignment (id, task_id, {", ".join(columns)})
            SELECT gen_random_uuid(), t.id, {", ".join(f"a.{one}" for one in columns)}
            FROM (SELECT id FROM marketplace_task WHERE job_id = %s AND is_open ORDER BY pos LIMIT %s) t
            CROSS JOIN (SELECT * FROM workers_assignment WHERE id = %s) a
            ON CONFLICT DO NOTHING
            """,
            [job.pk, count, template.pk],
        )
        cursor.execute(
            """
            UPDATE workers_workerjob SET pos = (
                SELECT pos FROM marketplace_task WHERE job_id = %s AND is_open
                ORDER BY pos OFFSET %s LIMIT 1)
            WHERE id = %s
            """,
            [job.pk, count - 1, place.pk],
        )
    settle_statistics()


@pytest.mark.slow
def test_a_claim_costs_the_same_in_a_job_ten_times_as_large() -> None:
    cost = {}
    for size in (2_000, 20_000):
        job = crowded(size)
        who = people.person()
        join(job, who)
        cost[size] = mean_blocks(job, who)
    assert cost[20_000] <= 1.5 * cost[2_000], cost
    assert cost[20_000] < 150, cost


@pytest.mark.slow
def test_a_claim_costs_the_same_whatever_the_worker_has_done() -> None:
    job = crowded(10_000)
    cost = {}
    for share in (0.0, 0.99, 1.0):
        who = people.person()
        join(job, who)
        do(job, who, share)
        if share == 1.0:
            cost[share], plan = blocks(job, who)
            assert plan["Actual Rows"] == 1
            assert not Assignment.objects.filter(worker_id=who.id, state="claimed").exists()
        else:
            cost[share] = mean_blocks(job, who)
    assert max(cost.values()) <= 2 * cost[0.0], cost


@pytest.mark.slow
def test_a_lap_walks_a_bounded_way() -> None:
    """From the head of a queue that this worker has been through, apart from the last task."""
    job = crowded(5_000)
    who = people.person()
    join(job, who)
    do(job, who, 1.0)
    WorkerJob.objects.filter(worker_id=who.id).update(pos=0)
    walked, _ = blocks(job, who)
    assert walked < 10 * statements.WALK
    assert WorkerJob.objects.get(worker_id=who.id).pos > 0


def test_counting_a_slot_down_and_moving_the_cursor_touch_no_index() -> None:
    """What PostgreSQL asks of an update before it happens in place: HOT, where there is room."""
    job = crowded(30)
    who = people.person()
    join(job, who)
    people.claimed(job, who)
    finish(who)
    for table in ("marketplace_task", "workers_workerjob"):
        before = rows(table, job)
        people.claimed(job, who)
        finish(who)
        after = rows(table, job)
        changed = {
            name for pk, row in after.items() for name, value in row.items()
            if before[pk][name] != value
        }  # fmt: skip
        assert changed
        with connection.cursor() as cursor:
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = %s", [table])
            named = set(re.findall(r"\w+", " ".join(line for (line,) in cursor.fetchall())))
            cursor.execute("SELECT reloptions FROM pg_class WHERE relname = %s", [table])
            assert "fillfactor" in str(cursor.fetchone()), table
        assert changed & named == set(), table


def rows(table: str, job: Job) -> dict[str, dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id::text, to_jsonb(t)::text FROM {table} t WHERE job_id = %s", [job.pk]
        )
        return {pk: orjson.loads(row) for pk, row in cursor.fetchall()}
