"""Transcripts: what counts, what a difference is, and what several make together."""

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.labeling import registry, words
from marketplace.labeling.base import AnswerError, SpecError

KIND = registry.get("transcript")
SPEC = KIND.check({})


def texts(*said):
    return [KIND.validate(SPEC, {"text": one}) for one in said]


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("Hello,   World!", "hello world"),
        ("It’s “fine” — isn‘t it?", "it's fine isn't it"),
        ("ÉTÉ e\u0301te\u0301", "été été"),
        ("In 1984, 25% of 3.5", "in 1984 25 of 35"),
        ("line\none\ttwo", "line one two"),
        ("<b>bold</b>", "bboldb"),
        ("नमस्ते दुनिया", "नमस्ते दुनिया"),
        ("…!", ""),
    ],
)
def test_the_usual_profile_drops_case_and_punctuation(text, counts):
    assert words.spoken(text) == counts
    assert words.spoken(counts) == counts


def test_what_was_typed_is_kept():
    (said,) = texts("  It’s so,\r\nthey said. ")
    assert said == {"text": "It’s so,\nthey said."}


def test_words_are_needed_unless_silence_is_an_answer():
    for nothing in ("", "   ", " — …", "\n\t"):
        with pytest.raises(AnswerError):
            KIND.validate(SPEC, {"text": nothing})
    spec = KIND.check({"allow_empty": True})
    assert KIND.validate(spec, {"text": "  "}) == {"text": ""}
    with pytest.raises(AnswerError):
        KIND.validate(spec, {"text": "?!"})
    assert KIND.grade(spec, {"text": ""}, {"text": ""}) == 1
    assert KIND.grade(spec, {"text": "so it is"}, {"text": ""}) == 0
    assert KIND.grade(spec, {"text": ""}, {"text": "so it is"}) == 0


def test_a_text_has_its_longest():
    spec = KIND.check({"max_length": 10})
    KIND.validate(spec, {"text": "a" * 10})
    with pytest.raises(AnswerError) as caught:
        KIND.validate(spec, {"text": "a" * 11})
    assert caught.value.errors == {"text": ["At most 10 characters."]}


@pytest.mark.parametrize(
    "spec",
    [
        {"profile": "loud"},
        {"profile": None},
        {"max_length": 0},
        {"max_length": 10**9},
        {"max_length": True},
        {"allow_empty": 1},
        {"language": "en"},
        "default",
    ],
)
def test_a_bad_spec_is_refused(spec):
    with pytest.raises(SpecError):
        KIND.check(spec)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    st.lists(st.sampled_from("abcde"), min_size=1, max_size=12),
    st.lists(st.sampled_from("abcde"), min_size=1, max_size=12),
)
def test_the_grade_is_that_of_the_usual_word_error_rate(known, said):
    rate = jiwer.wer(" ".join(known), " ".join(said))
    grade = KIND.grade(SPEC, {"text": " ".join(said)}, {"text": " ".join(known)})
    assert grade == pytest.approx(max(0.0, 1 - rate))


def test_profiles():
    a, b = {"text": "So it is."}, {"text": "so it is"}
    assert KIND.similarity(SPEC, a, b) == 1
    assert KIND.similarity(KIND.check({"profile": "verbatim"}), a, b) == pytest.approx(1 / 3)
    spec = KIND.check({"profile": "characters"})
    assert KIND.grade(spec, {"text": "今日は良い"}, {"text": "今日は悪い"}) == pytest.approx(0.8)


def test_words_are_voted_on_one_by_one():
    said = texts("the quick brown fox", "the quiet brown fox", "a quick brown box")
    assert KIND.merge(SPEC, said) == {"text": "the quick brown fox"}
    said = texts("one three four", "one two three", "one two four")
    assert KIND.merge(SPEC, said)["text"].split()[:2] == ["one", "two"]
    said = texts("oh one two", "one two ah", "one two", "one, two")
    assert KIND.merge(SPEC, said) == {"text": "one two"}


def test_what_somebody_wrote_is_given_as_they_wrote_it():
    said = texts("Hello, world!", "hello world", "hollow word")
    assert KIND.merge(SPEC, said) == {"text": "Hello, world!"}


def test_a_trusted_transcript_outweighs_others():
    said = texts("so it was", "so it is", "so it is")
    assert KIND.merge(SPEC, said)["text"] == "so it is"
    assert KIND.merge(SPEC, said, [5, 1, 1])["text"] == "so it was"


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=8), min_size=1, max_size=7))
def test_a_vote_never_invents_a_word(sequences):
    found = words.vote(sequences[0], sequences[1:], [1.0] * len(sequences))
    assert set(found) <= {word for one in sequences for word in one}
    assert len(found) <= sum(len(one) for one in sequences)
