"""The books, as they were written: accounts, transactions, entries, escrows, earnings."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from payments.admin.kept import KeptAdmin, amount, link
from payments.models import Earning, Escrow, LedgerAccount, LedgerEntry, LedgerTransaction


@admin.register(LedgerAccount)
class LedgerAccountAdmin(KeptAdmin):
    """Accounts with what they hold."""

    list_display = ("code", "currency", "kind", "holds", "entries", "created_at")
    list_filter = ("currency", "kind", "owner_type")
    search_fields = ("code",)
    list_select_related = ("balance",)
    readonly_fields = ("holds", "entries")

    @admin.display(description="Holds")
    def holds(self, row: LedgerAccount) -> str:
        """What is there, on the account's natural side; untracked accounts have no figure."""
        balance = getattr(row, "balance", None)
        return amount(None if balance is None else balance.amount_micros, row.currency)

    @admin.display(description="Statement")
    def entries(self, row: LedgerAccount) -> str:
        """The account's entries."""
        query = f"account__id__exact={row.pk}"
        return link("payments_ledgerentry_changelist", "entries", query=query)


class EntryInline(admin.TabularInline):
    """The legs of a transaction."""

    model = LedgerEntry
    fields = readonly_fields = ("n", "account", "shown")
    extra = 0
    can_delete = False
    ordering = ("n",)

    @admin.display(description="Debit (credits are negative)")
    def shown(self, row: LedgerEntry) -> str:
        """The leg's amount."""
        return amount(row.amount_micros, row.account.currency)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Legs come with their transaction."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Legs stay as they are."""
        return False


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(KeptAdmin):
    """Movements of money."""

    list_display = ("idem_key", "kind", "currency", "event_at", "memo")
    list_filter = ("kind", "currency")
    search_fields = ("idem_key", "=id")
    ordering = ("-id",)
    exclude = ("legs_digest", "xact_id")
    inlines = (EntryInline,)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(KeptAdmin):
    """Legs, by account: a statement."""

    list_display = ("id", "account", "shown", "booked")
    list_select_related = ("account", "transaction")
    list_filter = ("account__kind",)
    search_fields = ("account__code", "transaction__idem_key")
    ordering = ("-id",)

    @admin.display(description="Debit (credits are negative)")
    def shown(self, row: LedgerEntry) -> str:
        """The leg's amount."""
        return amount(row.amount_micros, row.account.currency)

    @admin.display(description="Transaction")
    def booked(self, row: LedgerEntry) -> str:
        """The transaction that it is part of."""
        name = "payments_ledgertransaction_change"
        return link(name, row.transaction.idem_key, row.transaction_id)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """A statement is asked for by its account."""
        return lookup == "account__id__exact" or bool(
            super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]
        )


@admin.register(Escrow)
class EscrowAdmin(KeptAdmin):
    """What jobs have reserved."""

    list_display = ("job_id", "organization", "holds", "spent", "fees", "opened_at", "closed_at")
    list_select_related = ("organization", "account__balance")
    list_filter = ("currency",)
    search_fields = ("=job_id", "organization__name")
    ordering = ("-opened_at",)

    @admin.display(description="Holds")
    def holds(self, row: Escrow) -> str:
        """What is left."""
        return amount(row.account.balance.amount_micros, row.currency)

    @admin.display(description="Spent")
    def spent(self, row: Escrow) -> str:
        """What went to workers."""
        return amount(row.spent_micros, row.currency)

    @admin.display(description="Fees")
    def fees(self, row: Escrow) -> str:
        """What went to the platform."""
        return amount(row.fees_micros, row.currency)


@admin.register(Earning)
class EarningAdmin(KeptAdmin):
    """What workers were paid for answers."""

    list_display = (
        "created_at",
        "worker",
        "organization",
        "shown",
        "state",
        "available_at",
        "booked",
    )
    list_select_related = ("worker", "organization", "transaction")
    list_filter = ("state", "currency")
    search_fields = ("=id", "=assignment_ref", "=job_id", "worker__email")
    ordering = ("-id",)

    @admin.display(description="Amount")
    def shown(self, row: Earning) -> str:
        """What was paid."""
        return amount(row.amount_micros, row.currency)

    @admin.display(description="Transaction")
    def booked(self, row: Earning) -> str:
        """Where it stands in the ledger."""
        name = "payments_ledgertransaction_change"
        return link(name, row.transaction.idem_key, row.transaction_id)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Earning]:
        """Without the quotes: they are on the page of each."""
        return super().get_queryset(request).defer("quote")
