"""Django admin of the labour plane: everything to look at, people to suspend, nothing to edit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from core import errors
from workers.models import (
    Assignment,
    Attempt,
    Availability,
    Contest,
    Grant,
    Offer,
    SkillRecord,
    Worker,
    WorkerJob,
)
from workers.services import suspensions


class KeptAdmin(admin.ModelAdmin):
    """Rows to look at: services change them."""

    show_full_result_count = False
    list_per_page = 50
    ordering = ("-pk",)
    # Django shows the search box only where there is a field to search.
    search_fields: ClassVar[Any] = ("pk",)
    search_help_text = "An id: of the row, or of its worker"
    #: Fields that an id in the search box is looked up in, by their indexes.
    id_fields: ClassVar[tuple[str, ...]] = ("pk", "worker_id")

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
        """An id is found by its index; nothing else is searched."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            wanted = UUID(term)
        except ValueError:
            return queryset.none(), False
        found = queryset.none()
        for name in self.id_fields:
            if isinstance(self.model._meta.pk, _NUMBERED) and name == "pk":
                continue
            found = found | queryset.filter(**{name: wanted})
        return found, False


_NUMBERED = type(SkillRecord._meta.pk)


class ReasonForm(ActionForm):
    """An action's reason."""

    reason = forms.CharField(
        required=False, label="Reason", max_length=suspensions.REASON_CAP, strip=True
    )


class _Deciding(KeptAdmin):
    """Rows that staff decide about, one by one, each through a service."""

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whoever may change workers."""
        return bool(request.user.has_perm("workers.change_worker"))  # type: ignore[union-attr]

    def each(
        self, request: HttpRequest, rows: QuerySet[Any], act: Callable[[Any], Model], said: str
    ) -> None:
        """Do it to each; log what was done and show what could not be."""
        for row in rows:
            try:
                act(row)
            except errors.Problem as problem:
                self.message_user(request, f"{row}: {problem.detail}", messages.ERROR)
            else:
                self.log_change(request, row, said)
                self.message_user(request, f"{row}: {said}", messages.SUCCESS)


@admin.register(Worker)
class WorkerAdmin(_Deciding):
    """Workers; staff can suspend one and say why."""

    list_display = (
        "user", "country", "accepted_count", "is_suspended", "suspended_reason", "joined_at",
    )  # fmt: skip
    list_filter = ("is_suspended", "country")
    list_select_related = ("user",)
    id_fields = ("pk",)
    search_help_text = "An id"
    actions = ("suspend", "lift")
    action_form = ReasonForm

    @admin.action(description="Suspend: no new work, earned money stays", permissions=["decide"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Worker]) -> None:
        """Stop claims and offers of the chosen workers."""
        reason, by = str(request.POST.get("reason", "")), _staff(request)
        self.each(
            request,
            queryset,
            lambda row: suspensions.suspend(worker_id=row.pk, reason=reason, by=by),
            f"suspended: {reason.strip()}",
        )

    @admin.action(description="End the suspension", permissions=["decide"])
    def lift(self, request: HttpRequest, queryset: QuerySet[Worker]) -> None:
        """Let the chosen workers work again."""
        by = _staff(request)
        self.each(
            request,
            queryset,
            lambda row: suspensions.lift(worker_id=row.pk, by=by),
            "suspension ended",
        )


@admin.register(SkillRecord)
class SkillRecordAdmin(_Deciding):
    """What the checks say of workers; an appeal against a suspension by them ends here."""

    list_display = ("worker", "specialty", "q_low", "gold_answers", "is_suspended", "suspended_at")
    list_filter = ("specialty", "is_suspended")
    id_fields = ("worker_id",)
    search_help_text = "A worker's id"
    actions = ("lift",)

    @admin.action(description="Open the specialty to them again", permissions=["decide"])
    def lift(self, request: HttpRequest, queryset: QuerySet[SkillRecord]) -> None:
        """The evidence stays; more failed checks close it again."""
        by = _staff(request)
        self.each(
            request,
            queryset,
            lambda row: suspensions.lift_in_specialty(record_id=row.pk, by=by),
            "suspension in the specialty ended",
        )


@admin.register(Assignment)
class AssignmentAdmin(KeptAdmin):
    """Claims with what became of them."""

    list_display = ("id", "worker", "task_id", "role", "state", "claimed_at", "guaranteed_micros")
    list_filter = ("state", "role")
    id_fields = ("pk", "worker_id", "task_id")
    search_help_text = "An id: of the claim, its worker or its task"
    exclude = ("answer_hash",)


@admin.register(Offer)
class OfferAdmin(KeptAdmin):
    """Offers."""

    list_display = ("id", "worker", "task_id", "state", "offered_at", "expires_at", "ended_at")
    list_filter = ("state", "is_newcomer_share")
    id_fields = ("pk", "worker_id", "task_id")
    search_help_text = "An id: of the offer, its worker or its task"


@admin.register(Availability)
class AvailabilityAdmin(KeptAdmin):
    """Who wants to be offered work."""

    list_display = ("worker", "specialties", "until", "is_busy", "idle_since", "ended_reason")
    list_filter = ("is_busy", "ended_reason")
    id_fields = ("pk",)
    search_help_text = "A worker's id"


@admin.register(Contest)
class ContestAdmin(KeptAdmin):
    """Contested rejections."""

    list_display = ("id", "assignment_id", "state", "opened_at", "answer_by", "ended_at")
    list_filter = ("state",)
    id_fields = ("pk", "assignment_id")
    search_help_text = "An id: of the contest or of the claim"


@admin.register(Grant)
class GrantAdmin(KeptAdmin):
    """Qualifications held."""

    list_display = ("worker", "qualification", "score", "granted_at", "expires_at", "revoked_at")
    list_select_related = ("qualification",)


@admin.register(Attempt)
class AttemptAdmin(KeptAdmin):
    """Tries at exams."""

    list_display = ("worker", "qualification", "state", "score", "started_at", "ended_at")
    list_filter = ("state",)
    list_select_related = ("qualification",)


@admin.register(WorkerJob)
class WorkerJobAdmin(KeptAdmin):
    """Workers' places in jobs: their rate, their checks."""

    list_display = ("worker", "job_id", "unit_price", "tier", "gold_share", "gold_credit")
    id_fields = ("worker_id", "job_id")
    search_help_text = "An id: of the worker or of the job"


def _staff(request: HttpRequest) -> UUID:
    pk: UUID = request.user.pk  # type: ignore[assignment]
    return pk
