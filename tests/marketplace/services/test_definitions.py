"""What a job's definition may hold, and what it is when nothing is said."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from core import errors
from marketplace.services import definitions

OPTIONS = {"options": ["yes", "no"]}
LEAST: dict[str, Any] = {
    "name": "Is it so?",
    "kind": "choices",
    "interface": OPTIONS,
    "base_rate_micros": 18_000,
    "seconds_per_unit": 8,
}


def problems(**fields: Any) -> dict[str, list[str]]:
    with pytest.raises(errors.Invalid) as caught:
        definitions.check({**LEAST, **fields})
    assert caught.value.errors
    return caught.value.errors


def test_the_least_that_must_be_said_is_enough() -> None:
    made = definitions.check(LEAST)
    assert made.columns["acceptance"] == "auto"
    assert made.columns["purpose"] == "work"
    assert (made.columns["kmin"], made.columns["max_overlap"]) == (2, 5)
    assert made.columns["sandbox"] is False
    assert made.columns["required_qualifications"] == []
    assert made.kind == "choices"
    assert made.spec["options"][0] == {"value": "yes", "label": "yes"}


@pytest.mark.parametrize("name", sorted(LEAST))
def test_what_has_no_default_is_required(name: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        definitions.check({key: value for key, value in LEAST.items() if key != name})
    assert [key for key in caught.value.errors or {} if key.startswith(name)]


def test_every_bad_field_is_named_at_once() -> None:
    said = problems(name="", base_rate_micros=-1, difficulty=2, colour="red", kind="boxes3d")
    assert set(said) == {"name", "base_rate_micros", "difficulty", "colour", "kind"}
    assert all(isinstance(one, list) and one[0] for one in said.values())


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", [None, 5, "  ", "x" * 201]),
        ("instructions", [None, 5, "x" * 50_001]),
        ("purpose", ["play", None, 1]),
        ("specialty", ["", "x" * 33, None]),
        ("unit", ["hour", None]),
        ("base_rate_micros", [-1, 1.5, "5", True, None, 1_000_000_001]),
        ("seconds_per_unit", [0, -1, 86_401, "8", True, None, float("nan"), float("inf"), 0.0001]),
        ("difficulty", [0.99, 1.51, 1.001, "1", None, float("nan")]),
        ("bonus_pct", [-0.01, 0.26, True, float("-inf")]),
        ("acceptance", ["never", None]),
        ("review_days", [0, 31, 1.5, "7"]),
        ("time_limit_seconds", [9, 86_401]),
        ("undo_seconds", [-1, 61]),
        ("required_qualifications", ["x", ["x"], [5], [None], [str(uuid4())] * 21]),
        ("languages", ["en", ["English"], ["e"], [5], ["en"] * 21, ["en\n"]]),
        ("priority", [-11, 11, 0.5]),
        ("sandbox", [1, "true", None]),
        ("allow_ahead", [0, None]),
        ("auto_close", [0, None]),
    ],
)
def test_values_that_a_field_cannot_hold(field: str, values: list[Any]) -> None:
    for value in values:
        assert set(problems(**{field: value})) == {field}, value


def test_fields_of_the_interface_and_of_quality_are_named_by_their_path() -> None:
    assert set(problems(interface={"options": ["yes"]})) == {"interface.options"}
    assert set(problems(interface=[])) == {"interface"}
    assert [one for one in problems(quality={"kmin": 0}) if one.startswith("quality.")]
    assert [one for one in problems(quality={"colour": 1}) if one.startswith("quality.")]


def test_quality_sets_the_overlap_and_the_gold_share() -> None:
    columns = definitions.check(
        {**LEAST, "quality": {"kmin": 1, "kmax": 3, "gold_share": 0.1}}
    ).columns
    assert (columns["kmin"], columns["max_overlap"]) == (1, 3)
    assert columns["gold_share"] == Decimal("0.100")
    assert columns["quality"]["kmax"] == 3


def test_lists_keep_one_of_each() -> None:
    one = uuid4()
    columns = definitions.check(
        {**LEAST, "required_qualifications": [str(one), str(one)], "languages": ["pt-BR", "pt-BR"]}
    ).columns
    assert columns["required_qualifications"] == [one]
    assert columns["languages"] == ["pt-BR"]


@pytest.mark.parametrize(
    ("field", "value"), [("priority", 99), ("name", ""), ("undo_seconds", True)]
)
def test_single_fields_of_a_running_job_are_held_to_the_same_rules(field: str, value: Any) -> None:
    definitions.check_later({"priority": 3, "name": "Still so?"})
    with pytest.raises(errors.Invalid) as caught:
        definitions.check_later({field: value})
    assert set(caught.value.errors or {}) == {field}
