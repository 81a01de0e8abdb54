"""The payout queue: what waits, why it waits, and deciding about it with a reason."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import DateTimeField, Func, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.timesince import timesince

from core import errors
from payments import selectors
from payments.admin.decisions import DECISIONS, offered
from payments.admin.kept import KeptAdmin, amount, link, person
from payments.models import LedgerTransaction, Payout, PayoutApproval, PayoutEvent
from payments.models.payout import OPEN
from payments.services import payout_review

_TEMPLATES = "admin/payments/payout"
_REASON_CAP = 2000


class ReasonForm(forms.Form):
    """Why somebody decides as they do. Whether one is needed is the service's to say."""

    reason = forms.CharField(max_length=_REASON_CAP, required=False, widget=forms.Textarea)


class QueueFilter(admin.SimpleListFilter):
    """What a reviewer came for stands first."""

    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The views of the queue; without a choice, what waits for a person."""
        return [
            ("open", "everything on its way"),
            ("unknown", "outcome unknown"),
            ("all", "all payouts"),
        ]

    def choices(self, changelist: Any) -> Any:
        """The links; the first of them takes the filter away."""
        for value, title in ((None, "waits for a person"), *self.lookup_choices):
            changed = {} if value is None else {self.parameter_name: value}
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string(changed, [self.parameter_name]),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payout]) -> QuerySet[Payout]:
        """The payouts of the chosen view. Who searches, or asks for a state, means all of them."""
        match self.value():
            case "open":
                return queryset.filter(state__in=OPEN)
            case "unknown":
                return queryset.filter(state=Payout.State.UNKNOWN)
            case None if "q" not in request.GET and "state__exact" not in request.GET:
                return queryset.filter(state__in=["needs_review", "held"])
        return queryset


@admin.register(Payout)
class PayoutAdmin(KeptAdmin):
    """Payouts. Nothing is edited: decisions go through the services, with a reason."""

    list_display = (
        "waits", "worker", "shown", "gravity", "why", "approvals", "worker_age", "is_first", "state",
    )  # fmt: skip
    list_select_related = ("worker", "account")
    list_filter = (QueueFilter, "state", "severity", "currency")
    search_fields = ("=id", "=transfer_id", "worker__email")
    ordering = ("-severity", "created_at")
    actions = ("approve_together",)
    change_form_template = f"{_TEMPLATES}/change_form.html"
    readonly_fields = ("shown", "why", "worker_age", "statements")
    fieldsets = (
        (None, {"fields": ("worker", "shown", "state", "reason_code", "why", "worker_age")}),
        ("Account", {"fields": ("account", "destination", "statements")}),
        (
            "Sending",
            {
                "fields": (
                    "epoch", "attempts", "key_used_at", "next_attempt_at", "last_error",
                    "transfer_id", "destination_payment", "bank_payout_id",
                ),
            },
        ),
        ("Times", {"fields": ("created_at", "checked_at", "approved_at", "sent_at", "paid_at")}),
    )  # fmt: skip

    class Media:
        css = {"all": ["payments/admin.css"]}

    # --- columns -----------------------------------------------------------------------------
    @admin.display(description="Waits", ordering="created_at")
    def waits(self, row: Payout) -> str:
        """Since when it was asked for."""
        return timesince(row.created_at, row.now, depth=1)  # type: ignore[attr-defined]

    @admin.display(description="Amount", ordering="amount_micros")
    def shown(self, row: Payout) -> str:
        """What is to be paid."""
        return amount(row.amount_micros, row.currency)

    @admin.display(description="Risk", ordering="severity")
    def gravity(self, row: Payout) -> str:
        """How grave the gravest hit is."""
        label = Payout.Severity(row.severity).name.lower()
        return format_html('<span class="severity severity-{}">{}</span>', label, label)

    @admin.display(description="Worker since")
    def worker_age(self, row: Payout) -> str:
        """How long the worker has been here."""
        return timesince(row.worker.created_at, row.now, depth=1)  # type: ignore[attr-defined]

    @admin.display(description="First?", boolean=True)
    def is_first(self, row: Payout) -> bool:
        """Whether it is the worker's first payout."""
        return any(hit["rule"] == "first_payout" for hit in row.risk)

    @admin.display(description="Why")
    def why(self, row: Payout) -> str:
        """What the rules say, in words."""
        if not row.risk:
            return "–"
        return format_html_join(
            "",
            '<span class="hit severity-{}">{}</span>',
            ((h["severity"], h["says"]) for h in row.risk),
        )

    @admin.display(description="Approvals")
    def approvals(self, row: Payout) -> str:
        """How many have said yes in this round, of how many."""
        found: list[PayoutApproval] = row.given  # type: ignore[attr-defined]
        given = len([one for one in found if one.round == row.review_round])
        return f"{given} of {row.approvals_needed}"

    @admin.display(description="Statements")
    def statements(self, row: Payout) -> str:
        """The worker's accounts in the ledger."""
        name = "payments_ledgeraccount_changelist"
        return link(name, "the worker's accounts", query=f"q=worker:{row.worker_id}")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payout]:
        """With the approvals and the time, read once for the page."""
        given = Prefetch("approvals", PayoutApproval.objects.all(), to_attr="given")
        time = Func(function="core_now", output_field=DateTimeField())
        return super().get_queryset(request).prefetch_related(given).annotate(now=time)

    # --- one payout --------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        """The place where a decision is sent to."""
        decide = path(
            "<uuid:payout_id>/decide/",
            self.admin_site.admin_view(self.decide),
            name="payments_payout_decide",
        )
        return [decide, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The payout with its history, its approvals, its ledger lines, and what may be decided."""
        row = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if row is not None:
            may = self.has_review_permission(request)
            context |= {
                "title": f"Payout of {amount(row.amount_micros, row.currency)}",
                "decisions": offered(row) if may else [],
                "is_own": row.worker_id == request.user.pk,
                "approvals": PayoutApproval.objects.filter(payout=row).select_related("by"),
                "history": PayoutEvent.objects.filter(payout=row)
                .select_related("by")
                .order_by("id"),
                "bookings": _bookings(row),
                "reason_cap": _REASON_CAP,
            }
        return super().change_view(request, object_id, form_url, context)

    def decide(self, request: HttpRequest, payout_id: UUID) -> HttpResponse:
        """Carry a decision out and say what came of it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_review_permission(request):
            raise PermissionDenied
        decision = DECISIONS.get(request.POST.get("decision", ""))
        if decision is None:
            self.message_user(request, "There is no such decision.", messages.ERROR)
        else:
            try:
                row = decision.act(payout_id=payout_id, by=person(request), reason=_reason(request))
            except errors.Problem as problem:
                self.message_user(request, problem.detail, messages.ERROR)
            else:
                self.message_user(
                    request, f"{decision.done} It is {row.get_state_display().lower()}."
                )
        return redirect(reverse("admin:payments_payout_change", args=[payout_id]))

    def has_review_permission(self, request: HttpRequest) -> bool:
        """Whether this person decides about payouts."""
        return bool(request.user.has_perm("payments.review_payout"))

    # --- several payouts ---------------------------------------------------------------------
    @admin.action(description="Approve those with notes only …", permissions=["review"])
    def approve_together(self, request: HttpRequest, queryset: QuerySet[Payout]) -> Any:
        """Show what would be approved and what is left out; approve it when that is confirmed."""
        chosen = list(queryset.order_by("created_at")[: payout_review.MOST_AT_ONCE])
        fit = [
            row for row in chosen
            if payout_review.is_for_bulk(row) and row.worker_id != request.user.pk
        ]  # fmt: skip
        if request.POST.get("confirmed"):
            return self._approve_all(request, fit)
        return TemplateResponse(
            request,
            f"{_TEMPLATES}/approve_together.html",
            {
                **self.admin_site.each_context(request),
                "title": "Approve payouts together",
                "opts": self.opts,
                "fit": [(row, self.shown(row)) for row in fit],
                "left_out": [(row, self.shown(row)) for row in chosen if row not in fit],
                "total": amount(sum(row.amount_micros for row in fit), "USD"),
                "reason_cap": _REASON_CAP,
                "action_name": "approve_together",
            },
        )

    def _approve_all(self, request: HttpRequest, rows: list[Payout]) -> None:
        ids = [row.pk for row in rows]
        try:
            done = payout_review.approve_together(
                payout_ids=ids, by=person(request), reason=_reason(request)
            )
        except errors.Problem as problem:
            self.message_user(request, f"Nothing was approved. {problem.detail}", messages.ERROR)
        else:
            total = amount(sum(row.amount_micros for row in done), "USD")
            self.message_user(request, f"{len(done)} payouts are approved, {total} in all.")


@admin.register(PayoutEvent)
class PayoutEventAdmin(KeptAdmin):
    """The audit trail of all payouts."""

    list_display = ("at", "payout_id", "kind", "from_state", "to_state", "by", "reason")
    list_select_related = ("by",)
    list_filter = ("kind",)
    search_fields = ("=payout__id", "by__email")
    ordering = ("-id",)


def _reason(request: HttpRequest) -> str:
    """The reason that was given. Raises Invalid for one that cannot be kept as it is."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        said = [str(one) for one in form.errors["reason"]]
        raise errors.Invalid(f"The reason: {' '.join(said)}", errors={"reason": said})
    return str(form.cleaned_data["reason"])


def _bookings(row: Payout) -> list[tuple[LedgerTransaction, list[str]]]:
    """The ledger transactions of a payout, each with its legs in words."""
    keys = [f"payout:{row.pk}", f"payout-undo:{row.pk}"]
    if row.transfer_id:
        keys.append(f"transfer:{row.transfer_id}")
    found = LedgerTransaction.objects.filter(idem_key__in=keys).order_by("id")
    return [
        (
            booked,
            [
                f"{code}: {amount(micros, row.currency)}"
                for code, micros in selectors.legs_of(booked.pk)
            ],
        )
        for booked in found
    ]
