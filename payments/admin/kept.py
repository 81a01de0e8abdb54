"""What every page of this plane's admin has in common."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from payments import money


class KeptAdmin(admin.ModelAdmin):
    """Rows that are looked at: not added, changed or deleted here."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Rows come from services."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are changed by services."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Books are kept."""
        return False


def person(request: HttpRequest) -> UUID:
    """Who is asking; the admin lets nobody in who is not logged in."""
    assert request.user.pk is not None
    return UUID(str(request.user.pk))


def amount(micros: int | None, currency: str) -> str:
    """An amount for people; a dash for none."""
    return "–" if micros is None else money.display(micros, currency)


def link(name: str, text: Any, *args: Any, query: str = "") -> str:
    """A link to an admin page by URL name, as text alone where there is no such page."""
    try:
        place = reverse(f"admin:{name}", args=args)
    except NoReverseMatch:
        return str(text)
    return format_html('<a href="{}{}">{}</a>', place, f"?{query}" if query else "", text)
