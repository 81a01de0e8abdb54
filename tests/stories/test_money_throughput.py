import time

import pytest

from core import clock
from core.ids import new_id
from payments.models import Earning
from payments.services import earnings, escrow
from tests.factories import payments as make

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def test_speed(capsys):
    org = make.requester(credit_micros=10**13)
    job = make.funded_job(org, 10**12)
    people = [make.person() for _ in range(200)]
    now = clock.now()
    quote = {
        "currency": "XTS",
        "unit": "item",
        "units": "1",
        "unit_price": "18000.000000",
        "base_rate_micros": 18000,
        "specialty": "text",
        "specialty_factor": "1.000",
        "difficulty": "1.00",
        "tier": "1.00",
        "tier_lower_bound": None,
        "floor_per_hour_micros": 8000000,
        "seconds_per_unit": "8.000",
        "fee_rate": "0.2000",
        "guaranteed_micros": 18000,
        "bonus_max_micros": 0,
        "fee_micros": 3600,
        "card_version": 1,
    }
    for turn in range(8):
        assert escrow.reserve(job_id=job, line="work", amount_micros=500 * 30000)
        batch = [
            earnings.AcceptedWork(
                assignment_id=new_id(),
                worker_id=people[n % 200],
                job_id=job,
                organization_id=org,
                quote=quote,
                amount_micros=18000,
                fee_micros=3600,
                reserve_micros=30000,
                line="work",
                hold_days=3,
                hold_reason="proven worker",
                risk_notes=[],
            )
            for n in range(500)
        ]
        t = time.perf_counter()
        assert earnings.credit(batch, now=now) == 500
        t1 = time.perf_counter()
        from django.db import connection

        connection.check_constraints()
        t2 = time.perf_counter()
        with capsys.disabled():
            print(f"{t1 - t:.3f} + {t2 - t1:.3f}: {500 / (t2 - t):.0f}/s")
    assert Earning.objects.count() == 4000
    assert escrow.summary(job).lines["work"] == 0
