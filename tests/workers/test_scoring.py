"""Tiers rest on checks, and good people reach them."""

import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.quality import skill as skills
from marketplace.quality.skill import Evidence
from workers import scoring


def after(grades, pool=0.75):
    return skills.estimate(Evidence().after(grades), pool)


def test_without_enough_checks_there_is_no_tier():
    assert scoring.tier_of(after([1.0] * 9), "text") == scoring.Tier(0, None)


def test_three_lucky_answers_are_no_proof():
    assert scoring.tier_of(after([1.0] * 10), "text").level < 3


def test_levels_rise_with_the_lower_bound():
    levels = [
        scoring.tier_of(after([1.0] * right + [0.0] * wrong), "text").level
        for right, wrong in ((14, 6), (18, 2), (38, 2), (80, 1))
    ]
    assert levels == [0, 1, 2, 3]


def test_the_bound_is_said_to_four_places():
    tier = scoring.tier_of(after([1.0] * 40), "text")
    assert tier.lower_bound == tier.lower_bound.quantize(Decimal("0.0001"))
    assert Decimal("0.9") < tier.lower_bound < 1


def test_a_share_of_words_is_no_accuracy():
    """Nine of ten words right is usual, nine of ten answers is good: the scales differ."""
    found = after([0.85] * 60, pool=0.84)
    assert scoring.tier_of(found, "text").level > scoring.tier_of(found, "transcription").level
    for specialty in (*scoring.BY_SPECIALTY, "text"):
        bounds = scoring.thresholds(specialty)
        assert list(bounds) == sorted(set(bounds))


def test_nobody_falls_below_the_first_level():
    tier = scoring.tier_of(after([0.0] * 400), "text")
    assert tier.level == 0
    assert 0 <= tier.lower_bound < Decimal("0.01")


def test_how_many_checks_are_missing():
    found = after([1.0] * 4)
    missing = scoring.checks_missing(found, "text")
    assert missing == scoring.EVIDENCE - 4
    assert scoring.tier_of(found.after([1.0] * missing), "text").level > 0
    assert scoring.tier_of(found.after([1.0] * (missing - 1)), "text").level == 0
    assert scoring.checks_missing(after([1.0] * 200), "text") is None
    assert scoring.checks_missing(after([0.0] * 300), "text") > 100


@settings(deadline=None, derandomize=True)
@given(
    st.lists(st.floats(0, 1), min_size=10, max_size=80), st.sampled_from(["text", "transcription"])
)
def test_a_level_is_a_range_of_bounds(grades, specialty):
    tier = scoring.tier_of(after(grades), specialty)
    low, high = scoring.range_of(tier.level, specialty)
    assert low <= tier.lower_bound < high
    assert scoring.level_of(tier.lower_bound, specialty) == tier.level


def work(chance, accuracy, tasks, *, pool=0.78, spread=None, specialty="text"):
    """The levels that a newcomer without any exam has after each task; the job checks 5 %."""
    found = skills.estimate(Evidence(), pool)
    levels = []
    for _ in range(tasks):
        if chance.random() < skills.gold_share(found, usual=0.05, floor=0.65):
            grade = float(chance.random() < accuracy)
            if spread is not None:
                grade = min(1.0, max(0.0, chance.gauss(accuracy, spread)))
            found = found.after([grade])
        levels.append(scoring.tier_of(found, specialty).level)
    return levels


def share(those):
    those = list(those)
    return sum(those) / len(those)


@pytest.mark.parametrize("pool", [0.75, 0.85])
def test_good_people_are_above_the_first_level_within_150_tasks(pool):
    chance = random.Random(11)
    at_least = share(work(chance, 0.90, 150, pool=pool)[-1] >= 1 for _ in range(400))
    usual = share(
        work(chance, chance.uniform(0.90, 1.0), 150, pool=pool)[-1] >= 1 for _ in range(400)
    )
    assert at_least >= 0.57, "exactly .90, the least of them"
    assert usual >= 0.75


def test_good_transcribers_are_above_the_first_level_within_150_tasks():
    chance = random.Random(12)
    found = share(
        work(chance, 0.92, 150, pool=0.84, spread=0.14, specialty="transcription")[-1] >= 1
        for _ in range(200)
    )
    assert found >= 0.6


def test_a_perfect_person_reaches_the_top_within_500_tasks():
    chance = random.Random(13)
    assert share(3 in work(chance, 1.0, 500) for _ in range(200)) >= 0.99


def test_fair_people_are_not_paid_like_the_best():
    chance = random.Random(14)
    assert share(work(chance, 0.8, 1500)[-1] <= 1 for _ in range(100)) >= 0.97
