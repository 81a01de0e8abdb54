"""What the installed ``stripe`` package allows a request to say, read from its typed parameters.

Nothing about parameters is written down here: the service method that the client calls names its
verb, its path and the TypedDict of its parameters, and all three are taken from there.
"""

from __future__ import annotations

import importlib
import inspect
import re
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

import typing_extensions
from stripe import RequestOptions

from payments.fakestripe.problems import BadParameter

_CALL = re.compile(r'self\._request\(\s*"(\w+)",\s*"(/v\d/[^"]+)"')
_PARAMS = re.compile(r'params: (?:Optional\[)?"(\w+)"')
_IMPORT = re.compile(r"from (stripe\.params[\w.]+) import \(?\s*(\w+)")
_OPTIONS = frozenset(RequestOptions.__annotations__)
#: Every TypedDict of parameters inherits the request options, whose names its module lacks.
_OPTION_NAMES = {**vars(importlib.import_module(RequestOptions.__module__)), "StripeContext": str}
_INTEGER = re.compile(r"-?\d{1,15}")


@dataclass(frozen=True)
class Operation:
    """One operation of the API as the package describes it."""

    verb: str
    path: str
    params: type | None

    @property
    def pattern(self) -> re.Pattern[str]:
        """What paths it answers; the parts in braces are named groups."""
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path))

    def check(self, given: dict[str, Any]) -> dict[str, Any]:
        """The parameters in their types. Raises BadParameter for what the package does not allow."""
        if self.params is None:
            if given:
                raise _unknown(next(iter(given)))
            return {}
        return _fields(given, self.params, "")


@cache
def operation(module: str, service: str, method: str) -> Operation:
    """Read an operation out of the package; raises AttributeError where it has no such method."""
    found = importlib.import_module(module)
    source = inspect.getsource(getattr(getattr(found, service), method))
    call = _CALL.search(source)
    if call is None:
        raise AttributeError(f"{service}.{method} makes no plain request")
    named = _PARAMS.search(source)
    params = None
    if named is not None:
        places = {name: place for place, name in _IMPORT.findall(inspect.getsource(found))}
        params = getattr(importlib.import_module(places[named[1]]), named[1])
    return Operation(call[1].upper(), call[2], params)


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls, localns=_OPTION_NAMES, include_extras=True)
    return {name: hint for name, hint in hints.items() if name not in _OPTIONS}


def _fields(given: Any, cls: Any, at: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise BadParameter(f"Invalid object: {at}", at, "parameter_invalid_hash")
    hints = _hints(cls)
    for name in given:
        if name not in hints:
            raise _unknown(_inside(at, name))
    needed: frozenset[str] = cls.__required_keys__
    for name in sorted(needed & hints.keys()):
        if name not in given:
            place = _inside(at, name)
            raise BadParameter(f"Missing required param: {place}.", place, "parameter_missing")
    return {name: _value(value, hints[name], _inside(at, name)) for name, value in given.items()}


def _value(given: Any, hint: Any, at: str) -> Any:
    origin = get_origin(hint)
    if origin in (NotRequired, Required):
        return _value(given, get_args(hint)[0], at)
    if origin in (Union, types.UnionType):
        return _one_of(given, get_args(hint), at)
    if origin is list:
        return _items(given, get_args(hint)[0], at)
    if origin is dict:
        inner = get_args(hint)[1]
        return {name: _value(one, inner, f"{at}[{name}]") for name, one in _hash(given, at).items()}
    if origin is Literal:
        return _word(given, [word for word in get_args(hint) if word], at)
    if typing_extensions.is_typeddict(hint):
        return _fields(given, hint, at)
    reader = _READERS.get(hint)
    if reader is None:
        raise NotImplementedError(f"{at}: {hint}")
    if not isinstance(given, str):
        raise BadParameter(f"Invalid value: {at}", at, "parameter_invalid")
    return reader(given, at)


def _one_of(given: Any, hints: tuple[Any, ...], at: str) -> Any:
    words = [
        word for hint in hints if get_origin(hint) is Literal for word in get_args(hint) if word
    ]
    if words and str in hints:
        # The package leaves room for words of later versions; Stripe itself does not.
        return _word(given, words, at)
    if given == "" and any("" in get_args(hint) for hint in hints):
        return None
    structured = [hint for hint in hints if _is_structured(hint)]
    plain = [hint for hint in hints if hint in _READERS]
    wanted = structured if isinstance(given, dict) else plain
    if not wanted:
        raise BadParameter(f"Invalid value: {at}", at, "parameter_invalid")
    return _value(given, wanted[0], at)


def _is_structured(hint: Any) -> bool:
    return typing_extensions.is_typeddict(hint) or get_origin(hint) in (dict, list)


def _items(given: Any, hint: Any, at: str) -> list[Any]:
    items = _hash(given, at)
    if sorted(items) != sorted(str(number) for number in range(len(items))):
        raise BadParameter(f"Invalid array: {at}", at, "parameter_invalid_array")
    return [_value(items[str(n)], hint, f"{at}[{n}]") for n in range(len(items))]


def _hash(given: Any, at: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise BadParameter(f"Invalid object: {at}", at, "parameter_invalid_hash")
    return given


def _word(given: Any, words: list[str], at: str) -> Any:
    if given not in words:
        raise BadParameter(
            f"Invalid {at}: must be one of {', '.join(words)}", at, "parameter_invalid_enum"
        )
    return given


def _text(given: str, at: str) -> str:
    if given == "":
        raise BadParameter(f"You passed an empty string for '{at}'.", at, "parameter_invalid_empty")
    return given


def _integer(given: str, at: str) -> int:
    if not _INTEGER.fullmatch(given):
        raise BadParameter(f"Invalid integer: {given}", at, "parameter_invalid_integer")
    return int(given)


def _boolean(given: str, at: str) -> bool:
    if given not in ("true", "false"):
        raise BadParameter(f"Invalid boolean: {given}", at, "parameter_invalid_boolean")
    return given == "true"


_READERS: dict[Any, Callable[[str, str], Any]] = {str: _text, int: _integer, bool: _boolean}


def _inside(at: str, name: str) -> str:
    return f"{at}[{name}]" if at else name


def _unknown(name: str) -> BadParameter:
    return BadParameter(f"Received unknown parameter: {name}", name, "parameter_unknown")
