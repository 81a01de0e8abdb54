"""What wraps every request: its id, its log line, its metric, and the browser's protections."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import structlog
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import DisallowedHost
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware

from config import metrics, views

log = structlog.get_logger("piecework.request")

Handler = Callable[[HttpRequest], HttpResponseBase]

#: Orchestrators ask these by a machine's address, which is in nobody's list of names.
_ASKED_BY_ADDRESS = frozenset({"/healthz", "/readyz", "/metrics"})
#: These answers have no body, and by the protocol no length.
_BODILESS = frozenset({204, 304})
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
#: A page may load its own files and nothing else; no inline script or style runs anywhere.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
#: An answer of the API is data: nothing in it may ever run.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


class RequestMiddleware:
    """Gives each request an id, measures it, logs it, and sets the content policy."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.log_all: bool = settings.LOG_REQUESTS

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer one request."""
        started = time.perf_counter()
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = _foreign_host(request) or self.get_response(request)
        seconds = time.perf_counter() - started
        match = request.resolver_match
        route = (match.view_name or "unnamed") if match else "none"
        method = request.method or "?"
        metrics.observe_request(method, route, response.status_code, seconds)
        headers = response.headers
        headers["X-Request-ID"] = request_id
        if isinstance(response, HttpResponse) and response.status_code not in _BODILESS:
            # Else the server sends it in chunks; the API's answers pass by the middleware for that.
            headers.setdefault("Content-Length", str(len(response.content)))
        page = headers.get("Content-Type", "").startswith("text/html")
        headers.setdefault("Content-Security-Policy", PAGE_POLICY if page else DATA_POLICY)
        headers.setdefault("X-Frame-Options", "DENY")
        headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), payment=()")
        is_failure = response.status_code >= 500 and request.path_info not in _ASKED_BY_ADDRESS
        if self.log_all or is_failure:
            log.info(
                "request",
                method=method,
                path=request.path,
                route=route,
                status=response.status_code,
                milliseconds=round(seconds * 1000, 1),
            )
        return response

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """A database that is away, or has no connection to spare, is a pause, not a failure."""
        if not isinstance(exception, (OperationalError, InterfaceError)):
            return None
        log.warning("database_unavailable", path=request.path, error=str(exception).strip())
        response = views.problem(503, "unavailable", "The database does not answer; try again.")
        response.headers["Retry-After"] = "2"
        return response


def _foreign_host(request: HttpRequest) -> HttpResponseBase | None:
    """Refuse a request that names another site, unless it only asks after our health."""
    try:
        request.get_host()
    except DisallowedHost:
        if request.path_info in _ASKED_BY_ADDRESS:
            return None
        return views.problem(400, "bad_host", "This site does not go by that name.")
    return None


class BrowserOnly:
    """Lets a request of the API's pass untouched: it carries a token, not a session.

    Without a cookie, or with an Authorization header, a request under ``/api/`` has nothing that
    these middlewares could use; skipping them keeps the claim path short.
    """

    def __call__(self, request: HttpRequest) -> Any:
        """Run the wrapped middleware, or pass by it."""
        if is_token_request(request):
            return self.get_response(request)  # type: ignore[attr-defined]
        return super().__call__(request)  # type: ignore[misc]


def is_token_request(request: HttpRequest) -> bool:
    """Whether a request can only be authenticated by a token."""
    meta = request.META
    return request.path_info.startswith("/api/") and (
        "HTTP_AUTHORIZATION" in meta or not meta.get("HTTP_COOKIE")
    )


class Sessions(BrowserOnly, SessionMiddleware):
    """Sessions for pages."""


class Common(BrowserOnly, CommonMiddleware):
    """Host checks and slashes for pages; the API's paths are exact."""

    def __call__(self, request: HttpRequest) -> Any:
        """Whoever asks after our health names a machine's address, which this would refuse."""
        if request.path_info in _ASKED_BY_ADDRESS:
            return self.get_response(request)
        return super().__call__(request)


class Csrf(BrowserOnly, CsrfViewMiddleware):
    """Cross-site protection for whatever a cookie signs in."""

    def process_view(self, request: HttpRequest, *view: Any) -> Any:
        """Check the token of a request that a browser could be tricked into."""
        return None if is_token_request(request) else super().process_view(request, *view)


class Authentication(BrowserOnly, AuthenticationMiddleware):
    """The signed-in person of a page."""


class Messages(BrowserOnly, MessageMiddleware):
    """One-time notices of a page."""
