"""What a caller may be told. Services raise these; the HTTP floor renders them as RFC 9457 says."""

from __future__ import annotations

from typing import Any, ClassVar


class Problem(Exception):
    """Something that the caller can understand and act on.

    ``errors`` names fields and what is wrong with each; ``extra`` is merged into the answer.
    """

    status: ClassVar[int] = 400
    code: str = "bad_request"
    title: ClassVar[str] = "Bad request"

    def __init__(
        self, detail: str = "", errors: dict[str, list[str]] | None = None, **extra: Any
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.extra = extra


class Invalid(Problem):
    """The request cannot be as it is."""

    code = "invalid"
    title = "Invalid request"


class Unauthenticated(Problem):
    """Nobody known is asking."""

    status = 401
    code = "unauthenticated"
    title = "Not authenticated"


class Forbidden(Problem):
    """Known, but not allowed."""

    status = 403
    code = "forbidden"
    title = "Forbidden"


class NotFound(Problem):
    """Absent, or somebody else's: the two are told alike."""

    status = 404
    code = "not_found"
    title = "Not found"


class Conflict(Problem):
    """The row is in no state for that."""

    status = 409
    code = "conflict"
    title = "Conflict"


class Unprocessable(Problem):
    """Well-formed, and contradicts what was said before."""

    status = 422
    code = "unprocessable"
    title = "Unprocessable"


class TooMany(Problem):
    """Asked too often; ``retry_after`` is in seconds."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests"

    def __init__(self, detail: str = "", *, retry_after: int = 1, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.retry_after = retry_after


class Unavailable(Problem):
    """Cannot be done at the moment; ``retry_after`` is in seconds."""

    status = 503
    code = "unavailable"
    title = "Unavailable"

    def __init__(self, detail: str = "", *, retry_after: int = 2, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.retry_after = retry_after
