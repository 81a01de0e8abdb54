"""When a task is decided, and how."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.labeling import registry
from marketplace.quality import consensus
from marketplace.quality.consensus import AuthorFacts, Vote
from marketplace.quality.settings import QualitySettings

CHOICES = registry.get("choices")
YES_NO = CHOICES.check({"options": ["yes", "no"]})
FOUR = CHOICES.check({"options": ["a", "b", "c", "d"]})
SEVERAL = CHOICES.check({"options": ["a", "b", "c"], "multiple": True, "min": 0})
SPEECH_KIND = registry.get("transcript")
SPEECH = SPEECH_KIND.check({})
USUAL = QualitySettings()

NEW = AuthorFacts()
GOOD = AuthorFacts(skill=0.97, checks=40)
FAIR = AuthorFacts(skill=0.8, checks=20)
GUESSER = AuthorFacts(skill=0.5, checks=30)
BANNED = AuthorFacts(skill=0.3, checks=30, is_suspended=True)


def decide(*votes, spec=YES_NO, kind=CHOICES, settings=USUAL, **more):
    """Votes are (choice, author); a bare choice is a newcomer's."""
    cast = [vote if isinstance(vote, tuple) else (vote, NEW) for vote in votes]
    field = "choices" if spec is SEVERAL else "choice"
    return consensus.decide(
        kind, spec, [Vote({field: said}, author) for said, author in cast], settings, **more
    )


def test_quorum_ask_two_stop_when_one_leads_by_two():
    assert decide("yes").outcome == "more"
    found = decide("yes", "yes")
    assert (found.outcome, found.value, found.rule) == ("accept", {"choice": "yes"}, "quorum")
    assert decide("yes", "no").outcome == "more"
    assert decide("yes", "no", "yes").outcome == "more"
    assert decide("yes", "no", "yes", "yes").value == {"choice": "yes"}


def test_quorum_claims_no_probability():
    """Nobody's skill is known, so nobody knows how likely the answer is right."""
    assert decide("yes", "yes").confidence is None


def test_undecided_at_the_end_is_escalated_with_the_best_so_far():
    found = decide("yes", "no", "yes", "no", "yes")
    assert (found.outcome, found.value) == ("escalate", {"choice": "yes"})
    assert decide("a", "a", "a", "b", "c", spec=FOUR).outcome == "accept"


def test_two_good_people_are_enough_and_say_how_sure():
    found = decide(("yes", GOOD), ("yes", FAIR))
    assert (found.outcome, found.rule) == ("accept", "posterior")
    expected = 0.97 * 0.8 / (0.97 * 0.8 + 0.03 * 0.2)
    assert found.confidence == pytest.approx(expected, abs=1e-6)
    assert found.weights == pytest.approx([math.log(0.97 / 0.03), math.log(0.8 / 0.2)], abs=1e-3)


def test_one_good_person_outweighs_two_guessers():
    found = decide(("no", GUESSER), ("yes", GOOD), ("no", GUESSER))
    assert (found.outcome, found.value) == ("accept", {"choice": "yes"})


def test_two_guessers_who_agree_prove_nothing():
    """A lead of two is not enough when those who lead are known to guess."""
    found = decide(("yes", GUESSER), ("yes", GUESSER))
    assert found.outcome == "more"
    assert found.confidence < 0.6


def test_one_person_never_decides_alone():
    assert decide(("yes", GOOD)).outcome == "more"


def test_the_skill_is_clipped_in_the_weight_only():
    perfect, worse_than_chance = AuthorFacts(1.0, 50), AuthorFacts(0.1, 50)
    found = decide(("yes", perfect), ("no", worse_than_chance))
    assert found.weights == pytest.approx([math.log(0.99 / 0.01), math.log(0.52 / 0.48)], abs=1e-3)


def test_suspended_people_have_no_say_but_were_asked():
    found = decide(("no", BANNED), ("yes", GOOD), ("no", BANNED))
    assert found.outcome == "more", "one heard answer is less than kmin"
    assert found.weights[0] == found.weights[2] == 0
    at_the_end = decide(*[("no", BANNED)] * 4, ("yes", GOOD))
    assert (at_the_end.outcome, at_the_end.value) == ("accept", {"choice": "yes"})
    assert decide(*[("no", BANNED)] * 5).value is None
    assert decide(*[("no", BANNED)] * 5).outcome == "escalate"
    assert decide(*[("no", BANNED)] * 2).outcome == "more"


def test_an_audited_task_gets_a_third_answer():
    assert decide("yes", "yes", is_audit=True).outcome == "more"
    assert decide("yes", "yes", "yes", is_audit=True).outcome == "accept"
    pair = QualitySettings(kmin=1, kmax=2)
    assert decide("yes", "yes", is_audit=True, settings=pair).outcome == "accept"


def test_answers_that_are_still_to_come_are_waited_for():
    assert decide("yes", "yes", pending=1).outcome == "wait"


def test_when_nobody_can_be_asked_the_best_has_to_do():
    assert decide("yes", can_ask=False).outcome == "escalate"
    assert decide(("yes", GOOD), can_ask=False).outcome == "accept"
    assert decide(can_ask=False).outcome == "escalate"


