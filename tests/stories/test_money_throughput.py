"""One hot job, paid in batches: no answer of a batch may read a whole table."""

import pytest
from django.db import connection

from core import audit, clock
from payments.models import Earning
from payments.services import earnings, escrow
from tests.factories import payments as make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

BATCH = 500
BATCHES = 4


def rows_read_whole():
    """How many rows scans of whole tables have read, by table of the books."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT relname, seq_tup_read FROM pg_stat_user_tables"
            " WHERE relname LIKE 'payments\\_%%'"
        )
        return dict(cursor.fetchall())


def test_a_hot_job_is_paid_without_reading_tables_for_each_answer():
    whose = make.requester(credit_micros=10**13)
    job = make.funded_job(whose, 10**12)
    people = [make.person() for _ in range(200)]
    assert escrow.reserve(job_id=job, line="work", amount_micros=BATCHES * BATCH * 30_000)
    batches = [
        [make.accepted(job, whose, people[n % len(people)]) for n in range(BATCH)]
        for _ in range(BATCHES)
    ]
    now = clock.now()
    assert earnings.credit(batches[0], now=now) == BATCH
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as the server does by itself when tables have grown
    before = rows_read_whole()
    for batch in batches[1:]:
        assert earnings.credit(batch, now=now) == BATCH
    after = rows_read_whole()
    scanned = {name: n - before[name] for name, n in after.items()}
    # A join of a batch may read a small table once; one answer after another may not.
    assert {name: n for name, n in scanned.items() if n > 10 * BATCHES * BATCH} == {}
    assert Earning.objects.filter(job_id=job).count() == BATCHES * BATCH
    assert escrow.summary(job).lines["work"] == 0
    assert [one for one in audit.run_all() if one.id.startswith("P") and not one.ok] == []
