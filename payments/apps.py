"""The money plane: ledger, wallets, escrow, prices, earnings, payouts."""

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """The money plane: ledger, wallets, escrow, prices, earnings, payouts."""

    name = "payments"
    verbose_name = "Money"
    default_auto_field = "django.db.models.BigAutoField"
