"""Endpoints of the money plane."""

from django.urls import path

from payments.api import earnings, payouts, stripe, wallet

urlpatterns = [
    path("wallet", wallet.WalletView.as_view(), name="wallet"),
    path("wallet/topups", wallet.TopupList.as_view(), name="topups-list"),
    path("wallet/topups/<uuid:topup>", wallet.TopupDetail.as_view(), name="topups-detail"),
    path("earnings", earnings.EarningsView.as_view(), name="earnings-list"),
    path("earnings/<uuid:earning>", earnings.EarningView.as_view(), name="earnings-detail"),
    path("payouts", payouts.PayoutList.as_view(), name="payouts-list"),
    path("payouts/<uuid:payout>", payouts.PayoutDetail.as_view(), name="payouts-detail"),
    path("payouts/<uuid:payout>/cancel", payouts.PayoutCancel.as_view(), name="payouts-cancel"),
    path("payout-account", payouts.PayoutAccountView.as_view(), name="payout-account"),
    path("stripe/webhook", stripe.StripeWebhook.as_view(), name="stripe-webhook"),
]
