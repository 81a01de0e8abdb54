"""What is stated is tempered until it would have come true."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.labeling import registry
from marketplace.quality import calibration
from marketplace.quality.consensus import AuthorFacts, Vote
from marketplace.quality.settings import QualitySettings

KIND = registry.get("choices")
SPEC = KIND.check({"options": ["yes", "no"]})
USUAL = QualitySettings()
YES, NO = {"choice": "yes"}, {"choice": "no"}


def statements(count, stated, true, seed=1):
    """So many statements of one probability, of which another share came true."""
    chance = random.Random(seed)
    odds = math.log(stated / (1 - stated))
    return [(odds, chance.random() < true) for _ in range(count)]


@settings(deadline=None, derandomize=True)
@given(st.floats(0.01, 0.99), st.floats(0.1, 1))
def test_tempering_draws_towards_one_half_and_never_past_it(p, temperature):
    found = calibration.tempered(p, temperature)
    assert min(p, 0.5) - 1e-9 <= found <= max(p, 0.5) + 1e-9
    assert calibration.tempered(p, 1) == pytest.approx(p)


def test_without_experience_statements_are_cautious():
    assert calibration.temperature([]) == calibration.USUAL


@pytest.mark.parametrize("true", [0.75, 0.85, 0.95])
def test_experience_brings_what_is_stated_near_the_truth(true):
    scale = calibration.temperature(statements(300, 0.97, true))
    assert calibration.tempered(0.97, scale) == pytest.approx(true, abs=0.06)


def test_little_experience_changes_little():
    few = calibration.temperature(statements(3, 0.97, 0.0))
    many = calibration.temperature(statements(60, 0.97, 0.0))
    assert many <= few <= calibration.USUAL


def test_known_tasks_are_decided_like_any_other():
    author = AuthorFacts(0.9, 30)
    known = [(YES, [Vote(YES, author)] * 3), (NO, [Vote(YES, author)] * 3), (NO, [])]
    found = calibration.samples(KIND, SPEC, known, USUAL)
    assert [is_right for _, is_right in found] == [True, False]


def test_an_answer_does_not_vouch_for_itself():
    """Who was right once, and on this very task, is a newcomer to it."""
    author = AuthorFacts((1 + 4 * 0.75) / 5, 1)
    ((_, votes),) = [(YES, [Vote(YES, author)])]
    assert calibration._without(votes[0], 1.0).author == AuthorFacts(pytest.approx(0.75), 0)
    assert (
        calibration.samples(KIND, SPEC, [(YES, [Vote(YES, AuthorFacts(0.8, 5))] * 2)], USUAL) == []
    )


def test_open_answers_state_nothing():
    kind = registry.get("transcript")
    spec = kind.check({})
    known = [({"text": "so"}, [Vote({"text": "so"}, AuthorFacts(0.9, 30))] * 3)]
    assert calibration.samples(kind, spec, known, USUAL) == []
