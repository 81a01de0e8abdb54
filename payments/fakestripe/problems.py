"""Refusals in Stripe's form."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An answer that is not 200. ``is_kept``: whether an idempotency key remembers it."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",  # noqa: A002 - Stripe's word
        code: str | None = None,
        param: str | None = None,
        is_kept: bool = True,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.is_kept = is_kept

    def body(self) -> dict[str, Any]:
        """What is sent."""
        found = {"type": self.type, "message": str(self)}
        if self.code is not None:
            found["code"] = self.code
        if self.param is not None:
            found["param"] = self.param
        return {"error": found}


class BadParameter(Refusal):
    """A request that never began: no idempotency key remembers it."""

    def __init__(self, message: str, param: str, code: str) -> None:
        super().__init__(message, code=code, param=param, is_kept=False)


def missing(kind: str, id: str, *, param: str = "id") -> Refusal:  # noqa: A002
    """No object of that kind goes by that id."""
    return Refusal(f"No such {kind}: '{id}'", status=404, code="resource_missing", param=param)


def server_error() -> Refusal:
    """Stripe's own failure, which says nothing of what happened."""
    return Refusal("An unknown error occurred", status=500, type="api_error")
