"""Sending events as signed webhooks: doubled, lost or out of order when that is asked for."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import stripe

from payments.fakestripe.store import Store

TRIES = 5
_PAUSES = (1.0, 3.0, 10.0, 30.0)


@dataclass(frozen=True)
class Notice:
    """One webhook ready to go."""

    event_id: str
    body: bytes
    signature: str


class Notices:
    """Sends what is in the outbox to an address, in a thread of its own.

    ``mode`` is ``ordered``, ``shuffled``, ``doubled`` or ``lost``.
    """

    def __init__(self, store: Store, *, url: str, secret: str) -> None:
        self.store = store
        self.url = url
        self.secret = secret
        self.mode = "ordered"
        self.waiting: list[tuple[float, int, str]] = []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name="notices", daemon=True)

    def take(self) -> list[Notice]:
        """Take the outbox as signed webhooks, in the order and number that the mode asks for."""
        with self.store.lock:
            ids, self.store.outbox = self.store.outbox, []
        if self.mode == "lost":
            return []
        if self.mode == "doubled":
            ids = [one for one in ids for _ in range(2)]
        if self.mode == "shuffled":
            random.shuffle(ids)
        return [self.sign(one) for one in ids]

    def sign(self, event_id: str) -> Notice:
        """An event as it goes over the wire now, signed by the package's own code."""
        body = json.dumps(self.store.objects[event_id], indent=2)
        signature = stripe.WebhookSignature.generate_signature_header(body, self.secret)
        return Notice(event_id, body.encode(), signature)

    def start(self) -> None:
        """Begin to send."""
        self.thread.start()

    def stop(self) -> None:
        """Send no more."""
        self.stopped.set()
        if self.thread.is_alive():
            self.thread.join()

    def _run(self) -> None:
        while not self.stopped.wait(0.1):
            self.waiting += [(0.0, 0, one.event_id) for one in self.take()]
            now = time.monotonic()
            due = [one for one in self.waiting if one[0] <= now]
            self.waiting = [one for one in self.waiting if one[0] > now]
            for _, tries, event_id in due:
                if not self._send(self.sign(event_id)) and tries + 1 < TRIES:
                    self.waiting.append((now + _PAUSES[tries], tries + 1, event_id))

    def _send(self, notice: Notice) -> bool:
        place = urlsplit(self.url)
        kind = (
            http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
        )
        connection = kind(place.hostname or "", place.port, timeout=10)
        try:
            connection.request(
                "POST",
                place.path or "/",
                body=notice.body,
                headers={
                    "Content-Type": "application/json; charset=utf-8",
                    "Stripe-Signature": notice.signature,
                    "User-Agent": "Stripe/1.0 (stand-in)",
                },
            )
            return 200 <= connection.getresponse().status < 300
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
