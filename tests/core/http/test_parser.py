import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from core.http import parser
from core.http.parser import DEPTH, KEYS, Malformed, loads

#: Documents that have no single reading, or more of one than we take.
REFUSED = {
    "empty": b"",
    "only space": b" \n",
    "trailing bytes": b"{} x",
    "two documents": b"{}{}",
    "truncated": b'{"a": [1, 2',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without mark": '{"a": 1}'.encode("utf-16-le"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "invalid UTF-8": b'{"a": "\xff"}',
    "surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "overlong UTF-8": b'{"a": "\xc0\xaf"}',
    "100,000 deep": b"[" * 100_000,
    "100,000 deep, closed": b"[" * 100_000 + b"]" * 100_000,
    "900 deep": b'{"a":' * 900 + b"1" + b"}" * 900,
    "a little too deep": b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1),
    "NUL": b'{"a": "x\x00"}',
    "escaped NUL": b'{"a": "x\\u0000"}',
    "escaped NUL in a key": b'{"\\u0000": 1}',
    "deep escaped NUL": b'{"a": [[{"b": ["\\u0000"]}]]}',
    "lone surrogate": b'{"a": "\\ud800"}',
    "lone low surrogate": b'{"a": "\\udc00"}',
    "surrogates in the wrong order": b'{"a": "\\udc00\\ud800"}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "-Infinity": b'{"a": -Infinity}',
    "1e999": b'{"a": 1e999}',
    "5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "300 digits": b'{"a": ' + b"9" * 300 + b"}",
    "2^63": b'{"a": 9223372036854775808}',
    "2^64": b'{"a": 18446744073709551616}',
    "-2^63 - 1": b'{"a": -9223372036854775809}',
    "duplicate key": b'{"a": 1, "a": 2}',
    "duplicate key, escaped": b'{"a": 1, "\\u0061": 2}',
    "duplicate key inside": b'{"x": [{"a": 1, "b": 2, "a": 1}]}',
    "duplicate key beside colons": b'{"a": ":", "b": 1, "b": 1}',
    "duplicate that hides a deep value": b'{"a":' + b"[" * 900 + b"]" * 900 + b',"a":1}',
    "too many keys": b"{" + b",".join(b'"k%d":1' % n for n in range(KEYS + 1)) + b"}",
    "single quotes": b"{'a': 1}",
    "comment": b'{"a": 1} // x',
    "trailing comma": b'{"a": 1,}',
    "leading zero": b'{"a": 01}',
    "plus": b'{"a": +1}',
    "hexadecimal": b'{"a": 0x1}',
    "raw line end in text": b'{"a": "x\ny"}',
    "bad escape": b'{"a": "\\x41"}',
    "Arabic digits": '{"a": ١٢}'.encode(),
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_what_has_no_single_reading_is_refused(raw):
    with pytest.raises(Malformed) as refused:
        loads(raw)
    assert 0 < len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"null", None), (b" {} ", {}), (b"5", 5), (b'"x"', "x"), (b"-0", 0), (b"[]", []),
        (b'{"a": 9223372036854775807, "b": -9223372036854775808}', {"a": 2**63 - 1, "b": -(2**63)}),
        (b"[1e20, 1.5e300]", [1e20, 1.5e300]),
        (b'"\\\\u0000"', "\\u0000"), (b'"\\ud83d\\ude00"', "😀"),
        (b'{"a:b": {"a:b": ":"}}', {"a:b": {"a:b": ":"}}),
        (b"[" * DEPTH + b"]" * DEPTH, json.loads("[" * DEPTH + "]" * DEPTH)),
        ('{"e\u0301": 1, "\u00e9": 2}'.encode(), {"e\u0301": 1, "\u00e9": 2}),
    ],
)  # fmt: skip
def test_what_has_one_reading_is_read(raw, value):
    assert loads(raw) == value


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=30,
)


@given(values, st.booleans(), st.sampled_from([None, 2]))
def test_clean_json_is_read_as_everybody_reads_it(value, is_ascii, indent):
    assert loads(json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode()) == value


@given(st.lists(st.tuples(st.sampled_from("abc:"), values), max_size=4))
def test_a_key_given_twice_is_always_seen(pairs):
    raw = "{" + ",".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs) + "}"
    if len(dict(pairs)) == len(pairs):
        assert loads(raw.encode()) == dict(pairs)
    else:
        with pytest.raises(Malformed, match="twice"):
            loads(raw.encode())


@given(st.binary(max_size=200) | st.text('{}[]":,0123456789eE.-\\u nulltrefas', max_size=60))
def test_no_bytes_raise_anything_else(raw):
    raw = raw.encode() if isinstance(raw, str) else raw
    try:
        value = loads(raw)
    except Malformed:
        return
    assert json.loads(raw) == value


def test_a_parser_for_plain_views_says_so_in_their_words():
    plain = parser.StrictJSONParser()
    assert plain.parse(io.BytesIO(b'{"a": 1}')) == {"a": 1}
    with pytest.raises(ParseError, match="twice"):
        plain.parse(io.BytesIO(b'{"a": 1, "a": 1}'))
    with pytest.raises(ParseError, match="larger"):
        plain.parse(io.BytesIO(b" " * (parser.SIZE + 1)))
