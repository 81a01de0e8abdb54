"""The other side of a measurement: workers that claim and submit over HTTP, in a process apart.

Speaks HTTP/1.1 over kept-open sockets with requests made in advance and looks at no more of an
answer than it must, so that it takes little of the machine that it measures. Reads one JSON object
from standard input and writes one to standard output. Imports nothing of the product.
"""

from __future__ import annotations

import json
import random
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any


class Line:
    """One kept-open connection; opened again when the server closes it."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.socket: socket.socket | None = None
        self.buffer = b""

    def ask(self, request: bytes) -> tuple[int, bytes, bytes]:
        """Status, head and body of the answer. Tried once more on a connection that was closed."""
        for attempt in (1, 2):
            try:
                if self.socket is None:
                    self.socket = socket.create_connection(self.address, timeout=60)
                    self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.buffer = b""
                self.socket.sendall(request)
                return self._answer()
            except (ConnectionError, TimeoutError):
                self.close()
                if attempt == 2:
                    raise
        raise AssertionError

    def _answer(self) -> tuple[int, bytes, bytes]:
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            self._read()
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        while len(self.buffer) < end + 4 + length:
            self._read()
        body = self.buffer[end + 4 : end + 4 + length]
        self.buffer = self.buffer[end + 4 + length :]
        return int(head[9:12]), head, body

    def _read(self) -> None:
        assert self.socket is not None
        more = self.socket.recv(65536)
        if not more:
            raise ConnectionResetError
        self.buffer += more

    def close(self) -> None:
        """Let the connection go."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None


@dataclass
class Tally:
    """What one worker saw. Times are in milliseconds."""

    pairs: int = 0
    claim_ms: list[float] = field(default_factory=list)
    submit_ms: list[float] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    claims: list[str] = field(default_factory=list)
    is_done: bool = False

    def note(self, status: int, body: bytes) -> None:
        """Count an answer that was not expected."""
        code = str(status)
        if body.startswith(b"{"):
            code += " " + str(json.loads(body).get("code", ""))
        self.refused[code] = self.refused.get(code, 0) + 1


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """A whole request."""
    return (
        b"%b %b HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (method.encode(), path.encode(), token.encode(), len(body), body)
    )


def post(path: str, token: str, body: bytes = b"{}") -> bytes:
    """A whole POST."""
    return request("POST", path, token, body)


def claim_id(body: bytes) -> str:
    """The assignment's id: the first thing in a claim's body."""
    return body[7:43].decode()


