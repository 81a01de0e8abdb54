"""Idempotency as Stripe keeps it: the first answer of a key, failures included, for one day."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from payments.fakestripe.problems import Refusal

KEPT_SECONDS = 86_400


@dataclass
class Kept:
    """The answer of a key; ``status`` 0 means that the first request still runs."""

    fingerprint: str
    since: int
    status: int = 0
    body: Any = None


class Keys:
    """The keys of all accounts."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}

    def begin(self, key: str, fingerprint: str, now: int) -> Kept | None:
        """Take a key, or get the answer it has already.

        Raises Refusal: the key was used for something else, or is in use at this moment.
        """
        found = self.kept.get(key)
        if found is None or found.since + KEPT_SECONDS <= now:
            self.kept[key] = Kept(fingerprint, now)
            return None
        if found.fingerprint != fingerprint:
            raise Refusal(
                "Keys for idempotent requests can only be used with the same parameters they were"
                f" first used with. Try using a key other than '{key}'.",
                type="idempotency_error",
                is_kept=False,
            )
        if not found.status:
            raise Refusal(
                f"There is currently another in-progress request using the key '{key}'.",
                status=409,
                type="idempotency_error",
                code="idempotency_key_in_use",
                is_kept=False,
            )
        return found

    def finish(self, key: str, status: int, body: Any) -> None:
        """Keep the answer of a key."""
        self.kept[key].status = status
        self.kept[key].body = body

    def forget(self, key: str) -> None:
        """Give a key back: its request never began."""
        self.kept.pop(key, None)

    def dump(self) -> dict[str, Any]:
        """The answered keys as plain data."""
        return {key: asdict(one) for key, one in self.kept.items() if one.status}

    def load(self, kept: dict[str, Any]) -> None:
        """Take over what dump gave."""
        self.kept = {key: Kept(**one) for key, one in kept.items()}
