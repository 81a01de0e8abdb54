"""The money plane's rows."""

from payments.models.connected_account import ConnectedAccount
from payments.models.payout import Payout, PayoutApproval, PayoutEvent
from payments.models.stripe_event import StripeEvent
from payments.models.topup import Topup

__all__ = [
    "ConnectedAccount",
    "Payout",
    "PayoutApproval",
    "PayoutEvent",
    "StripeEvent",
    "Topup",
]
