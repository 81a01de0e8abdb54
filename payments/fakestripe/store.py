"""What the stand-in remembers: objects, idempotency keys, its clock, faults to come, notices."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from payments.fakestripe.faults import Faults
from payments.fakestripe.keys import Keys
from payments.fakestripe.problems import missing

API_VERSION = "2026-10-28.endive"
DAY = 86_400

#: An object of Stripe's, as it goes over the wire.
Thing = dict[str, Any]


class Store:
    """Everything, behind one lock: whoever reads or writes holds ``lock``.

    ``settle_seconds`` is how long a charge stays in pending; ``payout_seconds`` how long after its
    arrival the money of a connected account is paid to its bank (None: only when told to).
    ``file`` keeps it all over a restart.
    """

    def __init__(
        self,
        *,
        settle_seconds: int = 2 * DAY,
        payout_seconds: int | None = None,
        file: Path | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.settle_seconds = settle_seconds
        self.payout_seconds = payout_seconds
        self.file = file
        self.objects: dict[str, Thing] = {}
        #: The connected account an object belongs to; "" is the platform.
        self.owners: dict[str, str] = {}
        #: What Stripe keeps of an object and does not show: a page's token, what a payout settles.
        self.hidden: dict[str, Any] = {}
        self.offset = 0
        self.keys = Keys()
        self.faults = Faults()
        #: Ids of events that have still to be sent.
        self.outbox: list[str] = []
        if file is not None and file.exists():
            self._load(file)

    # --- time --------------------------------------------------------------------------------
    def now(self) -> int:
        """Seconds since 1970 by the stand-in's own clock."""
        return int(time.time()) + self.offset

    def advance(self, seconds: int) -> None:
        """Move the clock forward."""
        with self.lock:
            self.offset += seconds

    # --- objects -----------------------------------------------------------------------------
    def new_id(self, prefix: str) -> str:
        """An id that was never given before."""
        return f"{prefix}_F{secrets.token_hex(9)}"

    def add(self, thing: Thing, owner: str = "") -> Thing:
        """Keep a new object."""
        self.objects[thing["id"]] = thing
        self.owners[thing["id"]] = owner
        return thing

    def get(self, kind: str, id: str, owner: str = "", *, param: str = "id") -> Thing:  # noqa: A002
        """An object of an owner. Raises Refusal 404."""
        found = self.objects.get(id)
        if found is None or found["object"] != kind or self.owners[id] != owner:
            raise missing(kind.rsplit(".", maxsplit=1)[-1], id, param=param)
        return found

    def all(self, kind: str, owner: str | None = "") -> Iterator[Thing]:
        """The objects of a kind, oldest first; owner None is everybody's."""
        for id, thing in self.objects.items():  # noqa: A001
            if thing["object"] == kind and owner in (None, self.owners[id]):
                yield thing

    def emit(self, type: str, thing: Thing, account: str = "") -> Thing:  # noqa: A002
        """Put an event about an object, as it is now, into the outbox."""
        event: Thing = {
            "id": self.new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": {"object": json.loads(json.dumps(thing))},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": type,
        }
        if account:
            event["account"] = account
        self.add(event, account)
        self.outbox.append(event["id"])
        return event

    # --- keeping -----------------------------------------------------------------------------
    def save(self) -> None:
        """Write everything to the file, if there is one."""
        if self.file is None:
            return
        with self.lock:
            text = json.dumps(
                {
                    "objects": self.objects,
                    "owners": self.owners,
                    "hidden": self.hidden,
                    "offset": self.offset,
                    "keys": self.keys.dump(),
                    "outbox": self.outbox,
                }
            )
        self.file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.file)

    def _load(self, file: Path) -> None:
        kept = json.loads(file.read_text())
        self.objects, self.owners = kept["objects"], kept["owners"]
        self.hidden, self.offset = kept["hidden"], kept["offset"]
        self.outbox = kept["outbox"]
        self.keys.load(kept["keys"])
