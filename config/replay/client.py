"""A small HTTP client for replays and benches: patient with a server that is being restarted."""

from __future__ import annotations

import time
from typing import Any

import httpx

PATIENCE = 60.0  # seconds a call is tried again while the server is away or busy


class CallFailed(RuntimeError):
    """The server answered with a problem that trying again does not mend."""


class Api:
    """Calls of one token. Safe calls and calls with natural or given keys are repeated on faults."""

    def __init__(self, base_url: str, token: str, *, http: httpx.Client | None = None) -> None:
        self.base = base_url.rstrip("/") + "/api/v1"
        self.headers = {"Authorization": f"Bearer {token}"}
        self.http = http or client()

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        expect: tuple[int, ...] = (200, 201, 202, 204),
    ) -> httpx.Response:
        """One call, tried again while the server is away. Raises CallFailed on another status."""
        deadline = time.monotonic() + PATIENCE
        pause = 0.05
        while True:
            try:
                response = self.http.request(
                    method,
                    self.base + path,
                    json=json,
                    content=content,
                    headers={**self.headers, **(headers or {})},
                )
            except httpx.TransportError as error:
                problem = str(error)
            else:
                if response.status_code in expect:
                    return response
                problem = f"{response.status_code} {response.text[:300]}"
                if response.status_code < 500 and response.status_code != 429:
                    raise CallFailed(f"{method} {path}: {problem}")
            if time.monotonic() > deadline:
                raise CallFailed(f"{method} {path}: gave up after {PATIENCE:.0f} s: {problem}")
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    def get(self, path: str) -> Any:
        """The JSON body of a GET."""
        return self.call("GET", path).json()

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """The JSON body of a POST, with an idempotency key when one is given."""
        headers = {"Idempotency-Key": key} if key else None
        response = self.call("POST", path, json={} if body is None else body, headers=headers)
        return response.json() if response.content else None


def client() -> httpx.Client:
    """A connection pool for several threads on loopback."""
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    return httpx.Client(timeout=30, limits=limits, trust_env=False)
