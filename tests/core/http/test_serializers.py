from decimal import Decimal
from uuid import UUID

import pytest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from core.http.serializers import (
    QueryText,
    StrictBoolean,
    StrictDecimal,
    StrictInteger,
    StrictJSON,
    StrictSerializer,
    StrictString,
    StrictUUID,
    money,
)
from tests.core.http.trial import ThingInput


def refused(field, value):
    with pytest.raises(ValidationError):
        field.run_validation(value)
    return True


@pytest.mark.parametrize("value", ["5", "", "x", True, False, 5.0, 1.5, None, [], {}, "٥", 2**63])
def test_a_whole_number_is_a_number(value):
    assert refused(StrictInteger(), value)


def test_a_whole_number_keeps_its_bounds():
    field = StrictInteger(min_value=0, max_value=10)
    assert [field.run_validation(n) for n in (0, 10)] == [0, 10]
    assert refused(field, -1)
    assert refused(field, 11)


@pytest.mark.parametrize("text", ["5", "0", "-5", "9223372036854775807"])
def test_a_query_spells_a_number_in_one_way(text):
    assert StrictInteger().run_validation(QueryText(text)) == int(text)


@pytest.mark.parametrize(
    "text",
    ["05", "+5", " 5", "5 ", "5.0", "1e3", "-0", "", "٥", "５", "0x5", "1_000", "9" * 19, "9" * 5000,
     "abc", "5\x00", "💥"],
)  # fmt: skip
def test_and_in_no_other(text):
    assert refused(StrictInteger(), QueryText(text))


def test_a_truth_value_is_one():
    field = StrictBoolean()
    assert field.run_validation(True) is True
    assert field.run_validation(False) is False
    for value in ("true", "1", 1, 0, None, "yes", [], {}):
        assert refused(field, value)
    assert field.run_validation(QueryText("true")) is True
    assert field.run_validation(QueryText("false")) is False
    for text in ("True", "1", "", "on"):
        assert refused(field, QueryText(text))


@pytest.mark.parametrize(
    ("sent", "read"),
    [(8, "8.000"), (4.5, "4.500"), (0.1, "0.100"), ("4.5", "4.500"), ("0", "0.000"),
     (0, "0.000"), (-0.0, "0.000"), ("-0", "0.000"), (1e2, "100.000"), (999.999, "999.999")],
)  # fmt: skip
def test_a_decimal_is_exact(sent, read):
    found = StrictDecimal(max_digits=6, decimal_places=3).run_validation(sent)
    assert (found, str(found)) == (Decimal(read), read)


@pytest.mark.parametrize(
    "value",
    ["", "x", "1e3", "1,5", " 1", "+1", ".5", "5.", "NaN", "Infinity", "١", True, None, [], {},
     0.0001, 1e-9, 1e22, 1000, "1000", "0.0001", "9" * 1000, float("inf"), float("nan")],
)  # fmt: skip
def test_a_decimal_is_neither_rounded_nor_guessed(value):
    assert refused(StrictDecimal(max_digits=6, decimal_places=3), value)


@pytest.mark.parametrize(
    "text",
    ["a\x00", "a\x08", "\x1b[31m", "a\x7f", "a\x85", "a\rb", "\r", "\u202eevil", "\u2066x\u2069",
     "zero\u200bwidth", "\ufeffmark", "a\u2060b"],
)  # fmt: skip
def test_text_hides_nothing(text):
    assert refused(StrictString(), text)


@pytest.mark.parametrize(
    "text",
    ["line\nline", "line\r\nline", "tab\there", "héé", "é", "שלום", "مرحبا", "می\u200cخواهم",
     "👩\u200d👩\u200d👧", " lead and trail ", "<script>", "=1+1"],
)  # fmt: skip
def test_text_is_kept_as_it_was_written(text):
    assert StrictString().run_validation(text) == text


def test_text_is_text():
    for value in (5, True, None, [], {}, b"x", "", " ", "\n"):
        assert refused(StrictString(), value)
    assert refused(StrictString(max_length=3), "four")
    assert StrictString(allow_blank=True).run_validation("") == ""
    kept = StrictString().run_validation(QueryText("x"))
    assert type(kept) is str


def test_an_id_is_written_as_we_write_ids():
    text = "018f4e2a-7b3c-7def-8a01-23456789abcd"
    assert StrictUUID().run_validation(text) == UUID(text)
    assert StrictUUID().run_validation(QueryText(text.upper())) == UUID(text)
    for other in (5, True, None, [], "", "x", text.replace("-", ""), f"{{{text}}}", text[:-1],
                  f"urn:uuid:{text}", f"{text}\n", text.replace("0", "٠"), 2**128):  # fmt: skip
        assert refused(StrictUUID(), other)


def test_json_is_anything_but_null():
    for value in (5, "x", [], {}, False, {"a": [1]}):
        assert StrictJSON().run_validation(value) == value
    assert refused(StrictJSON(), None)
    assert refused(StrictJSON(), QueryText("{}"))


def errors_of(value, kind=ThingInput):
    with pytest.raises(ValidationError) as found:
        kind().run_validation(value)
    return found.value.detail


@pytest.mark.parametrize("value", [[], 5, "x", True, [{}], None])
def test_an_object_is_one(value):
    with pytest.raises(ValidationError):
        ThingInput().run_validation(value)


def test_fields_are_known_and_writable():
    assert set(errors_of({"name": "x", "colour": 1})) == {"colour"}
    assert set(errors_of({"name": "x", "made_at": "2026-01-01"})) == {"made_at"}
    assert set(errors_of({"colour": 1, "count": "5"})) == {"colour", "count", "name"}
    assert errors_of({"name": "x", "part": {"label": "y", "z": 1}})["part"].keys() == {"z"}
    assert errors_of({"name": "x", "parts": [{"label": "y"}, {"label": "y", "z": 1}]})["parts"]
    assert errors_of({"name": "x", "parts": {"label": "y"}})
    assert set(errors_of({"x": 1}, StrictSerializer)) == {"x"}


def test_a_thousand_unknown_fields_are_not_all_named():
    assert len(errors_of({f"f{n}": 1 for n in range(1000)})) < 50


def test_validating_twice_with_one_instance_mixes_nothing():
    one = ThingInput()
    assert one.run_validation({"name": "a", "tags": ["x"]}) == {"name": "a", "tags": ["x"]}
    assert one.run_validation({"name": "b"}) == {"name": "b"}


def test_required_and_default_are_djangos():
    class Input(StrictSerializer):
        a = StrictInteger(required=False, default=7)
        b = StrictJSON(required=False)
        c = serializers.ListField(child=StrictInteger(), required=False, max_length=2)

    assert Input().run_validation({}) == {"a": 7}
    assert set(errors_of({"c": [1, "2"]}, Input)) == {"c"}
    assert set(errors_of({"c": [1, 2, 3]}, Input)) == {"c"}


@pytest.mark.parametrize(
    ("micros", "display"),
    [(38_500, "0.0385 USD"), (0, "0.0000 USD"), (1_234_567_800, "1234.5678 USD"),
     (1, "0.000001 USD"), (-2_500_000, "-2.5000 USD"), (10**18, "1000000000000.0000 USD")],
)  # fmt: skip
def test_money_is_shown_without_rounding(micros, display):
    assert money(micros, "USD") == {"amount_micros": micros, "currency": "USD", "display": display}
