"""Comparing an answer with the typed objects of the installed package."""

from __future__ import annotations

import importlib
import types
from collections.abc import Iterator
from functools import cache
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

import stripe

#: Where the class of each kind of object is.
CLASSES = {
    "account": ("stripe._account", "Account"),
    "account_link": ("stripe._account_link", "AccountLink"),
    "balance": ("stripe._balance", "Balance"),
    "balance_transaction": ("stripe._balance_transaction", "BalanceTransaction"),
    "charge": ("stripe._charge", "Charge"),
    "checkout.session": ("stripe.checkout._session", "Session"),
    "event": ("stripe._event", "Event"),
    "payment_intent": ("stripe._payment_intent", "PaymentIntent"),
    "payout": ("stripe._payout", "Payout"),
    "transfer": ("stripe._transfer", "Transfer"),
}


class _Names(dict[str, Any]):
    """Types that are only there for type checkers are found by name, or count as anything."""

    def __missing__(self, name: str) -> Any:
        return getattr(stripe, name, Any)


@cache
def _hints(cls: type) -> dict[str, Any]:
    module = vars(importlib.import_module(cls.__module__))
    inner = {name: value for name, value in vars(cls).items() if isinstance(value, type)}
    owner = module.get(cls.__qualname__.split(".")[0])
    outer = {name: value for name, value in vars(owner).items() if isinstance(value, type)}
    names = _Names({**module, **outer, **inner})
    own = dict(vars(cls).get("__annotations__", {}))
    holder = type("Holder", (), {"__annotations__": own, "__module__": cls.__module__})
    found = get_type_hints(holder, localns=names)
    return {name: hint for name, hint in found.items() if get_origin(hint) is not ClassVar}


def faults(thing: dict[str, Any]) -> list[str]:
    """Where an answer is not what its class says; empty when it is."""
    module, name = CLASSES[thing["object"]]
    return list(_object(thing, getattr(importlib.import_module(module), name), thing["object"]))


def _object(thing: Any, cls: type, at: str) -> Iterator[str]:
    hints = _hints(cls)
    if not isinstance(thing, dict):
        yield f"{at}: {thing!r} is no object"
        return
    for name, value in thing.items():
        if name not in hints:
            yield f"{at}.{name}: the package knows no such field"
        else:
            yield from _value(value, hints[name], f"{at}.{name}")
    for name, hint in hints.items():
        if name not in thing and not _is_optional(hint):
            yield f"{at}.{name}: missing"


def _is_optional(hint: Any) -> bool:
    return hint is Any or type(None) in get_args(hint)


def _value(value: Any, hint: Any, at: str) -> Iterator[str]:
    origin = get_origin(hint)
    if hint is Any or value is None:
        if value is None and not _is_optional(hint):
            yield f"{at}: must not be null"
    elif origin in (Union, types.UnionType):
        tries = [list(_value(value, one, at)) for one in get_args(hint) if one is not type(None)]
        if all(tries):
            yield from min(tries, key=len)
    elif origin is Literal:
        if value not in get_args(hint):
            yield f"{at}: {value!r} is none of {get_args(hint)}"
    elif origin is list:
        yield from _items(value, get_args(hint)[0], at)
    elif hint in (int, str, bool, float):
        if type(value) is not hint:
            yield f"{at}: {value!r} is no {hint.__name__}"
    elif _is_described(hint):
        yield from _object(value, hint, at)


def _items(value: Any, hint: Any, at: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{at}: {value!r} is no list"
        return
    for number, one in enumerate(value):
        yield from _value(one, hint, f"{at}[{number}]")


def _is_described(hint: Any) -> bool:
    """Whether the package says what is in an object, and not only that it is one."""
    if not isinstance(hint, type) or not issubclass(hint, stripe.StripeObject):
        return False
    return hint.__module__.startswith("stripe") and bool(vars(hint).get("__annotations__"))
