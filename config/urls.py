"""Where everything is mounted."""

from __future__ import annotations

import importlib.util

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config import views

PLANES = ("core", "payments", "marketplace", "workers")


def _planes(part: str) -> list[URLPattern | URLResolver]:
    """Include the URLs of one interface of every plane that has it."""
    found: list[URLPattern | URLResolver] = []
    for plane in PLANES:
        package = f"{plane}.{part}"
        if not apps.is_installed(plane) or importlib.util.find_spec(package) is None:
            continue
        if importlib.util.find_spec(f"{package}.urls") is not None:
            found.append(path("", include(f"{package}.urls")))
    return found


def _measured() -> list[URLPattern | URLResolver]:
    """What a measurement compares with; mounted while one runs."""
    return [path("", include("config.bench.urls"))] if settings.PIECEWORK_BENCH else []


urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.landing, name="landing"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("outbox/", views.outbox, name="outbox"),
    path("admin/", admin.site.urls),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="schema"),
    path(
        "api/v1/docs/",
        SpectacularSwaggerSplitView.as_view(url_name="schema"),
        name="docs",
    ),
    path("api/v1/", include([*_planes("api"), *_measured()])),
    *_planes("web"),
]

handler400 = views.bad_request
handler403 = views.permission_denied
handler404 = views.not_found
handler500 = views.server_error
