"""CSV of the kind people really send, and of the kind nobody should."""

import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.imports import csv, lines


def read(body: bytes | str) -> list[lines.Record]:
    raw = body.encode() if isinstance(body, str) else body
    return list(csv.records(io.BytesIO(raw)))


def values(body: bytes | str) -> list[dict[str, str] | None]:
    return [record.value for record in read(body)]


def test_a_plain_file() -> None:
    assert read('external_id,text\na1,hello\na2,"x, ""y"""\n') == [
        lines.Record(2, {"external_id": "a1", "text": "hello"}),
        lines.Record(3, {"external_id": "a2", "text": 'x, "y"'}),
    ]


def test_mixed_line_ends_blank_lines_and_a_mark_are_no_matter() -> None:
    body = b"\xef\xbb\xbftext\r\n\r\na\rb\n\n\nc"
    assert [(record.number, record.value) for record in read(body)] == [
        (3, {"text": "a"}),
        (4, {"text": "b"}),
        (7, {"text": "c"}),
    ]


def test_a_quoted_cell_keeps_its_lines_and_rows_keep_their_numbers() -> None:
    body = 'text,n\r\n"one\r\ntwo\n\rthree",1\r\nlast,2'
    assert [(record.number, record.value) for record in read(body)] == [
        (2, {"text": "one\r\ntwo\n\rthree", "n": "1"}),
        (6, {"text": "last", "n": "2"}),
    ]


def test_ragged_rows_are_errors_of_their_own() -> None:
    records = read("a,b\n1\n1,2,3\n1,2\n")
    assert [record.number for record in records if record.error] == [2, 3]
    assert records[0].error == {"row": ["The header names 2 columns; this row has 1."]}
    assert records[2].value == {"a": "1", "b": "2"}
    assert not any(record.fatal for record in records)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"\n\r\n\n", "empty"),
        (b"a,b,a\n1,2,3\n", "named twice: a"),
        (b"a,,b\n1,2,3\n", "no name"),
        (b"a;b;c\n1;2;3\n", "separated by commas"),
        (b"a\tb\n1\t2\n", "separated by commas"),
        (b"x" * 201 + b",b\n1,2\n", "longer than 200"),
        (b",".join(b"c%d" % n for n in range(1001)) + b"\n", "1001 columns"),
        (b"," * 1_000_000 + b"\n", "1000001 columns"),
        (b"," * 2_000_000 + b"\n", "longer than"),
        (b'"a,b\n1,2\n3,4\n', "never closed"),
        (b'"a"x,b\n1,2\n', "cannot be read as CSV"),
        (b"\x1f\x8b\x08\x00rest", "gzip"),
        (b"\xff\xfea\x00,\x00", "UTF-8"),
        (b"caf\xe9,b\n1,2\n", "UTF-8"),
        (b"a\x00,b\n1,2\n", "NUL"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_problem(body: bytes, said: str) -> None:
    (record,) = read(body)
    assert record.fatal
    assert record.value is None
    assert record.error is not None
    assert said in " ".join(itertools.chain(*record.error.values()))


def test_an_unclosed_quote_ends_the_reading_where_it_was_opened() -> None:
    records = read('a,b\n1,2\n3,"4\n5,6\n7,8\n')
    assert records[0].value == {"a": "1", "b": "2"}
    assert (records[1].number, records[1].fatal, len(records)) == (3, True, 2)


def test_an_unclosed_quote_does_not_swallow_a_large_file() -> None:
    body = b'a,b\n1,"2\n' + b"3,4\n" * 500_000
    records = read(body)
    assert [(record.number, record.fatal) for record in records] == [(2, True)]


def test_faults_within_a_row_leave_the_others_alone() -> None:
    body = b'a,b\n1,\x00\n2,\xff\n3,"x"y\n4,ok\n5,\xed\xa0\x80\n6,ok\n'
    records = read(body)
    assert [record.number for record in records if record.error] == [2, 3, 4, 6]
    assert [record.value for record in records if record.value] == [
        {"a": "4", "b": "ok"},
        {"a": "6", "b": "ok"},
    ]


def test_a_cell_of_half_a_megabyte_is_a_cell() -> None:
    text = "x" * 500_000
    assert values(f"a,b\n1,{text}\n") == [{"a": "1", "b": text}]


def test_our_own_escape_of_formulas_is_taken_back() -> None:
    assert values("a\n'=1+1\n'hello\n''=x\n'-5\n") == [
        {"a": "=1+1"},
        {"a": "'hello"},
        {"a": "'=x"},
        {"a": "-5"},
    ]


@given(st.binary(max_size=400))
def test_no_bytes_raise(body: bytes) -> None:
    seen = 0
    for record in read(body):
        assert (record.value is None) != (record.error is None)
        assert record.number > seen
        seen = record.number


@given(
    st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b"\x00", b"\xff", b"'", b"="])).map(
        b"".join
    )
)
def test_no_heap_of_special_marks_raises(body: bytes) -> None:
    for record in read(b"a,b\n" + body):
        assert (record.value is None) != (record.error is None)
