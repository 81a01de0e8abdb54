"""Results as pages: what a page costs, wherever it lies."""

from uuid import UUID

import pytest
from django.db import connection

from marketplace.exports import results
from tests.factories import delivery as make

pytestmark = pytest.mark.django_db


def test_a_deep_page_costs_no_more_than_the_first_one() -> None:
    """However many results lie before it, and however many tasks are undecided among them."""
    job = make.job()
    (model,) = make.results(job, 1)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO marketplace_task (id, job_id, data, media, role, units, state, wanted,
                taken, remaining, max_overlap, is_open, is_audit, slot_reserve_micros, round,
                created_at, state_changed_at)
            SELECT (lpad(to_hex(n), 32, '0'))::uuid, %(job)s, '{}', '{}', 'work', 1,
                CASE WHEN n %% 4 = 0 THEN 'resolved' ELSE 'parked' END, 0, 0, 0, 5, false, false,
                0, 1, now(), now()
            FROM generate_series(1, 8000) n
            """,
            {"job": job.pk},
        )
        cursor.execute(
            """
            INSERT INTO marketplace_resolution (id, task_id, interface_id, round, value, rule,
                votes, answers, is_escalated, is_current, created_at)
            SELECT gen_random_uuid(), t.id, %(interface)s, 1, '{}', 'quorum', '[]', 0, false, true,
                now()
            FROM marketplace_task t WHERE t.job_id = %(job)s AND t.id <> %(model)s
              AND t.state = 'resolved'
            """,
            {"job": job.pk, "interface": job.interface_id, "model": model.task_id},
        )
        cursor.execute("ANALYZE marketplace_task, marketplace_resolution")

    def blocks(after: int) -> int:
        values = {"job": job.pk, "after": UUID(int=after), "limit": 50}
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {results._PAGE}", values)
            ((plan,),) = cursor.fetchone()
        return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])

    blocks(0)
    assert blocks(7000) <= 1.5 * blocks(0)
