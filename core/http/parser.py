"""Strict JSON: one reading of every document, of a bounded size and shape, or none at all.

Refused are duplicate keys, NUL, lone surrogates, NaN and infinities, integers beyond 64 bits,
nesting deeper than DEPTH, more than KEYS keys, byte order marks and everything after the document.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

import orjson
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

#: The largest request body, in bytes, that is parsed at once.
SIZE = 1024 * 1024
DEPTH = 32
KEYS = 10_000
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_TOO_LARGE = "Integers must fit into 64 bits."
_SCALARS = frozenset({str, int, float, bool, type(None)})


class Malformed(ValueError):
    """The bytes are no JSON that we read; the argument says why, in words for the sender."""


def loads(raw: bytes) -> Any:
    """Read one JSON document. Its size is the caller's to bound. Raises Malformed."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        raise Malformed(f"Not well-formed JSON: {problem}.") from None
    keys, is_exact = _measure(value, has_nul=b"\\u0000" in raw)
    # Where colons and keys are as many, no key was given twice: the last one would have won.
    if not is_exact or raw.count(b":") != keys:
        _reread(raw)
    return value


def _measure(value: Any, *, has_nul: bool) -> tuple[int, bool]:
    """Walk a document level by level: how many keys it has, and whether its numbers are exact.

    A number is inexact when it may have been an integer too large to be kept as one.
    """
    keys, depth, is_exact = 0, 0, True
    level: list[Any] = [value]
    while level:
        if depth == DEPTH and not _SCALARS.issuperset(map(type, level)):
            raise Malformed(f"Nested deeper than {DEPTH} levels.")
        deeper: list[Any] = []
        for node in level:
            kind = type(node)
            if kind is dict:
                keys += len(node)
                deeper.extend(node.values())
                if has_nul:  # keys are text like any other
                    deeper.extend(node)
            elif kind is list:
                deeper.extend(node)
            elif kind is str:
                if has_nul and "\0" in node:
                    raise Malformed("Text must not contain NUL.")
            elif kind is int and not _INT_MIN <= node <= _INT_MAX:
                raise Malformed(_TOO_LARGE)
            elif kind is float and abs(node) >= _INT_MAX:
                is_exact = False
        if keys > KEYS:
            raise Malformed(f"More than {KEYS} keys.")
        level, depth = deeper, depth + 1
    return keys, is_exact


def _reread(raw: bytes) -> None:
    """Read once more, slowly, looking at what the fast reader does not tell. Raises Malformed."""
    try:
        json.loads(
            raw, object_pairs_hook=_once, parse_int=_bounded, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise Malformed(f"Nested deeper than {DEPTH} levels.") from None


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for key, _ in pairs:
        if key in seen:
            raise Malformed(f"The key {key[:100]!r} is given twice.")
        seen.add(key)


def _bounded(digits: str) -> int:
    if len(digits) > 20 or not _INT_MIN <= int(digits) <= _INT_MAX:
        raise Malformed(_TOO_LARGE)
    return 0


def _refuse_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is no number in JSON.")


class StrictJSONParser(BaseParser):
    """The parser of plain Django REST framework views; ``ApiView`` reads bodies by itself."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Read a body of at most SIZE bytes. Raises ParseError."""
        raw = stream.read(SIZE + 1)
        if len(raw) > SIZE:
            raise ParseError(f"The body is larger than {SIZE} bytes.")
        try:
            return loads(raw)
        except Malformed as problem:
            raise ParseError(str(problem)) from problem
