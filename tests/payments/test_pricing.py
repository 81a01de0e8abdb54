from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments import money, pricing

D = Decimal

CARD = pricing.Card(
    version=1,
    currency="USD",
    specialties={
        "text": D("1.00"),
        "image": D("1.00"),
        "segmentation": D("1.25"),
        "transcription": D("1.50"),
        "speaker_identification": D("1.60"),
        "multimodal": D("1.75"),
    },
    tiers=((0, D("1.00")), (1, D("1.10")), (2, D("1.20")), (3, D("1.30"))),
    floor_per_hour_micros=8_000_000,
    fee_rate=D("0.20"),
    topup_cap=D("0.25"),
)

# base rate, units (minutes for voice), seconds for all, specialty, tier, bonus -> what the design's
# table of worked examples says: guaranteed, floor, bonus, potential, fee; micro-units.
EXAMPLES = {
    "image tag": (35_000, 1, 12, "image", "1.10", "0.20", 38_500, 26_700, 7_700, 46_200, 7_700),
    "text class": (18_000, 1, 8, "text", "1.00", "0.20", 18_000, 17_800, 3_600, 21_600, 3_600),
    "transcribe 90 s": (
        550_000, D("1.5"), 405, "transcription", "1.20", "0.25",
        1_485_000, 900_000, 371_300, 1_856_300, 297_000,
    ),
    "transcribe 90 s, new worker": (
        550_000, D("1.5"), 405, "transcription", "1.00", "0.25",
        1_237_500, 900_000, 309_400, 1_546_900, 247_500,
    ),
    "speaker id 60 s": (
        220_000, 1, 120, "speaker_identification", "1.30", "0.20",
        457_600, 266_700, 91_500, 549_100, 91_600,
    ),
    "underpriced image": (
        20_000, 1, 30, "image", "1.10", "0.20", 66_700, 66_700, 13_300, 80_000, 13_400,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_worked_examples(name):
    base, units, seconds, specialty, tier, bonus, *expected = EXAMPLES[name]
    rate = pricing.worker_rate(
        CARD, base_rate_micros=base, specialty=specialty, difficulty=D(1), tier=D(tier)
    )
    found = pricing.price(
        unit_price=rate,
        units=D(units),
        floor_per_hour_micros=CARD.floor_per_hour_micros,
        seconds_per_unit=D(seconds) / D(units),
        fee_rate=CARD.fee_rate,
        bonus_pct=D(bonus),
    )
    floor = pricing.floor_of(CARD.floor_per_hour_micros, D(seconds) / D(units), D(units))
    assert [
        found.guaranteed_micros, floor, found.bonus_max_micros, found.potential_micros,
        found.fee_micros,
    ] == expected  # fmt: skip


def test_hourly_figures_of_the_examples():
    hourly = {
        name: round(guaranteed * 3600 / seconds / 1_000_000, 2)
        for name, (_, _, seconds, _, _, _, guaranteed, *_) in EXAMPLES.items()
    }
    assert hourly == {
        "image tag": 11.55,
        "text class": 8.10,
        "transcribe 90 s": 13.20,
        "transcribe 90 s, new worker": 11.00,
        "speaker id 60 s": 13.73,
        "underpriced image": 8.00,
    }


# --- properties ------------------------------------------------------------------------------
class Work(NamedTuple):
    base: int
    specialty: str
    difficulty: Decimal
    tier: Decimal
    units: Decimal
    seconds: Decimal
    bonus: Decimal


units = st.decimals("0.001", "3600", places=3)
specialties = st.sampled_from(sorted(CARD.specialties))
tiers = st.sampled_from([factor for _, factor in CARD.tiers])
works = st.builds(
    Work,
    st.integers(0, 50_000_000),
    specialties,
    st.decimals(1, "1.5", places=2),
    tiers,
    units,
    st.decimals("0.001", "3600", places=3),
    st.decimals(0, "0.25", places=4),
)


def pay(work):
    rate = pricing.worker_rate(
        CARD,
        base_rate_micros=work.base,
        specialty=work.specialty,
        difficulty=work.difficulty,
        tier=work.tier,
    )
    return pricing.price(
        unit_price=rate,
        units=work.units,
        floor_per_hour_micros=CARD.floor_per_hour_micros,
        seconds_per_unit=work.seconds,
        fee_rate=CARD.fee_rate,
        bonus_pct=work.bonus,
    )


def never_less(lesser, greater):
    a, b = pay(lesser), pay(greater)
    assert a.guaranteed_micros <= b.guaranteed_micros
    assert a.bonus_max_micros <= b.bonus_max_micros
    assert a.fee_micros <= b.fee_micros


@given(works, units)
def test_more_work_never_pays_less(work, other):
    less, more = sorted((work.units, other))
    never_less(work._replace(units=less), work._replace(units=more))


@given(works, tiers)
def test_better_quality_never_pays_less(work, other):
    less, more = sorted((work.tier, other))
    never_less(work._replace(tier=less), work._replace(tier=more))


@given(works, specialties)
def test_a_dearer_specialty_never_pays_less(work, other):
    less, more = sorted((work.specialty, other), key=CARD.specialty_factor)
    never_less(work._replace(specialty=less), work._replace(specialty=more))


@given(works)
def test_pay_is_never_under_the_floor(work):
    found = pay(work)
    assert found.guaranteed_micros * 3600 >= (
        CARD.floor_per_hour_micros * work.seconds * work.units
    )
    assert found.guaranteed_micros > 0
    assert found.guaranteed_micros % money.STEP_MICROS == 0
    assert found.bonus_max_micros % money.STEP_MICROS == 0
    assert found.fee_micros >= found.guaranteed_micros * CARD.fee_rate


@given(works)
def test_a_slots_reserve_covers_whoever_takes_it(work):
    reserve = pricing.slot_reserve(
        CARD,
        base_rate_micros=work.base,
        specialty=work.specialty,
        difficulty=work.difficulty,
        seconds_per_unit=work.seconds,
        bonus_pct=work.bonus,
        units=work.units,
    )
    found = pay(work)
    added = money.up(found.guaranteed_micros * CARD.topup_cap)
    parts = (found.guaranteed_micros, found.bonus_max_micros, added)
    assert reserve >= sum(part + money.fee(part, CARD.fee_rate) for part in parts)


# --- cards -----------------------------------------------------------------------------------
def test_a_level_between_two_counts_as_the_lower():
    gaps = replace(CARD, tiers=((0, D(1)), (2, D("1.2"))))
    assert [gaps.tier_multiplier(level) for level in (-1, 0, 1, 2, 9)] == [
        D(1), D(1), D(1), D("1.2"), D("1.2"),
    ]  # fmt: skip


def test_a_specialty_that_the_card_does_not_name_has_no_factor():
    assert CARD.specialty_factor("juggling") == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"currency": "EUR"}, "currency"),
        ({"specialties": {}}, "specialties"),
        ({"specialties": {"text": D("0.99")}}, "specialties"),
        ({"specialties": {"text": D("1.001")}}, "specialties"),
        ({"specialties": {"": D(1)}}, "specialties"),
        ({"specialties": {"text": D("NaN")}}, "specialties"),
        ({"tiers": ()}, "tiers"),
        ({"tiers": ((0, D("1.1")),)}, "tiers"),
        ({"tiers": ((0, D(1)), (2, D("1.2")), (1, D("1.3")))}, "tiers"),
        ({"tiers": ((0, D(1)), (1, D("1.2")), (2, D("1.1")))}, "tiers"),
        ({"floor_per_hour_micros": 0}, "floor_per_hour_micros"),
        ({"fee_rate": D("1.0001")}, "fee_rate"),
        ({"fee_rate": D("0.00001")}, "fee_rate"),
        ({"topup_cap": D(-1)}, "topup_cap"),
    ],
)
def test_a_card_that_would_not_price_is_refused(change, field):
    with pytest.raises(pricing.BadCard) as bad:
        pricing.check(replace(CARD, **change))
    assert field in bad.value.problems


