from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from core import clock, errors
from payments.models import RateCard
from payments.services import rates
from tests.factories import payments as make

pytestmark = pytest.mark.django_db

NEW = {
    "currency": "USD",
    "specialties": {"text": Decimal("1.05"), "lidar": Decimal(2)},
    "tiers": [(0, Decimal(1)), (1, Decimal("1.15"))],
    "floor_per_hour_micros": 9_000_000,
    "fee_rate": Decimal("0.15"),
    "topup_cap": Decimal("0.2"),
}


def test_money_and_play_money_begin_with_the_same_rates():
    usd, xts = rates.current("USD"), rates.current("XTS")
    assert usd.version < xts.version
    assert (usd.specialties, usd.tiers, usd.fee_rate) == (xts.specialties, xts.tiers, xts.fee_rate)
    assert usd.floor_per_hour_micros == 8_000_000
    assert usd.specialties["transcription"] == Decimal("1.5")
    assert usd.tier_multiplier(3) == Decimal("1.3")


def test_a_new_version_prices_new_jobs_and_old_jobs_keep_theirs():
    before = rates.current("USD")
    made = rates.publish(**NEW, by=make.person(), note="Dearer text.")
    assert made.version > before.version
    assert rates.current("USD") == made
    assert rates.get(made.version) == made
    assert rates.get(before.version) == before
    assert rates.current("XTS").version < made.version


def test_a_version_can_wait_for_its_day():
    before = rates.current("USD")
    made = rates.publish(**NEW, by=make.person(), active_from=clock.now() + timedelta(days=1))
    assert rates.current("USD") == before
    clock.shift(timedelta(days=1, seconds=1))
    assert rates.current("USD") == made


def test_versions_are_read_once_a_process(django_assert_num_queries):
    version = rates.current("USD").version
    with django_assert_num_queries(0):
        rates.get(version)


@pytest.mark.parametrize("ask", [lambda: rates.current("EUR"), lambda: rates.get(10**8)])
def test_there_is_no_such_card(ask):
    with pytest.raises(rates.NoCard):
        ask()


def test_a_card_that_cannot_price_is_not_published():
    with pytest.raises(errors.Invalid) as bad:
        rates.publish(**{**NEW, "fee_rate": Decimal(2), "specialties": {}}, by=make.person())
    assert set(bad.value.errors) == {"fee_rate", "specialties"}


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE payments_ratecard SET fee_rate = 0.5",
        "UPDATE payments_ratecard SET note = 'x'",
        "DELETE FROM payments_ratecard",
        "TRUNCATE payments_ratecard",
    ],
)
def test_a_version_never_changes(attack):
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(attack)
    assert RateCard.objects.count() == 2
