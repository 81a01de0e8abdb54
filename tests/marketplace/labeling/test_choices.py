"""One or several of a few options."""

import pytest

from marketplace.labeling import registry
from marketplace.labeling.base import AnswerError, SpecError

KIND = registry.get("choices")


def single(*options):
    return KIND.check({"options": list(options)})


def several(*options, **bounds):
    return KIND.check({"options": list(options), "multiple": True, **bounds})


def test_a_spec_is_completed():
    spec = KIND.check({"options": ["cat", {"value": "dog"}, {"value": "emu", "label": " An emu "}]})
    assert spec == {
        "options": [
            {"value": "cat", "label": "cat"},
            {"value": "dog", "label": "dog"},
            {"value": "emu", "label": "An emu"},
        ],
        "multiple": False,
    }
    assert several("a", "b", "c")["min"] == 1
    assert several("a", "b", "c")["max"] == 3


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ([], ""),
        ({}, "options"),
        ({"options": ["one"]}, "options"),
        ({"options": ["one"] * 300}, "options"),
        ({"options": ["same", "same"]}, "options"),
        ({"options": ["é", "é"]}, "options"),
        ({"options": ["a", ""]}, "options.1"),
        ({"options": ["a", "b" * 101]}, "options.1"),
        ({"options": ["a", "b\x00"]}, "options.1"),
        ({"options": ["a", {"value": "b", "colour": "red"}]}, "options.1"),
        ({"options": ["a", {"label": "b"}]}, "options.1"),
        ({"options": ["a", "b"], "multiple": "yes"}, "multiple"),
        ({"options": ["a", "b"], "min": 1}, "min"),
        ({"options": ["a", "b"], "multiple": True, "min": 3}, "min"),
        ({"options": ["a", "b"], "multiple": True, "min": 2, "max": 1}, "max"),
        ({"options": ["a", "b"], "multiple": True, "max": 1.5}, "max"),
        ({"options": ["a", "b"], "shuffle": True}, "shuffle"),
    ],
)
def test_a_bad_spec_names_its_field(spec, field):
    with pytest.raises(SpecError) as caught:
        KIND.check(spec)
    assert set(caught.value.errors) == {field}


def test_several_choices_are_one_whatever_their_order():
    spec = several("a", "b", "c")
    assert KIND.validate(spec, {"choices": ["c", "a"]}) == {"choices": ["a", "c"]}


def test_bounds_of_several():
    spec = several("a", "b", "c", min=1, max=2)
    for wrong in ([], ["a", "b", "c"]):
        with pytest.raises(AnswerError) as caught:
            KIND.validate(spec, {"choices": wrong})
        assert caught.value.errors == {"choices": ["Choose 1 to 2."]}


def test_the_classes_of_a_question():
    assert KIND.n_classes(single("a", "b", "c")) == 3
    assert KIND.sizes(several("a", "b", "c")) == (2, 2, 2)
    assert KIND.n_classes(several("a", "b", "c")) is None


def test_grades():
    one, many = single("a", "b"), several("a", "b", "c", min=0)
    assert KIND.grade(one, {"choice": "a"}, {"choice": "b"}) == 0
    assert KIND.grade(many, {"choices": ["a", "b"]}, {"choices": ["b", "c"]}) == 1 / 3
    assert KIND.grade(many, {"choices": []}, {"choices": []}) == 1


def test_merging():
    one, many = single("a", "b"), several("a", "b", "c", min=0)
    votes = [{"choice": "a"}, {"choice": "b"}, {"choice": "b"}]
    assert KIND.merge(one, votes) == {"choice": "b"}
    assert KIND.merge(one, votes, [3, 1, 1]) == {"choice": "a"}
    assert KIND.merge(one, votes[:2]) == {"choice": "a"}, "of equals, what was said first"
    sets = [{"choices": ["a", "b"]}, {"choices": ["b", "c"]}, {"choices": ["b"]}]
    assert KIND.merge(many, sets) == {"choices": ["b"]}


def test_a_merge_keeps_to_the_bounds():
    apart = [{"choices": ["a"]}, {"choices": ["b"]}, {"choices": ["c"]}, {"choices": ["c"]}]
    assert KIND.merge(several("a", "b", "c", min=1), apart) == {"choices": ["c"]}
    together = [{"choices": ["a", "b"]}, {"choices": ["b", "c"]}, {"choices": ["a", "c"]}]
    found = KIND.merge(several("a", "b", "c", min=1, max=2), together)
    assert len(found["choices"]) == 2
