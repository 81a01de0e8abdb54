"""What holds of every kind, tried with answers and nonsense of all sorts."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.labeling import registry
from marketplace.labeling.base import AnswerError, Counted, SpecError

TRIED = settings(deadline=None, derandomize=True, max_examples=150)

ANIMALS = ["cat", "dog", "emu", "fox"]
SINGLE = registry.get("choices").check({"options": ANIMALS})
SEVERAL = registry.get("choices").check({"options": ANIMALS, "multiple": True, "min": 0})
TWO = registry.get("choices").check({"options": ANIMALS, "multiple": True, "min": 1, "max": 2})
SPEECH = registry.get("transcript").check({})
VERBATIM = registry.get("transcript").check({"profile": "verbatim"})
SILENCE = registry.get("transcript").check({"profile": "characters", "allow_empty": True})

said_words = st.lists(
    st.sampled_from(["so", "it", "is", "It's", "1984,", "naïve", "être", "—", "ＷＩＤＥ", "한국"]),
    max_size=12,
).map(" ".join)
free_text = st.text(max_size=40)

CASES = [
    pytest.param("choices", SINGLE, st.builds(lambda v: {"choice": v}, st.sampled_from(ANIMALS))),
    pytest.param(
        "choices",
        SEVERAL,
        st.builds(lambda v: {"choices": v}, st.lists(st.sampled_from(ANIMALS), unique=True)),
    ),
    pytest.param(
        "choices",
        TWO,
        st.builds(
            lambda v: {"choices": v},
            st.lists(st.sampled_from(ANIMALS), unique=True, min_size=1, max_size=2),
        ),
    ),
    *(
        pytest.param(
            "transcript", spec, st.builds(lambda v: {"text": v}, st.one_of(said_words, free_text))
        )
        for spec in (SPEECH, VERBATIM, SILENCE)
    ),
]
each_kind = pytest.mark.parametrize(("name", "spec", "answers"), CASES)

nonsense = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["cat", "dog", "a\x00b", "\ud800", "x" * 60_000]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["choice", "choices", "text", "", "more", "\ud800", "a\x00"]), inner
        ),
    ),
    max_leaves=8,
)


def canonical(name: str, spec: dict[str, Any], answer: Any) -> Any:
    """The answer as the kind has it; None when it refuses it, as it may."""
    try:
        return registry.get(name).validate(spec, answer)
    except AnswerError:
        return None


@each_kind
def test_a_merge_of_equal_answers_is_that_answer(name, spec, answers):
    kind = registry.get(name)

    @TRIED
    @given(answers, st.integers(1, 6))
    def check(answer, times):
        said = canonical(name, spec, answer)
        if said is not None:
            assert kind.merge(spec, [said] * times) == said
            assert kind.merge(spec, [said] * times, [0.3] * times) == said

    check()


@each_kind
def test_a_merge_is_an_answer_that_the_spec_takes(name, spec, answers):
    kind = registry.get(name)

    @TRIED
    @given(st.lists(answers, min_size=1, max_size=7), st.lists(st.floats(0.1, 5), min_size=7))
    def check(given_, weights):
        said = [one for one in (canonical(name, spec, a) for a in given_) if one is not None]
        if said:
            merged = kind.merge(spec, said, weights[: len(said)])
            assert kind.validate(spec, merged) == merged

    check()


@each_kind
def test_likeness_is_mutual_and_complete_with_itself(name, spec, answers):
    kind = registry.get(name)

    @TRIED
    @given(answers, answers)
    def check(a, b):
        one, other = canonical(name, spec, a), canonical(name, spec, b)
        if one is None or other is None:
            return
        assert kind.similarity(spec, one, one) == 1
        assert kind.similarity(spec, one, other) == kind.similarity(spec, other, one)
        assert 0 <= kind.similarity(spec, one, other) <= 1

    check()


@each_kind
def test_the_known_answer_itself_is_quite_right(name, spec, answers):
    kind = registry.get(name)

    @TRIED
    @given(answers, answers)
    def check(a, b):
        said, known = canonical(name, spec, a), canonical(name, spec, b)
        if said is None or known is None:
            return
        assert kind.grade(spec, known, known) == 1
        assert kind.distance(spec, known, known)[0] == 0
        assert 0 <= kind.grade(spec, said, known) <= 1
        wrong, length = kind.distance(spec, said, known)
        assert wrong >= 0
        assert length > 0

    check()


@each_kind
def test_whatever_is_sent_is_refused_by_name_or_taken_in_one_form(name, spec, answers):
    kind = registry.get(name)

    @settings(TRIED, max_examples=400)
    @given(st.one_of(nonsense, answers))
    def check(answer):
        problems = None
        try:
            said = kind.validate(spec, answer)
        except AnswerError as error:
            problems = error.errors
        if problems is not None:
            assert problems
            assert all(isinstance(key, str) for key in problems)
            assert all(texts and all(texts) for texts in problems.values())
            assert len(orjson.dumps(problems)) < 1_000
            return
        assert kind.validate(spec, said) == said
        assert orjson.loads(orjson.dumps(said)) == said
        assert "\x00" not in orjson.dumps(said).decode()

    check()


@pytest.mark.parametrize("name", sorted(registry.KINDS))
def test_whatever_spec_is_sent_is_refused_by_name_or_taken_in_one_form(name):
    kind = registry.get(name)

    @settings(TRIED, max_examples=300)
    @given(
        st.one_of(
            nonsense,
            st.dictionaries(
                st.sampled_from(["options", "multiple", "min", "max", "profile", "max_length"]),
                nonsense,
            ),
        )
    )
    def check(given_):
        problems = None
        try:
            spec = kind.check(given_)
        except SpecError as error:
            problems = error.errors
        if problems is not None:
            assert problems
            return
        assert kind.check(spec) == spec
        assert isinstance(kind.empty(spec), dict)

    check()


@each_kind
def test_votes_elect_what_all_voted_for(name, spec, answers):
    kind = registry.get(name)
    if not isinstance(kind, Counted):
        assert kind.sizes(spec) == ()
        assert kind.n_classes(spec) is None
        return

    @TRIED
    @given(answers)
    def check(answer):
        said = canonical(name, spec, answer)
        if said is None:
            return
        ballot = kind.ballot(spec, said)
        assert len(ballot) == len(kind.sizes(spec))
        for taken, size in zip(ballot, kind.sizes(spec), strict=True):
            assert 0 <= taken < size
        assert kind.elected(spec, [{taken: 1.0} for taken in ballot]) == said

    check()


@each_kind
@pytest.mark.parametrize(
    "answer",
    [
        None,
        True,
        7,
        math.nan,
        "cat",
        [],
        [{"choice": "cat"}],
        {},
        {"choice": None, "text": "so"},
        {1: "cat"},
        {"choice": math.nan},
        {"choices": [math.inf]},
        {"choice": ["cat", "dog"]},
        {"choices": "cat"},
        {"choices": ["cat", "cat"]},
        {"choices": ["cat", "cow"]},
        {"choices": [["cat"]]},
        {"choices": ["cat"] * 100_000},
        {"choice": "Cat"},
        {"choice": {"value": "cat"}},
        {"text": 5},
        {"text": ["so"]},
        {"text": "so\x00"},
        {"text": "so\x1b[2J"},
        {"text": "\ud83d"},
        {"text": "a" * 1_000_000},
        {"text": "so", "lang": "en"},
        {"x" * 10_000: 1},
    ],
    ids=lambda answer: repr(answer)[:30],
)
def test_what_fits_no_spec_is_refused(name, spec, answers, answer):
    with pytest.raises(AnswerError) as caught:
        registry.get(name).validate(spec, answer)
    assert len(str(caught.value.errors)) < 1_000


def test_deep_nesting_is_refused_like_any_other_nonsense():
    deep: Any = "cat"
    for _ in range(50_000):
        deep = [deep]
    for name, spec, field in (
        ("choices", SINGLE, "choice"),
        ("choices", TWO, "choices"),
        ("transcript", SPEECH, "text"),
    ):
        with pytest.raises(AnswerError):
            registry.get(name).validate(spec, {field: deep})
        with pytest.raises(SpecError):
            registry.get(name).check({"options": deep, "profile": deep})
    while isinstance(deep, list):  # taken apart by hand: the interpreter would recurse
        deep = deep.pop()
