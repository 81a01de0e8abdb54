"""A customer's web server that takes webhooks: real HTTP on loopback, told how to behave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What arrived, and how the next ones are answered."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    #: Given the number of requests so far, answers the status, or handles the request itself.
    answer: Callable[[int, BaseHTTPRequestHandler], int | None] = lambda _count, _handler: 200
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def ids(self) -> list[str]:
        return [one.headers["webhook-id"] for one in self.received]


@contextmanager
def receiver(
    answer: Callable[[int, BaseHTTPRequestHandler], int | None] | None = None,
    *,
    wrap: Callable[[Any], Any] | None = None,
) -> Iterator[Receiver]:
    """Serve on a free port of 127.0.0.1 until the block ends; `wrap` may put TLS around it."""
    state = Receiver()
    if answer is not None:
        state.answer = answer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with state.lock:
                state.received.append(Received(self.path, headers, body))
                count = len(state.received)
            status = state.answer(count, self)
            if status is not None:
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_args: Any) -> None:
            pass  # a caller that hangs up is part of the trial

    server = Server(("127.0.0.1", 0), Handler)
    if wrap is not None:
        server.socket = wrap(server.socket)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def drip(pause: float, *, head: bytes) -> Callable[[int, BaseHTTPRequestHandler], None]:
    """Answer byte by byte with a pause between, for as long as somebody listens."""

    def answer(_count: int, handler: BaseHTTPRequestHandler) -> None:
        try:
            for byte in head:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(pause)
        except OSError:
            pass
        handler.close_connection = True

    return answer
