"""What the formats write, and that the imports read it back."""

import csv as stdlib_csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.exports import csv, formats
from marketplace.imports import csv as csv_import

ROW: dict[str, Any] = {
    "task": "0192",
    "external_id": "a1",
    "data": {"text": "=1+1", "n": -5, "deep": {"x": [1, None]}, "none": None, "yes": True},
    "value": {"choices": ["é", "b"]},
    "confidence": 0.97,
    "rule": "consensus",
    "votes": [{"worker": "w1", "answer": {"choices": ["é"]}}],
    "escalated": False,
    "state": "resolved",
    "round": 1,
    "interface": {"id": "i1", "version": 2, "kind": "choices"},
    "resolved_at": "2025-01-01T00:00:00Z",
    "cost": {"amount_micros": 38500, "currency": "USD", "display": "$0.04"},
}
LAYOUT: dict[str, Any] = {
    "data": ["text", "n", "deep", "none", "yes", "missing"],
    "value": ["choices"],
}


def written(name: str, rows: list[dict[str, Any]], **layout: Any) -> bytes:
    file = io.BytesIO()
    count = formats.FORMATS[name].write(rows, file, layout={**LAYOUT, **layout}, is_first=True)
    assert count == len(rows)
    return file.getvalue()


def table(body: bytes) -> list[dict[str, str]]:
    return list(stdlib_csv.DictReader(io.StringIO(body.decode(), newline="")))


def test_jsonl_is_the_row_itself() -> None:
    (line,) = written("jsonl", [ROW]).splitlines()
    assert json.loads(line) == ROW


def test_jsonl_takes_integers_of_any_length() -> None:
    row = {**ROW, "data": {"n": 2**70}}
    assert json.loads(written("jsonl", [row]))["data"] == {"n": 2**70}


def test_csv_gives_each_field_a_column_and_numbers_stay_numbers() -> None:
    (row,) = table(written("csv", [ROW]))
    assert row == {
        "task": "0192",
        "external_id": "a1",
        "data.text": "'=1+1",
        "data.n": "-5",
        "data.deep": '{"x":[1,null]}',
        "data.none": "",
        "data.yes": "true",
        "data.missing": "",
        "value.choices": '["é","b"]',
        "confidence": "0.97",
        "rule": "consensus",
        "escalated": "false",
        "state": "resolved",
        "round": "1",
        "votes": '[{"worker":"w1","answer":{"choices":["é"]}}]',
        "interface.id": "i1",
        "interface.version": "2",
        "interface.kind": "choices",
        "resolved_at": "2025-01-01T00:00:00Z",
        "cost.amount_micros": "38500",
        "cost.currency": "USD",
    }


def test_csv_with_too_many_fields_has_one_column_of_json() -> None:
    (row,) = table(written("csv", [ROW], data=None))
    assert json.loads(row["data"]) == ROW["data"]
    assert "data.text" not in row


def test_csv_raw_leaves_text_as_it_is() -> None:
    (row,) = table(written("csv", [ROW], raw=True))
    assert row["data.text"] == "=1+1"


@pytest.mark.parametrize(
    "text",
    ["=1", "+1", "-1", "@a", "\tx", "\rx", "\nx", "＝1", "＋1", "－1", "＠a", " =1", "\u00a0=1",
     "'=1", "''=1", "' =1", "'\t"],
)  # fmt: skip
def test_what_a_spreadsheet_would_run_is_escaped(text: str) -> None:
    assert csv.escape(text) == "'" + text


@pytest.mark.parametrize("text", ["", "a", "'", "'a", "1", "a=1", '"=1"', " a", "{}", "x-1"])
def test_other_text_stays(text: str) -> None:
    assert csv.escape(text) == text


def test_parts_put_together_are_the_file() -> None:
    for one in formats.FORMATS.values():
        file = io.BytesIO()
        one.write([ROW], file, layout=LAYOUT, is_first=True)
        one.write([ROW, ROW], file, layout=LAYOUT, is_first=False)
        assert file.getvalue() == written(one.name, [ROW, ROW, ROW])


texts = st.text(st.one_of(st.sampled_from("=+-@'\t\r\n ,\"＝;"), st.characters(codec="utf-8")))


@given(texts)
def test_the_escape_leaves_no_formula_and_is_one_to_one(text: str) -> None:
    safe = csv.escape(text)
    assert not safe.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    body = io.StringIO()
    stdlib_csv.writer(body).writerows([["a", "b"], [safe, "x"]])
    if "\x00" not in text:
        (record,) = csv_import.records(io.BytesIO(body.getvalue().encode()))
        assert record.value == {"a": text, "b": "x"}


names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)


@given(st.dictionaries(names.map(str.strip).filter(bool), texts.map(lambda t: t.replace("\0", ""))))
def test_the_import_reads_the_data_that_was_exported(data: dict[str, str]) -> None:
    row = {**ROW, "data": data}
    file = io.BytesIO()
    formats.FORMATS["csv"].write(
        [row], file, layout={"data": sorted(data), "value": None}, is_first=True
    )
    (record,) = csv_import.records(io.BytesIO(file.getvalue()))
    assert record.value is not None
    read = {
        name.removeprefix("data."): text
        for name, text in record.value.items()
        if name.startswith("data.")
    }
    assert read == data
