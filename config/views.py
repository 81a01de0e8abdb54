"""The landing page, what operators ask a running site, and answers to lost requests."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

from config import metrics as prometheus

#: A sweep this far behind is named in /readyz and in the log of whoever watches it.
LAGGING_SECONDS = 300
_OUTBOX_SHOWN = 50


def problem(status: int, code: str, detail: str) -> JsonResponse:
    """An error in the API's form (RFC 9457), for requests that never reach a view of its own."""
    titles = {400: "Bad request", 403: "Forbidden", 404: "Not found", 503: "Unavailable"}
    body = {
        "type": "about:blank",
        "title": titles.get(status, "Server error"),
        "status": status,
        "code": code,
        "detail": detail,
    }
    return JsonResponse(body, status=status, content_type="application/problem+json")


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """The front door: what this is and where to go."""
    return render(request, "landing.html", {"has_outbox": settings.OUTBOX_FOLDER is not None})


@require_safe
def favicon(request: HttpRequest) -> HttpResponseBase:
    """Browsers ask for this place whatever a page says."""
    return redirect(staticfiles_storage.url("config/icon.png"), permanent=True)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Whether this process answers; says nothing of what stands behind it."""
    return JsonResponse({"status": "ok"})


class Readiness:
    """Remembers that every migration is applied: that does not change while a process lives."""

    is_migrated = False

    @classmethod
    def waiting_migrations(cls) -> int:
        """How many migrations of this code the database lacks; raises DatabaseError."""
        if cls.is_migrated:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            return 0
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
        cls.is_migrated = not waiting
        return len(waiting)


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether this site can do its work: database, migrations, and how far the sweeps lag.

    A lagging sweep is told but takes no web process out of service: that would not help it.
    """
    try:
        waiting = Readiness.waiting_migrations()
        oldest = {} if waiting else oldest_due()
    except DatabaseError:
        body: dict[str, Any] = {"status": "unready", "database": "unreachable"}
        return _told(body, 503)
    lagging = sorted(name for name, age in oldest.items() if age > LAGGING_SECONDS)
    body = {
        "status": "unready" if waiting else "ok",
        "database": "ok",
        "migrations_waiting": waiting,
        "oldest_due_seconds": {name: round(age, 1) for name, age in oldest.items()},
        "lagging": lagging,
    }
    return _told(body, 503 if waiting else 200)


def _told(body: dict[str, Any], status: int) -> JsonResponse:
    """The answer to a question that is asked every few seconds: 503 is one, and no failure."""
    response = JsonResponse(body, status=status)
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def oldest_due() -> dict[str, float]:
    """Age in seconds of the oldest due row of every sweep that can tell; raises DatabaseError."""
    from core import sweeps

    found: dict[str, float] = {}
    for name, sweep in sorted(sweeps.registry().items()):
        if sweep.oldest_due is not None:
            found[name] = max(0.0, float(sweep.oldest_due() or 0.0))
    return found


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' page, for whoever has the token where one is asked for."""
    expected = settings.METRICS_TOKEN
    if expected is not None:
        given = request.META.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
        if not expected or not constant_time_compare(given, expected):
            raise Http404
    try:
        lags = oldest_due()
    except DatabaseError:
        lags = {}
    return HttpResponse(prometheus.exposition(lags), content_type=prometheus.CONTENT_TYPE)


@require_safe
def outbox(request: HttpRequest) -> HttpResponse:
    """The mail that a local site would have sent, newest first."""
    folder: Path | None = settings.OUTBOX_FOLDER
    if folder is None:
        raise Http404
    files = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime, reverse=True)
    letters = []
    for file in files[:_OUTBOX_SHOWN]:
        letter = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        body = letter.get_body(("plain", "html"))
        letters.append(
            {
                "subject": letter["subject"],
                "recipients": letter["to"],
                "sent": letter["date"],
                "text": body.get_content() if body is not None else "",
            }
        )
    return render(request, "outbox.html", {"letters": letters})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request that Django refused before any view saw it."""
    return lost(request, 400, "bad_request", "This request is not well formed.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Something that this person may not do."""
    return lost(request, 403, "forbidden", "You may not do this.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A place that does not exist, or not for this person."""
    return lost(request, 404, "not_found", "There is nothing here.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Our own failure; the log has the story under the request's id."""
    return lost(request, 500, "server_error", "Something failed on our side; it is logged.")


def lost(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    """A refusal: a page for people, a problem for programs."""
    if request.path_info.startswith("/api/"):
        return problem(status, code, detail)
    return render(request, "problem.html", {"status": status, "detail": detail}, status=status)
