"""Higher planes price many tasks at once in SQL: the same sums, bit for bit."""

from decimal import Decimal

import pytest
from django.apps import apps
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payments import pricing
from workers import statements

pytestmark = pytest.mark.django_db

prices = st.decimals("0", "99999999", places=6)
units = st.decimals("0.001", "9999", places=3)
floors = st.integers(1, 1_000_000_000)
seconds = st.decimals("0.001", "3600", places=3)
shares = st.decimals(0, 1, places=4)
many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)

# The claim's own expressions, over given values in place of its rows.
QUOTE = f"""
SELECT q.guaranteed, {statements.BONUS}, {statements.FEE}
FROM (SELECT %s::numeric(20, 6) AS unit_price, %s::bigint AS floor_per_hour_micros,
        %s::numeric(12, 3) AS seconds_per_unit, %s::numeric(5, 4) AS bonus_pct,
        %s::numeric(5, 4) AS fee_rate) ok
CROSS JOIN (SELECT %s::numeric(14, 3) AS units) p
CROSS JOIN LATERAL (SELECT {statements.GUARANTEED} AS guaranteed) q
"""


def by_sql(work):
    with connection.cursor() as cursor:
        cursor.execute(QUOTE, work)
        return tuple(int(value) for value in cursor.fetchone())


def by_code(work):
    rate, floor, each, bonus, fee, count = work
    found = pricing.price(
        unit_price=rate,
        units=count,
        floor_per_hour_micros=floor,
        seconds_per_unit=each,
        fee_rate=fee,
        bonus_pct=bonus,
    )
    return found.guaranteed_micros, found.bonus_max_micros, found.fee_micros


@many
@given(st.tuples(prices, floors, seconds, shares, shares, units))
def test_a_claim_quotes_what_the_formula_says(work):
    assert by_sql(work) == by_code(work)


# Amounts on the very edge of a step, where rounding twice would show.
@many
@given(st.integers(0, 10**7), st.integers(-3, 3), st.sampled_from(["0.001", "0.5", "1", "7.777"]))
def test_edges_of_a_step_are_rounded_alike(steps, off, count):
    count = Decimal(count)
    target = Decimal(steps) * 100 + 50 + Decimal(off) / 1_000_000
    rate = max(Decimal(0), (target / count).quantize(Decimal("0.000001")))
    work = (rate, 1, Decimal("0.001"), Decimal("0.2"), Decimal("0.2"), count)
    assert by_sql(work) == by_code(work)


@many
@given(st.integers(1, 10**6), st.integers(-2, 2))
def test_floors_on_the_edge_are_rounded_alike(steps, off):
    """A floor that just reaches, or just misses, a step."""
    each = Decimal(steps * 360 + off) / 1000
    if not 0 < each < 10**8:
        return
    work = (Decimal(0), 1_000_000, each, Decimal(0), Decimal("0.2"), Decimal(1))
    assert by_sql(work) == by_code(work)


def test_the_statement_uses_the_expressions_tried_here():
    for expression in (statements.GUARANTEED, statements.BONUS, statements.FEE):
        assert expression in statements.CLAIM
        assert expression in QUOTE


# A task of more than ten thousand units of money is no task.
usual = st.decimals("0", "10000000", places=6)
few = st.lists(st.decimals("0.001", "999", places=3), min_size=1, max_size=8)


@pytest.mark.skipif(not apps.is_installed("marketplace"), reason="the data plane is not installed")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(usual, floors, st.decimals("0.001", "30", places=3), shares, few)
def test_a_job_costs_the_sum_of_its_tasks(rate, floor, each, fee, loads):
    from marketplace.services import estimates

    select = estimates._SUM.replace(
        "FROM marketplace_task t",
        "FROM (SELECT unnest(%(units)s::numeric[]) AS units, %(job)s::uuid AS job_id,"
        " 'work' AS role) t",
    )
    assert select != estimates._SUM
    with connection.cursor() as cursor:
        cursor.execute(
            select,
            {"fee": fee, "price": rate, "floor": floor, "seconds": each, "units": loads,
             "job": "00000000-0000-0000-0000-000000000000"},
        )  # fmt: skip
        found = tuple(int(value) for value in cursor.fetchone())
    each_one = [by_code((rate, floor, each, Decimal(0), fee, count)) for count in loads]
    assert found == (sum(one[0] for one in each_one), sum(one[2] for one in each_one))
