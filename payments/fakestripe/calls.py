"""What a handler gets of a request, and the shapes that several of them answer with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from payments.fakestripe.problems import Refusal, missing
from payments.fakestripe.store import Store, Thing


@dataclass(frozen=True)
class Call:
    """One request that has passed all checks. ``owner`` is the account it acts for."""

    store: Store
    owner: str
    params: dict[str, Any]
    args: dict[str, str]
    base_url: str
    request: str


Handler = Callable[[Call], Thing]


def page(call: Call, things: Iterable[Thing], url: str) -> Thing:
    """A page of a list, newest first, by ``limit``, ``starting_after`` and ``created``."""
    newest_first = list(things)[::-1]
    after = call.params.get("starting_after")
    if after is not None:
        places = [place for place, thing in enumerate(newest_first) if thing["id"] == after]
        if not places:
            raise missing("object", after, param="starting_after")
        newest_first = newest_first[places[0] + 1 :]
    newest_first = [one for one in newest_first if _created(one, call.params.get("created"))]
    limit = call.params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise Refusal("This value must be between 1 and 100.", param="limit")
    return {
        "object": "list",
        "url": url,
        "has_more": len(newest_first) > limit,
        "data": newest_first[:limit],
    }


def _created(thing: Thing, wanted: Any) -> bool:
    if wanted is None:
        return True
    if isinstance(wanted, int):
        return bool(thing["created"] == wanted)
    made: int = thing["created"]
    return wanted.get("gt", made - 1) < made < wanted.get("lt", made + 1) and wanted.get(
        "gte", made
    ) <= made <= wanted.get("lte", made)


def expanded(store: Store, thing: Thing, paths: list[str]) -> Thing:
    """A copy of an answer with these ids replaced by what they stand for."""
    copy: Thing = json.loads(json.dumps(thing))
    for path in paths:
        _expand(store, copy, path.split("."), path)
    return copy


def _expand(store: Store, thing: Any, parts: list[str], path: str) -> None:
    name, rest = parts[0], parts[1:]
    if isinstance(thing, list):
        for one in thing:
            _expand(store, one, parts, path)
        return
    if not isinstance(thing, dict) or name not in thing:
        raise Refusal(f"This property cannot be expanded ({path}).", param="expand")
    if isinstance(thing[name], str):
        found = store.objects.get(thing[name])
        if found is None:
            raise Refusal(f"This property cannot be expanded ({path}).", param="expand")
        thing[name] = json.loads(json.dumps(found))
    if rest and thing[name] is not None:
        _expand(store, thing[name], rest, path)
