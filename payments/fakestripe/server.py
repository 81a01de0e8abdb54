"""The stand-in over HTTP, on a port of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from payments.fakestripe import engine, pages
from payments.fakestripe.notices import Notices
from payments.fakestripe.problems import Refusal
from payments.fakestripe.store import DAY, Store

_TICK_SECONDS = 1.0
_LONGEST_BODY = 1_000_000


class FakeStripe:
    """A running stand-in: ``url`` goes into the client's base address.

    With ``webhook_url`` events are sent there; ``public_url`` is where browsers find the pages,
    when that is not where the API is. ``watch`` is called with "VERB path" before each request is
    answered, for tests that want to strike at that moment.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        settle_seconds: int = 2 * DAY,
        payout_seconds: int | None = None,
        file: Path | None = None,
        webhook_url: str = "",
        webhook_secret: str = "",
        public_url: str = "",
    ) -> None:
        self.store = Store(settle_seconds=settle_seconds, payout_seconds=payout_seconds, file=file)
        self.notices = Notices(self.store, url=webhook_url, secret=webhook_secret)
        self.watch: Callable[[str], None] | None = None
        self.http = _Server((host, port), self)
        self.url = f"http://{host}:{self.http.server_address[1]}"
        self.public_url = public_url or self.url
        self.stopped = threading.Event()
        self.threads = [
            threading.Thread(
                target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
            )
        ]
        if payout_seconds is not None:
            self.threads.append(threading.Thread(target=self._tick, daemon=True))

    def start(self) -> Self:
        """Serve in the background."""
        for thread in self.threads:
            thread.start()
        if self.notices.url:
            self.notices.start()
        return self

    def stop(self) -> None:
        """Serve no more; ends at once."""
        self.stopped.set()
        self.http.shutdown()
        self.http.server_close()
        self.notices.stop()
        for thread in self.threads:
            thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def _tick(self) -> None:
        while not self.stopped.wait(_TICK_SECONDS):
            engine.tick(self.store)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], fake: FakeStripe) -> None:
        self.fake = fake
        super().__init__(address, _Handler)

    def handle_error(self, *_args: Any) -> None:
        """A caller that hangs up is part of the trial."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, *_args: Any) -> None:
        """The client's own log says what was asked."""

    def _answer(self) -> None:
        length = min(int(self.headers.get("content-length") or 0), _LONGEST_BODY)
        body = self.rfile.read(length).decode("utf-8", "replace")
        place = urlsplit(self.path)
        if self.server.fake.watch is not None:
            self.server.fake.watch(f"{self.command} {place.path}")
        if place.path.startswith("/v"):
            self._api(place.path, place.query, body)
        elif place.path.startswith("/_fake/"):
            self._control(place.path, body)
        else:
            self._page(place.path, body)

    def _api(self, path: str, query: str, body: str) -> None:
        fake = self.server.fake
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = engine.Request(self.command, path, query, body, headers, fake.public_url)
        answer = engine.answer(fake.store, request)
        if answer.hangs_up:
            self.close_connection = True
            return
        self._json(answer.status, answer.body, answer.headers)

    def _control(self, path: str, body: str) -> None:
        try:
            given = json.loads(body or "{}")
            answer = engine.control(self.server.fake.store, self.command, path, given)
        except Refusal as refusal:
            self._json(refusal.status, refusal.body())
        except (KeyError, TypeError, ValueError) as error:
            self._json(400, {"error": {"message": repr(error)}})
        else:
            self._json(200, answer)

    def _page(self, path: str, body: str) -> None:
        shown = pages.show(self.server.fake.store, self.command, path, body)
        headers = {"location": shown.location} if shown.location else {}
        self._send(shown.status, shown.html.encode(), "text/html; charset=utf-8", headers)

    def _json(
        self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        self._send(status, json.dumps(body).encode(), "application/json", headers or {})

    def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-type": kind}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