def test_a_good_card_passes():
    assert pricing.check(CARD) is CARD


# --- the line that explains ------------------------------------------------------------------
QUOTE = {
    "currency": "USD",
    "unit": "item",
    "units": "1.000",
    "unit_price": "38500.000000",
    "base_rate_micros": 35_000,
    "specialty": "image",
    "specialty_factor": "1.000",
    "difficulty": "1.00",
    "tier": "1.10",
    "tier_lower_bound": "0.8512",
    "floor_per_hour_micros": 8_000_000,
    "seconds_per_unit": "12.000",
    "fee_rate": "0.2000",
    "guaranteed_micros": 38_500,
    "bonus_max_micros": 7_700,
    "fee_micros": 7_700,
    "card_version": 1,
}


def test_every_factor_is_told():
    assert pricing.explain(QUOTE) == (
        "1 item x $0.0350/item x 1.1 your image quality (lower bound 0.85) = $0.0385;"
        " minimum for about 12 s is $0.0267."
    )


def test_voice_is_told_by_the_minute():
    quote = {
        **QUOTE, "unit": "audio_second", "units": "90.000", "base_rate_micros": 9_000,
        "unit_price": "16200.000000", "specialty": "transcription", "specialty_factor": "1.500",
        "tier": "1.20", "tier_lower_bound": "0.9300", "seconds_per_unit": "4.500",
        "guaranteed_micros": 1_458_000,
    }  # fmt: skip
    assert pricing.explain(quote) == (
        "90 s audio x $0.54/min x 1.5 voice x 1.2 your transcription quality (lower bound 0.93)"
        " = $1.4580; minimum for about 6 min 45 s is $0.90."
    )


def test_the_floor_is_told_when_it_pays():
    quote = {
        **QUOTE, "base_rate_micros": 20_000, "unit_price": "22000.000000",
        "seconds_per_unit": "30.000", "guaranteed_micros": 66_700,
    }  # fmt: skip
    assert pricing.explain(quote) == (
        "1 item x $0.02/item x 1.1 your image quality (lower bound 0.85) = $0.0220; the minimum"
        " for about 30 s is $0.0667, so you are paid $0.0667."
    )


def test_a_beginner_and_a_difficult_job():
    quote = {
        **QUOTE, "units": "2.000", "difficulty": "1.25", "unit_price": "43750.000000",
        "tier": "1.00", "tier_lower_bound": None, "guaranteed_micros": 87_500,
    }  # fmt: skip
    assert pricing.explain(quote) == (
        "2 items x $0.0350/item x 1.25 difficulty x 1.0 your quality (no tier yet) = $0.0875;"
        " minimum for about 24 s is $0.0534."
    )
