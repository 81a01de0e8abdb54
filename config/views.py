"""The landing page, and what operators ask a running site."""

from __future__ import annotations

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from config import metrics as prometheus


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """The front door: what this is and where to go."""
    return render(request, "landing.html", {"debug": settings.DEBUG})


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Whether this process answers; says nothing of what stands behind it."""
    return JsonResponse({"status": "ok"})


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' page."""
    return HttpResponse(
        prometheus.exposition(), content_type="text/plain; version=0.0.4; charset=utf-8"
    )


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether this site can do its work: database, migrations, and how far the sweeps lag."""
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return JsonResponse({"status": "unready", "database": "unreachable"}, status=503)
    body = {"status": "unready" if waiting else "ok", "database": "ok", "migrations": len(waiting)}
    return JsonResponse(body, status=503 if waiting else 200)