def test_a_job_that_wants_one_answer_takes_it():
    one = QualitySettings(kmin=1, kmax=1)
    found = decide("yes", settings=one)
    assert (found.outcome, found.value, found.rule) == ("accept", {"choice": "yes"}, "single")


def test_common_classes_need_less():
    """Known answers say that one class is common; votes of two outweigh that all the same."""
    common = consensus.likely_classes(CHOICES, YES_NO, [({"choice": "yes"}, 500)])
    assert common == pytest.approx([0.8, 0.2])
    split = [("no", FAIR), ("yes", FAIR)]
    assert decide(*split, classes=common).confidence == pytest.approx(0.8)
    assert decide(*split, classes=common).value == {"choice": "yes"}
    both = decide(("no", FAIR), ("no", FAIR), classes=common)
    assert both.value == {"choice": "no"}
    assert both.confidence < decide(("no", FAIR), ("no", FAIR)).confidence


def test_few_known_answers_say_little_of_the_classes():
    found = consensus.likely_classes(CHOICES, FOUR, [({"choice": "a"}, 2)])
    assert found == pytest.approx([7 / 22, 5 / 22, 5 / 22, 5 / 22])
    assert consensus.likely_classes(CHOICES, SEVERAL, []) is None
    assert consensus.likely_classes(SPEECH_KIND, SPEECH, []) is None


def test_each_of_several_options_is_decided_for_itself():
    assert decide(["a"], ["a", "b"], spec=SEVERAL).outcome == "more", "b is open"
    found = decide(["a", "c"], ["a", "c"], spec=SEVERAL)
    assert (found.outcome, found.value) == ("accept", {"choices": ["a", "c"]})
    later = decide(["a"], ["a", "b"], ["a"], ["a"], spec=SEVERAL)
    assert (later.outcome, later.value) == ("accept", {"choices": ["a"]})
    sure = decide((["a"], GOOD), (["a", "b"], GUESSER), spec=SEVERAL)
    assert (sure.outcome, sure.value) == ("accept", {"choices": ["a"]})


def said(*texts, settings=USUAL, authors=None, **more):
    votes = [
        Vote({"text": text}, author)
        for text, author in zip(texts, authors or [NEW] * len(texts), strict=True)
    ]
    return consensus.decide(SPEECH_KIND, SPEECH, votes, settings, **more)


LONG = "it was the best of times it was the worst of times it was the age of wisdom"


def test_transcripts_stop_when_two_are_nearly_the_same():
    found = said(LONG, LONG.upper())
    assert (found.outcome, found.rule, found.value) == ("accept", "agreement", {"text": LONG})
    assert found.confidence is None
    one_word = LONG.replace("wisdom", "freedom")
    assert said(LONG, one_word).outcome == "more", "1 word of 18 is more than 5 %"
    draft = QualitySettings(agreement=0.9)
    assert said(LONG, one_word, settings=draft).outcome == "accept"


def test_the_agreed_transcript_is_somebodys_own():
    found = said("tea for two please", LONG, LONG.replace("worst", "first"), LONG)
    assert found.value == {"text": LONG}
    assert found.weights[1] == found.weights[3] == 1
    assert found.weights[0] < 0.3


def test_transcripts_that_never_agree_are_voted_together():
    few = QualitySettings(kmin=2, kmax=3)
    found = said("the quick brown fox", "the quiet brown fox", "a quick brown box", settings=few)
    assert (found.outcome, found.rule) == ("accept", "merged")
    assert found.value == {"text": "the quick brown fox"}
    apart = said("one two three four", "one too three for", "won two tree four", settings=few)
    assert apart.value == {"text": "one two three four"}


def test_a_proven_transcriber_weighs_more():
    few = QualitySettings(kmin=2, kmax=2)
    proven, poor = AuthorFacts(0.98, 60), AuthorFacts(0.3, 60)
    found = said("so it was", "so it is", settings=few, authors=[poor, proven])
    assert found.value == {"text": "so it is"}


authors = st.builds(
    AuthorFacts,
    skill=st.floats(0, 1),
    checks=st.integers(0, 50),
    is_suspended=st.booleans(),
)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), authors), max_size=7),
    st.integers(1, 4),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
)
def test_whatever_the_votes_the_verdict_is_sound(votes, kmin, more, is_audit, can_ask):
    chosen = QualitySettings(kmin=kmin, kmax=kmin + more)
    found = decide(*votes, spec=FOUR, settings=chosen, is_audit=is_audit, can_ask=can_ask)
    assert found.outcome in ("accept", "more", "escalate")
    assert len(found.weights) == len(votes)
    if found.outcome == "more":
        assert can_ask
        assert len(votes) < chosen.kmax
    if found.value is not None:
        voted = {said for said, author in votes if not author.is_suspended}
        assert found.value["choice"] in voted
    assert found.confidence is None or 0 <= found.confidence <= 1
    for (_, author), weight in zip(votes, found.weights, strict=True):
        assert (weight == 0) == author.is_suspended
