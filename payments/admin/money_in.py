"""What came from Stripe: top-ups, accounts of workers, and Stripe's notices."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from core import errors
from payments.admin.kept import KeptAdmin, amount
from payments.models import ConnectedAccount, StripeEvent, Topup
from payments.services import stripe_events


@admin.register(Topup)
class TopupAdmin(KeptAdmin):
    """Top-ups of wallets."""

    list_display = ("created_at", "organization", "shown", "fee", "state", "last_error")
    list_select_related = ("organization",)
    list_filter = ("state", "currency")
    search_fields = ("=id", "=checkout_id", "=payment_id", "organization__name")
    ordering = ("-id",)

    @admin.display(description="Amount")
    def shown(self, row: Topup) -> str:
        """What is, or was, to be paid."""
        return amount(row.amount_micros, row.currency)

    @admin.display(description="Stripe kept")
    def fee(self, row: Topup) -> str:
        """What did not reach us."""
        return amount(row.fee_micros, row.currency)


@admin.register(ConnectedAccount)
class ConnectedAccountAdmin(KeptAdmin):
    """Where workers are paid."""

    list_display = (
        "user", "country", "transfers_active", "disabled_reason", "bank_label", "checked_at",
    )  # fmt: skip
    list_select_related = ("user",)
    list_filter = ("transfers_active", "country")
    search_fields = ("=stripe_id", "user__email", "=bank_fingerprint")


@admin.register(StripeEvent)
class StripeEventAdmin(KeptAdmin):
    """What Stripe told us, and what came of it."""

    list_display = ("received_at", "type", "object_id", "state", "attempts", "error")
    list_filter = ("state", "type")
    search_fields = ("=event_id", "=object_id", "=account")
    ordering = ("-id",)
    actions = ("try_again",)

    @admin.action(description="Try again what was given up", permissions=["try_again"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[StripeEvent]) -> None:
        """Put them back into the queue."""
        count = 0
        for event in queryset.filter(state=StripeEvent.State.FAILED):
            try:
                stripe_events.try_again(event_id=event.pk)
            except errors.Problem as problem:
                self.message_user(request, problem.detail, messages.ERROR)
            else:
                count += 1
        self.message_user(request, f"{count} will be tried again.")

    def has_try_again_permission(self, request: HttpRequest) -> bool:
        """Trying again changes nothing that was not to happen anyway."""
        return bool(request.user.has_perm("payments.change_stripeevent"))