class Worker(threading.Thread):
    """One worker at work until the time is up or nothing is left."""

    def __init__(self, order: dict[str, Any], token: str, until: float) -> None:
        super().__init__(daemon=True)
        self.order = order
        self.token = token
        self.until = until
        self.tally = Tally()
        self.line = Line("127.0.0.1", order["port"])
        self.chance = random.Random(token)  # noqa: S311 - no secret
        self.claim = post(f"/api/v1/jobs/{order.get('job', '')}/claim", token)
        self.answer = json.dumps({"answer": order.get("answer")}).encode()

    def run(self) -> None:
        """Do as ordered."""
        try:
            getattr(self, f"do_{self.order['mode']}")()
        except OSError as error:
            self.tally.refused[str(error)] = 1
        self.line.close()

    @property
    def is_time(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self.until

    @property
    def left(self) -> float:
        """Seconds left."""
        return max(0.0, self.until - time.monotonic())

    def do_pairs(self) -> None:
        """Claim, submit, claim, submit."""
        rest = self.order.get("rest", 0)
        while self.is_time and (claim := self._claim()):
            self._submit(claim, "")
            if rest:
                time.sleep(rest)

    def do_fused(self) -> None:
        """Claim once; then each submit brings the next claim."""
        claim = self._claim()
        while claim and self.is_time:
            body = self._submit(claim, "?next=1")
            at = body.find(b'"next":{"id":"')
            claim = body[at + 14 : at + 50].decode() if at >= 0 else self._claim()

    def do_drain(self) -> None:
        """Pairs until a full lap finds nothing left for this worker."""
        while self.is_time:
            claim = self._claim()
            if claim is None:
                break
            self._submit(claim, "")

    def do_double(self) -> None:
        """Each claim is asked for twice at the same moment, as by a double click."""
        other = Line("127.0.0.1", self.order["port"])
        while self.is_time:
            found: list[tuple[int, bytes, bytes]] = []
            twin = threading.Thread(target=lambda got=found: got.append(other.ask(self.claim)))
            twin.start()
            found.append(self.line.ask(self.claim))
            twin.join()
            ids = {claim_id(body) for status, _, body in found if status == 201}
            for status, _, body in found:
                if status not in (201, 204):
                    self.tally.note(status, body)
            if len(ids) > 1:
                self.tally.refused["two live claims"] = 1
            if not ids:
                break
            for claim in ids:
                self._submit(claim, "")
        other.close()

    def do_offers(self) -> None:
        """Be available; take most offers, decline some, leave some to lapse."""
        self._declare()
        ignored: set[str] = set()
        while self.is_time:
            offer = self._poll()
            if offer is None or offer in ignored:
                continue
            luck = self.chance.random()
            if luck < self.order["ignore"]:
                ignored.add(offer)
                continue
            verb = "decline" if luck < self.order["ignore"] + self.order["decline"] else "accept"
            status, _, body = self.line.ask(post(f"/api/v1/offers/{offer}/{verb}", self.token))
            if verb == "accept" and status in (200, 201):
                time.sleep(self.order["work"] * self.chance.random() * 2)
                self._submit(json.loads(body)["id"], "")
            elif status not in (200, 201):
                self.tally.note(status, body)

    def do_idle(self) -> None:
        """Be available and ask for offers as the server says."""
        self._declare()
        while self.is_time:
            self._poll()

    def _declare(self) -> None:
        body = {"specialties": [self.order["specialty"]], "until": self.order["until"]}
        status, _, said = self.line.ask(
            request("PUT", "/api/v1/availability", self.token, json.dumps(body).encode())
        )
        if status != 200:
            self.tally.note(status, said)

    def _poll(self) -> str | None:
        """The id of the open offer; without one, wait as long as the server says."""
        status, head, body = self.line.ask(request("GET", "/api/v1/offers", self.token))
        if status == 200:
            found: str = json.loads(body)["id"]
            return found
        if status != 204:
            self.tally.note(status, body)
        at = head.find(b"retry-after:")
        wait = int(head[at + 12 :].split(b"\r\n", 1)[0]) if at >= 0 else 1
        if wait > 5:
            self.line.close()  # nobody who waits long holds a connection
        time.sleep(max(0.0, min(wait * (0.8 + 0.4 * self.chance.random()), self.left)))
        return None

    def do_empty(self) -> None:
        """Ask an endpoint that only authenticates."""
        request = post(self.order["path"], self.token)
        while self.is_time:
            status, _, body = self.line.ask(request)
            if status == 200:
                self.tally.pairs += 1
            else:
                self.tally.note(status, body)

    def _claim(self) -> str | None:
        """The next claim's id; None at the end of the time, or when nothing is left."""
        while self.is_time:
            began = time.perf_counter()
            status, head, body = self.line.ask(self.claim)
            if status == 201:
                self.tally.claim_ms.append((time.perf_counter() - began) * 1000)
                return claim_id(body)
            if status != 204:
                self.tally.note(status, body)
                time.sleep(0.05)
            elif b"x-remaining: none" in head:
                self.tally.is_done = True
                return None
            else:
                time.sleep(self.order.get("pause", 0.05))
        return None

    def _submit(self, claim: str, query: str) -> bytes:
        path = f"/api/v1/assignments/{claim}/submit{query}"
        began = time.perf_counter()
        status, _, body = self.line.ask(post(path, self.token, self.answer))
        if status == 200:
            self.tally.submit_ms.append((time.perf_counter() - began) * 1000)
            self.tally.pairs += 1
            if self.order.get("remember"):
                self.tally.claims.append(claim)
        else:
            self.tally.note(status, body)
        return body


def main() -> None:
    """Read the order, let the workers work, report."""
    order = json.load(sys.stdin)
    threading.stack_size(256 * 1024)
    workers: list[Worker] = []
    started = time.monotonic()
    until = started + order["seconds"]

    def stop(*_: object) -> None:
        for worker in workers:
            worker.until = 0.0

    signal.signal(signal.SIGTERM, stop)
    workers += [Worker(order, token, until) for token in order["tokens"]]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.monotonic() - started
    tallies = [worker.tally for worker in workers]
    refused: dict[str, int] = {}
    for tally in tallies:
        for code, count in tally.refused.items():
            refused[code] = refused.get(code, 0) + count
    json.dump(
        {
            "seconds": seconds,
            "pairs": sum(tally.pairs for tally in tallies),
            "claim_ms": sorted(ms for tally in tallies for ms in tally.claim_ms),
            "submit_ms": sorted(ms for tally in tallies for ms in tally.submit_ms),
            "refused": refused,
            "claims": [claim for tally in tallies for claim in tally.claims],
            "done": sum(tally.is_done for tally in tallies),
            "cpu_seconds": time.process_time(),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
