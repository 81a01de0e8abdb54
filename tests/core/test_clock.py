from datetime import timedelta

import pytest
from django.db import connection

from core import clock

pytestmark = pytest.mark.django_db


def test_the_clock_is_the_databases():
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        assert clock.now() == cursor.fetchone()[0]


def test_a_shift_is_seen_by_sql_and_adds_up():
    before = clock.now()
    clock.shift(timedelta(days=2))
    clock.shift(timedelta(hours=1))
    with connection.cursor() as cursor:
        cursor.execute("SELECT core_now()")
        assert cursor.fetchone()[0] == clock.now() == before + timedelta(days=2, hours=1)
    clock.reset()
    assert clock.now() == before


def test_nobody_moves_a_clock_that_is_not_adjustable(settings):
    settings.PIECEWORK_ADJUSTABLE_CLOCK = False
    for move in (lambda: clock.shift(timedelta(1)), clock.reset):
        with pytest.raises(clock.NotAdjustable):
            move()
