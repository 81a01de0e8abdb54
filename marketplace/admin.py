"""Django admin of the data plane: to look at, and to suspend jobs. Facts are not edited here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest

from core import errors
from marketplace.models import (
    Annotation,
    Export,
    GoldAnswer,
    Interface,
    Job,
    JobStats,
    Media,
    Prediction,
    Qualification,
    Resolution,
    Task,
    WebhookDelivery,
    WebhookEndpoint,
)
from marketplace.services import jobs


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows to look at: services change them."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows come from services."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are changed by services."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows that mean something stay."""
        return False


class ReasonForm(ActionForm):
    """An action's reason."""

    reason = forms.CharField(required=False, label="Reason")


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Jobs; an admin can stop one and say why."""

    list_display = (
        "name", "organization", "state", "specialty", "sandbox", "budget_alert", "created_at",
    )  # fmt: skip
    list_filter = ("state", "specialty", "sandbox", "purpose")
    search_fields = ("name", "id")
    list_select_related = ("organization",)
    actions = ("suspend", "unsuspend")
    action_form = ReasonForm

    def has_suspend_permission(self, request: HttpRequest) -> bool:
        """Whoever may change jobs may suspend them."""
        return bool(request.user.has_perm("marketplace.change_job"))  # type: ignore[union-attr]

    @admin.action(description="Suspend: no new claims", permissions=["suspend"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Stop new claims of the chosen jobs; claimed work is still paid."""
        reason = str(request.POST.get("reason", ""))
        for job in queryset:
            self._try(request, lambda job=job: jobs.suspend(  # type: ignore[misc]
                job=job, reason=reason, by=request.user.pk
            ))  # fmt: skip

    @admin.action(description="End the suspension", permissions=["suspend"])
    def unsuspend(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Back to where the chosen jobs were."""
        for job in queryset:
            self._try(request, lambda job=job: jobs.unsuspend(job=job, by=request.user.pk))  # type: ignore[misc]

    def _try(self, request: HttpRequest, act: Any) -> None:
        try:
            job = act()
        except errors.Problem as problem:
            self.message_user(request, str(problem), messages.ERROR)
        else:
            self.message_user(request, f"{job.name}: {job.state}")


@admin.register(Task)
class TaskAdmin(ReadOnlyAdmin):
    """Tasks and their slots."""

    list_display = ("id", "external_id", "role", "state", "wanted", "taken", "remaining")
    list_filter = ("state", "role")
    search_fields = ("=id", "=external_id", "=job__id")
    show_full_result_count = False
    raw_id_fields = ("job",)


@admin.register(Annotation)
class AnnotationAdmin(ReadOnlyAdmin):
    """Answers."""

    list_display = ("id", "task_id", "is_counted", "is_excluded", "is_late", "created_at")
    search_fields = ("=id", "=task__id", "=assignment_ref")


@admin.register(Resolution)
class ResolutionAdmin(ReadOnlyAdmin):
    """Conclusions."""

    list_display = ("id", "task_id", "rule", "confidence", "is_escalated", "is_current")
    list_filter = ("rule", "is_escalated", "is_current")
    search_fields = ("=id", "=task__id")


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin):
    """Addresses that get notices; their secrets are not shown."""

    list_display = ("url", "organization", "is_enabled", "disabled_reason", "deleted_at")
    exclude = ("secret", "previous_secret")


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """Notices and their tries."""

    list_display = ("id", "event_type", "state", "attempts", "next_attempt_at", "last_error")
    list_filter = ("state", "event_type")


@admin.register(Qualification)
class QualificationAdmin(admin.ModelAdmin):
    """What jobs may ask of their workers; the market's own are made here."""

    list_display = ("name", "organization", "specialty", "pass_mark", "questions", "is_active")
    raw_id_fields = ("organization", "exam_job")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One that is no more wanted is switched off."""
        return False


for model in (Interface, JobStats, GoldAnswer, Prediction, Media, Export):
    admin.site.register(model, ReadOnlyAdmin)
