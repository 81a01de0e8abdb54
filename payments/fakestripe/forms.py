"""Form-encoded parameters as Stripe reads them: ``a[b][0]=c`` is ``{"a": {"b": {"0": "c"}}}``."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from payments.fakestripe.problems import BadParameter

_KEY = re.compile(r"[^\[\]]+|\[[^\[\]]*\]")


def parse(text: str) -> dict[str, Any]:
    """The tree of a form; leaves are strings. Raises BadParameter."""
    tree: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)):
        parts = [part.strip("[]") for part in _KEY.findall(key)]
        if not parts or "".join(_KEY.findall(key)) != key:
            raise BadParameter(f"Invalid parameter name: {key}", key, "parameter_unknown")
        place = tree
        for part in parts[:-1]:
            found = place.setdefault(part, {})
            if not isinstance(found, dict):
                raise BadParameter(f"Invalid hash: {key}", key, "parameter_invalid")
            place = found
        leaf = parts[-1] or str(len(place))
        if leaf in place:
            raise BadParameter(f"Given twice: {key}", key, "parameter_invalid")
        place[leaf] = value
    return tree
