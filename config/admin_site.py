"""The admin's site: its titles, and a log-in that counts before it looks at a password."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from config import views
from core import errors
from core.http import throttles


class Site(admin.AdminSite):
    """Django's admin as this project mounts it."""

    site_header = "Piecework administration"
    site_title = "Piecework"
    index_title = "People, jobs, labor and money"
    # Tables of money are wide; the breadcrumbs and the index lead everywhere.
    enable_nav_sidebar = False

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form, and what is sent with it; tries are limited as the API's are."""
        if request.method == "POST":
            try:
                throttles.count_log_in(request, request.POST.get("username", ""))
            except errors.TooMany as problem:
                refused = views.lost(request, problem.status, problem.code, problem.detail)
                refused.headers["Retry-After"] = str(problem.retry_after)
                return refused
        return super().login(request, extra_context)
