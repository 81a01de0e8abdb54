"""Rows of tasks out of both formats, and what is said of those that are none."""

import io
import itertools
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.imports import lines, rows
from marketplace.imports.rows import ParsedRow

NDJSON, CSV = "application/x-ndjson", "text/csv"


def parse(body: str | bytes, content_type: str = NDJSON) -> list[ParsedRow]:
    raw = body.encode() if isinstance(body, str) else body
    return list(rows.parse(io.BytesIO(raw), content_type))


def said(row: ParsedRow) -> str:
    assert row.error is not None
    return " ".join(itertools.chain(*row.error.values()))


def test_ndjson_rows() -> None:
    body = '{"external_id":"a","data":{"text":"x","n":1.5},"media":{"audio":"m1"}}\n\n{"data":{}}'
    assert parse(body) == [
        ParsedRow(1, "a", {"text": "x", "n": 1.5}, {"audio": "m1"}),
        ParsedRow(3, None, {}, {}),
    ]


def test_csv_rows_say_the_same() -> None:
    body = 'external_id,text,data.n,media.audio,data\na,x,1,m1,"{""deep"":[1]}"\n,,,,\n'
    assert parse(body, CSV) == [
        ParsedRow(2, "a", {"text": "x", "n": "1", "deep": [1]}, {"audio": "m1"}),
        ParsedRow(3, None, {"text": "", "n": ""}, {}),
    ]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("[]", "row"), ("5", "row"), ("null", "row"), ('"x"', "row"), ("{", "row"), ("{}x", "row"),
        ('{"data":{}', "row"), ('{"data":{},"data":{}}', "row"), ('{"data":NaN}', "row"),
        ('{"data":{"a":"\\u0000"}}', "row"), ('{"data":{"a":"\\ud800"}}', "row"),
        ('{"data":' + '{"a":' * 900 + "1" + "}" * 900 + "}", "row"),
        ('{"data":' + "[" * 100_000 + "}", "row"),
        ('{"data":{"n":1e999}}', "row"), ('{"data":{"n":' + "9" * 5000 + "}}", "row"),
        ("{}", "data"), ('{"data":[]}', "data"), ('{"data":null}', "data"),
        ('{"data":{},"media":[]}', "media"), ('{"data":{},"text":"x"}', "text"),
        ('{"data":{},"external_id":5}', "external_id"),
        ('{"data":{},"external_id":""}', "external_id"),
        ('{"data":{},"external_id":"' + "x" * 201 + '"}', "external_id"),
        ('{"data":{},"external_id":"a\\nb"}', "external_id"),
        ('{"data":{},"external_id":"\\u202e"}', "external_id"),
    ],
)  # fmt: skip
def test_a_bad_line_is_an_error_of_its_own(line: str, field: str) -> None:
    before, bad, after = parse('{"data":{}}\n' + line + '\n{"data":{}}')
    assert before.error is after.error is None
    assert (bad.number, list(bad.error or {}), bad.fatal) == (2, [field], False)
    assert said(bad)


def test_lines_that_are_not_utf8_or_too_long_leave_the_others_alone() -> None:
    body = b'{"data":{"a":"\xff"}}\n{"data":{"a":"' + b"x" * lines.CAP + b'"}}\n{"data":{}}\n'
    assert [(row.number, row.error is None) for row in parse(body)] == [
        (1, False),
        (2, False),
        (3, True),
    ]


@pytest.mark.parametrize(
    ("header", "line", "field"),
    [
        ("data,text", "[],x", "data"), ("data,text", "{,x", "data"), ("media,text", "5,x", "media"),
        ("text,data.text", "a,b", "data.text"), ("external_id,text", "a\tb,x", "external_id"),
        ('data,text', '"{""text"":1}",x', "text"),
    ],
)  # fmt: skip
def test_a_bad_csv_row_is_an_error_of_its_own(header: str, line: str, field: str) -> None:
    (row,) = parse(f"{header}\n{line}\n", CSV)
    assert list(row.error or {}) == [field]


def test_data_with_a_dot_and_no_name_is_an_error() -> None:
    (row,) = parse("data.,text\na,b\n", CSV)
    assert row.error is not None


@pytest.mark.parametrize("content_type", [NDJSON, CSV])
def test_a_file_that_is_none_is_one_fatal_row(content_type: str) -> None:
    for body in (b"", b"\x1f\x8b\x08\x00", b"PK\x03\x04", b"\xff\xfea\x00"):
        (row,) = parse(body, content_type)
        assert row.fatal


def test_rows_come_one_by_one() -> None:
    """A file of any length is read as it is asked for, not into memory."""

    class Endless(io.RawIOBase):
        chunks: Iterator[bytes] = itertools.repeat(b'{"data":{"text":"x"}}\n' * 100)

        def read(self, size: int = -1) -> bytes:
            return next(self.chunks)

    found = list(itertools.islice(rows.parse(Endless(), NDJSON), 10_000))
    assert found[-1] == ParsedRow(10_000, None, {"text": "x"}, {})


@given(st.binary(max_size=300), st.sampled_from([NDJSON, CSV]))
def test_no_bytes_raise(body: bytes, content_type: str) -> None:
    for row in parse(body, content_type):
        assert row.error is None or said(row)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@given(
    st.dictionaries(texts, json_values, max_size=5), st.sampled_from([None, "x-1"]), st.booleans()
)
def test_ndjson_of_clean_json_is_read_back(
    data: dict[str, object], external_id: str, is_ascii: bool
) -> None:
    line = json.dumps({"external_id": external_id, "data": data}, ensure_ascii=is_ascii)
    assert parse(line) == [ParsedRow(1, external_id, data, {})]
