"""How often somebody may ask. Counted in Redis, and done without while Redis is away.

A rate is "so many in so many seconds", counted in fixed windows. The counter that every token has
is gathered in the process and sent in batches, so it costs next to nothing; the strict ones
(signing up, logging in) count each request at once.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.request import Request

from core import errors

#: While Redis is away nobody waits for it again for this long.
BROKEN_SECONDS = 5.0
_SUBJECTS_CAP = 10_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``limit`` requests in ``seconds``, counted in steps of ``batch``.

    ``settings.THROTTLE_RATES`` may give another limit under the rate's name; 0 turns it off.
    """

    name: str
    limit: int
    seconds: int
    batch: int = 1

    @property
    def allowed(self) -> int:
        """The limit in force."""
        rates: dict[str, int] = getattr(settings, "THROTTLE_RATES", {})
        return rates.get(self.name, self.limit)


#: Each token, apart from requests that are naturally bounded (the hot path among them).
TOKEN = Rate("token", limit=3_000, seconds=60, batch=20)
#: Each address that asks without a token.
PUBLIC = Rate("public", limit=600, seconds=60, batch=10)
SIGN_UP = Rate("sign_up", limit=20, seconds=3600)
LOG_IN_ADDRESS = Rate("log_in_address", limit=100, seconds=900)
LOG_IN_ACCOUNT = Rate("log_in_account", limit=50, seconds=900)
LOG_IN_BOTH = Rate("log_in_both", limit=10, seconds=900)
TOKEN_ISSUE = Rate("token_issue", limit=60, seconds=3600)
#: Looking for people by their address, by organization and by person.
MEMBERS = Rate("members", limit=100, seconds=3600)


def count(rate: Rate, subject: object) -> None:
    """Count one request of this subject. Raises TooMany; never fails otherwise."""
    allowed = rate.allowed
    if not allowed:
        return
    now = time.time()
    window = int(now // rate.seconds)
    key = (rate.name, str(subject), window)
    due = _gathered.add(key) if rate.batch > 1 else 1
    if due < rate.batch:
        seen = _gathered.total(key)
    else:
        known = _increment(key, due, rate.seconds)
        seen = _gathered.learn(key, known) if rate.batch > 1 else known
    if seen > allowed:
        wait = max(1, int((window + 1) * rate.seconds - now) + 1)
        raise errors.TooMany("You ask too often; wait a little.", retry_after=wait)


def count_log_in(request: HttpRequest | Request, account: str) -> None:
    """Count one try to log in, before the password is looked at. Raises TooMany."""
    address, account = address_of(request), account.strip().lower()
    count(LOG_IN_BOTH, f"{address} {account}")
    count(LOG_IN_ADDRESS, address)
    count(LOG_IN_ACCOUNT, account)


def address_of(request: HttpRequest | Request) -> str:
    """The client's address: the proxy's word for it only where a proxy is known to stand."""
    meta = request.META
    forwarded: str = meta.get("HTTP_X_FORWARDED_FOR", "")
    if forwarded and settings.SECURE_PROXY_SSL_HEADER is not None:
        # The proxy next to us appends what it saw; what stands before may be made up.
        return forwarded.rsplit(",", 1)[-1].strip()[:64]
    return str(meta.get("REMOTE_ADDR", ""))


_Key = tuple[str, str, int]


class _Gathered:
    """What this process counted and what it knows of the others' counts, of the current windows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[_Key, list[int]] = {}  # [not sent yet, known in all]

    def add(self, key: _Key) -> int:
        """Count one; how many are gathered. They are given out when they are a batch."""
        with self._lock:
            if len(self._counts) >= _SUBJECTS_CAP:
                self._counts.clear()
            found = self._counts.setdefault(key, [0, 0])
            found[0] += 1
            return found[0]

    def total(self, key: _Key) -> int:
        """What is known in all."""
        return sum(self._counts.get(key, (0, 0)))

    def learn(self, key: _Key, known: int) -> int:
        """Take over the count of all processes; with 0 (Redis is away) the counting starts anew."""
        with self._lock:
            found = self._counts.setdefault(key, [0, 0])
            found[0], found[1] = 0, known
            return known

    def forget(self) -> None:
        """Start anew; for tests."""
        with self._lock:
            self._counts.clear()


_gathered = _Gathered()
_broken_until = 0.0


def forget() -> None:
    """Forget what this process counted, and that Redis was away. For tests."""
    global _broken_until  # noqa: PLW0603 - one state a process
    _gathered.forget()
    _broken_until = 0.0


def _increment(key: _Key, by: int, seconds: int) -> int:
    """Add to the counter that all processes share; 0 when it cannot be reached."""
    global _broken_until  # noqa: PLW0603 - one state a process
    if time.monotonic() < _broken_until:
        return 0
    name, subject, window = key
    hashed = hashlib.sha256(subject.encode()).hexdigest()[:24]
    place = f"throttle:{name}:{hashed}:{window}"
    try:
        if cache.add(place, by, timeout=seconds + 5):
            return by
        return int(cache.incr(place, by))
    except ValueError:  # the window ended between the two
        return by
    except Exception as problem:  # noqa: BLE001 - whatever ails Redis, people are let in
        _broken_until = time.monotonic() + BROKEN_SECONDS
        log.warning("throttles are off for %s s: %s", BROKEN_SECONDS, problem)
        return 0
