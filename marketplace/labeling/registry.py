"""The kinds there are: every module of this package that has a `KIND`, by its name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

from marketplace import labeling
from marketplace.labeling.base import Kind


def _found() -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(labeling.__path__)):
        if module == "registry":
            continue
        kind = getattr(importlib.import_module(f"{labeling.__name__}.{module}"), "KIND", None)
        if kind is None:
            continue
        if kind.name in kinds:
            raise RuntimeError(f"{module}: there are two kinds {kind.name!r}")
        kinds[kind.name] = kind
    return kinds


#: Every kind by its name.
KINDS: Mapping[str, Kind] = MappingProxyType(_found())


def get(name: str) -> Kind:
    """The kind of this name. Raises KeyError."""
    return KINDS[name]
