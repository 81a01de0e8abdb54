"""Skill: decayed, doubtful at first, unclipped; and what follows from it."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.quality import skill
from marketplace.quality.skill import Evidence

TRIED = settings(deadline=None, derandomize=True)
grades = st.lists(st.floats(0, 1), max_size=60)


def after(right, wrong=0, pool=skill.PRIOR_MEAN):
    return skill.estimate(Evidence().after([1.0] * right + [0.0] * wrong), pool)


def test_nobody_knows_a_newcomer():
    new = skill.estimate(Evidence(), 0.75)
    assert new.q == 0.75
    assert new.low == pytest.approx(0.75 - 1.645 * (0.75 * 0.25 / 5) ** 0.5)
    assert new.checks == 0


def test_the_formula_for_right_and_wrong():
    evidence = Evidence(hits=8, n=10, squares=8, checks=10)
    found = skill.estimate(evidence, 0.8)
    q = (8 + 4 * 0.8) / 14
    assert found.q == pytest.approx(q)
    assert found.high - found.q == pytest.approx(1.645 * (q * (1 - q) / 15) ** 0.5)


def test_a_check_counts_half_after_two_hundred_more():
    first = Evidence().after([1.0])
    later = first.after([0.0] * 200)
    assert later.hits == pytest.approx(0.5)
    assert later.checks == 201
    many = Evidence().after([1.0] * 5000)
    assert many.n == pytest.approx(1 / (1 - skill.DECAY), rel=1e-6)


def test_bounds_are_not_clipped():
    assert after(0, 30).low < 0.1
    assert after(30).q > 0.95
    assert skill.estimate(Evidence().after([0.0] * 12), 0.75).high < skill.FLOOR


def test_grades_of_partial_credit_have_their_own_spread():
    """A transcriber who always has nine of ten words is surer than one who is right 9 of 10 times."""
    steady = skill.estimate(Evidence().after([0.9] * 40), 0.75)
    lucky = skill.estimate(Evidence().after(([1.0] * 9 + [0.0]) * 4), 0.75)
    assert steady.q == pytest.approx(lucky.q, abs=0.01)
    assert steady.low > lucky.low


def test_the_pool_is_known_after_enough_checks():
    assert skill.pool_mean(90, 100, 199) == skill.PRIOR_MEAN
    assert skill.pool_mean(90, 100, 200) == 0.9
    assert skill.pool_mean(0, 0, 0) == skill.PRIOR_MEAN


@TRIED
@given(grades, st.floats(0.05, 0.95))
def test_a_bound_is_on_its_side(given_, pool):
    found = skill.estimate(Evidence().after(given_), pool)
    assert found.low <= found.q <= found.high
    assert 0 <= found.q <= 1
    assert found.checks == len(given_)


@TRIED
@given(grades, grades)
def test_evidence_adds_up_whatever_the_batches(first, second):
    at_once = Evidence().after([*first, *second])
    by_parts = Evidence().after(first).after(second)
    assert at_once == by_parts
    assert 0 <= at_once.hits <= at_once.n + 1e-9


@TRIED
@given(grades, st.floats(0.05, 0.95))
def test_another_right_answer_never_speaks_against_anyone(given_, pool):
    before = skill.estimate(Evidence().after(given_), pool)
    assert before.after([1.0]).q >= before.q - 1e-12


def test_no_ban_without_ten_checks():
    assert not skill.is_banned(after(0, 9), 0.65)
    assert skill.is_banned(after(0, 10), 0.65)


def test_the_floor_depends_on_how_easy_guessing_is():
    assert skill.ban_floor(2) == 0.65
    assert skill.ban_floor(4) == 0.50
    assert skill.ban_floor(None) == 0.50


@pytest.mark.parametrize(("accuracy", "floor"), [(0.8, 0.65), (0.9, 0.65), (0.8, 0.5)])
def test_honest_people_are_not_suspended(accuracy, floor):
    """At most 0.5 % of people with a true accuracy of 0.8, over two thousand tasks each."""
    chance = random.Random(5)
    banned = sum(_is_ever_banned(chance, accuracy, floor) for _ in range(600))
    assert banned <= 3


def test_guessers_are_suspended():
    chance = random.Random(6)
    banned = sum(_is_ever_banned(chance, 0.5, 0.65) for _ in range(200))
    assert banned >= 190


def _is_ever_banned(chance, accuracy, floor, checks=120):
    found = skill.estimate(Evidence(), 0.78)
    for _ in range(checks):
        found = found.after([float(chance.random() < accuracy)])
        if skill.is_banned(found, floor):
            return True
    return False


def test_the_share_of_checks():
    def share(found, usual=0.05):
        return skill.gold_share(found, usual=usual, floor=0.65)

    assert share(after(5)) == skill.NEW_SHARE
    assert share(after(40, 2)) == 0.05
    assert share(after(14, 8)) == skill.WEAK_SHARE
    assert share(after(40, 2), usual=0.3) == 0.3
    assert share(after(5), usual=0) == 0, "a job that wants no checks has none"
