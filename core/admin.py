"""People and access in the admin. Nobody raises their own rights there, and nothing is deleted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest

from core import clock
from core.models import ApiToken, Membership, Organization, User

_RIGHTS = ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")


class KeptAdmin(admin.ModelAdmin):
    """Rows that are looked at: not added, changed or deleted here."""

    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Rows come from the services."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What a page changes, it changes through a service."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows that mean something stay."""
        return False


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    """People. Rights are given by a superuser, and never by somebody to themselves."""

    ordering = ("-id",)
    list_display = ("email", "name", "is_active", "is_staff", "created_at")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name", "id")
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": ("email", "password", "name")}),
        ("Rights", {"fields": _RIGHTS}),
        ("Times", {"fields": ("last_login", "created_at")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "password1", "password2")}),)
    filter_horizontal = ("groups", "user_permissions")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The rights of oneself, and everybody's for who is no superuser."""
        fixed = ("created_at", "last_login")
        if obj is None or (request.user.is_superuser and obj.pk != request.user.pk):
            return fixed
        return (*fixed, *_RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who sets the password or address of staff can act as them, as a second pair of eyes too.

        So a superuser does that, and everybody for themselves.
        """
        is_other = obj is not None and obj.pk != request.user.pk
        if is_other and (obj.is_staff or obj.is_superuser) and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A person who leaves is made inactive."""
        return False


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin):
    """What a group may do, its members may do: only a superuser says so."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether this person is a superuser."""
        return bool(request.user.is_active and request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether this person is a superuser."""
        return self.has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether this person is a superuser."""
        return self.has_add_permission(request)


class MembershipInline(admin.TabularInline):
    """Who acts for an organization."""

    model = Membership
    extra = 0
    can_delete = False
    readonly_fields = ("user", "role", "created_at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Owners choose their members."""
        return False


@admin.register(Organization)
class OrganizationAdmin(KeptAdmin):
    """Requesters."""

    list_display = ("name", "created_at", "id")
    search_fields = ("name", "id")
    inlines = (MembershipInline,)


@admin.register(ApiToken)
class ApiTokenAdmin(KeptAdmin):
    """Tokens: never shown, only ended."""

    list_display = (
        "name",
        "hint",
        "user",
        "organization",
        "created_at",
        "expires_at",
        "revoked_at",
    )
    list_select_related = ("user", "organization")
    search_fields = ("user__email", "name", "hint")
    exclude = ("digest",)
    actions = ("revoke",)

    @admin.action(description="Revoke the selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """End them now."""
        ended = queryset.filter(revoked_at=None).update(revoked_at=clock.now())
        self.message_user(request, f"{ended} tokens revoked.", messages.SUCCESS)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Who may change tokens may end them."""
        return bool(request.user.has_perm("core.change_apitoken"))
