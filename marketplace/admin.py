"""Django admin of the data plane: to look at everything, and to suspend jobs. Nothing is edited."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import Model, Q, QuerySet
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

REASON_CAP = 500


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows to look at: services change them."""

    show_full_result_count = False
    list_per_page = 50
    #: Fields that an id in the search box is looked up in, by their indexes.
    id_fields: ClassVar[tuple[str, ...]] = ("pk",)
    # Django shows the search box only where there is a field to search.
    search_fields = ("pk",)
    search_help_text = "An id"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows come from services."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows are changed by services."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows that mean something stay."""
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """An id is found by its index; other text in the text fields, where a table has some."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        try:
            pk = UUID(term)
        except ValueError:
            texts = [name for name in self.search_fields if name != "pk"]
            found = [Q(**{f"{name}__icontains": term}) for name in texts]
        else:
            found = [Q(**{name: pk}) for name in self.id_fields]
        return (queryset.filter(reduce(or_, found)) if found else queryset.none()), False


class ReasonForm(ActionForm):
    """An action's reason."""

    reason = forms.CharField(required=False, label="Reason", max_length=REASON_CAP)


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Jobs; an admin can stop one and say why."""

    list_display = (
        "name", "organization", "state", "specialty", "sandbox", "budget_alert", "created_at",
    )  # fmt: skip
    list_filter = ("state", "purpose", "sandbox")
    search_fields = ("name",)
    search_help_text = "A name, or the id of a job or an organization"
    id_fields = ("pk", "organization")
    list_select_related = ("organization",)
    actions = ("suspend", "unsuspend")
    action_form = ReasonForm

    def has_suspend_permission(self, request: HttpRequest) -> bool:
        """Whoever may change jobs may suspend them."""
        return bool(request.user.has_perm("marketplace.change_job"))  # type: ignore[union-attr]

    @admin.action(description="Suspend: no new claims (say why)", permissions=["suspend"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Stop new claims of the chosen jobs; claimed work is still paid."""
        reason = str(request.POST.get("reason", ""))[:REASON_CAP]
        by = _admin(request)
        self._each(request, queryset, lambda job: jobs.suspend(job=job, reason=reason, by=by))

    @admin.action(description="End the suspension", permissions=["suspend"])
    def unsuspend(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Back to where the chosen jobs were."""
        by = _admin(request)
        self._each(request, queryset, lambda job: jobs.unsuspend(job=job, by=by))

    def _each(self, request: HttpRequest, chosen: QuerySet[Job], act: Callable[[Job], Job]) -> None:
        """Do it for each job by itself, and tell what became of it."""
        for job in chosen:
            try:
                done = act(job)
            except errors.Problem as problem:
                self.message_user(request, f"{job.name}: {problem.detail}", messages.ERROR)
                continue
            self.log_change(request, done, f"{done.state}: {done.state_reason}".strip(": "))
            self.message_user(request, f"{done.name}: {done.state}")


def _admin(request: HttpRequest) -> UUID:
    assert request.user.pk is not None  # the admin's pages are for those who are signed in
    return request.user.pk


@admin.register(Task)
class TaskAdmin(ReadOnlyAdmin):
    """Tasks and their slots."""

    list_display = ("id", "external_id", "role", "state", "wanted", "taken", "remaining")
    list_filter = ("state", "role")
    id_fields = ("pk", "job")
    search_help_text = "The id of a task or a job"


@admin.register(Annotation)
class AnnotationAdmin(ReadOnlyAdmin):
    """Answers."""

    list_display = ("id", "task_id", "is_counted", "is_excluded", "is_late", "created_at")
    id_fields = ("pk", "task", "assignment_ref")
    search_help_text = "The id of an answer, a task or an assignment"


@admin.register(Resolution)
class ResolutionAdmin(ReadOnlyAdmin):
    """Conclusions."""

    list_display = ("id", "task_id", "rule", "confidence", "is_escalated", "is_current")
    list_filter = ("is_escalated", "is_current")
    id_fields = ("pk", "task")
    search_help_text = "The id of a conclusion or a task"


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin):
    """Addresses that get notices; their secrets are not shown."""

    list_display = ("url", "organization", "is_enabled", "disabled_reason", "deleted_at")
    exclude = ("secret", "previous_secret")
    list_select_related = ("organization",)
    id_fields = ("pk", "organization")
    search_help_text = "The id of an endpoint or an organization"


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """Notices and their tries."""

    list_display = ("id", "event_type", "state", "attempts", "next_attempt_at", "last_error")
    list_filter = ("state", "event_type")
    id_fields = ("pk", "endpoint")
    search_help_text = "The id of a notice or an endpoint"


@admin.register(Qualification)
class QualificationAdmin(ReadOnlyAdmin):
    """What jobs may ask of their workers."""

    list_display = ("name", "organization", "specialty", "pass_mark", "questions", "is_active")
    list_select_related = ("organization",)
    search_fields = ("name",)
    id_fields = ("pk", "organization", "exam_job")
    search_help_text = "A name, or the id of a qualification, an organization or an exam"


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    """Files of results and how far they are."""

    list_display = ("id", "job_id", "format", "state", "rows_done", "rows_total", "attempts")
    list_filter = ("state", "format")
    id_fields = ("pk", "job", "organization")
    search_help_text = "The id of an export, a job or an organization"


@admin.register(Media)
class MediaAdmin(ReadOnlyAdmin):
    """Files that tasks refer to; what is in them is not shown here."""

    list_display = ("id", "organization", "content_type", "bytes", "seconds", "created_at")
    list_select_related = ("organization",)
    exclude = ("sha256",)
    id_fields = ("pk", "organization")
    search_help_text = "The id of a file or an organization"


_OTHERS: tuple[type[Model], ...] = (Interface, JobStats, GoldAnswer, Prediction)
for _model in _OTHERS:
    admin.site.register(_model, ReadOnlyAdmin)
