"""One hot job, paid in batches: what the books themselves can take."""

import os
import sys
import time
from pathlib import Path

import pytest
from django.db import connection

from core import audit, clock
from payments.models import Earning
from payments.services import earnings, escrow
from tests.factories import payments as make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

BATCH = 500
BATCHES = 8
#: Answers a second; what is asked of settlement as a whole, which does more than this.
WANTED = 1_500


def cpu_seconds(backend):
    """What this process and its server process have used: a busy machine does not change it."""
    stat = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="CPU time is read from /proc")
def test_a_hot_job_pays_as_fast_as_answers_come(capsys):
    whose = make.requester(credit_micros=10**13)
    job = make.funded_job(whose, 10**12)
    people = [make.person() for _ in range(200)]
    assert escrow.reserve(job_id=job, line="work", amount_micros=BATCHES * BATCH * 30_000)
    batches = [
        [make.accepted(job, whose, people[n % len(people)]) for n in range(BATCH)]
        for _ in range(BATCHES)
    ]
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    assert earnings.credit(batches[0], now=now) == BATCH
    cpu, wall = cpu_seconds(backend), time.perf_counter()
    for batch in batches[1:]:
        assert earnings.credit(batch, now=now) == BATCH
    cpu, wall = cpu_seconds(backend) - cpu, time.perf_counter() - wall
    paid = (BATCHES - 1) * BATCH
    with capsys.disabled():
        sys.stdout.write(
            f"\n  {paid / wall:,.0f} answers paid a second, {paid / cpu:,.0f} a second of CPU\n"
        )
    assert paid / cpu >= WANTED
    assert Earning.objects.count() == BATCHES * BATCH
    assert escrow.summary(job).lines["work"] == 0
    assert [one for one in audit.run_all() if one.id.startswith("P") and not one.ok] == []
