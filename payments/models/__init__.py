"""The money plane's rows."""

from payments.models.connected_account import ConnectedAccount
from payments.models.earning import Earning
from payments.models.escrow import LINES, Escrow
from payments.models.ledger import (
    LedgerAccount,
    LedgerBalance,
    LedgerEntry,
    LedgerTransaction,
)
from payments.models.payout import Payout, PayoutApproval, PayoutEvent
from payments.models.rates import RateCard
from payments.models.stripe_event import StripeEvent
from payments.models.topup import Topup

__all__ = [
    "LINES",
    "ConnectedAccount",
    "Earning",
    "Escrow",
    "LedgerAccount",
    "LedgerBalance",
    "LedgerEntry",
    "LedgerTransaction",
    "Payout",
    "PayoutApproval",
    "PayoutEvent",
    "RateCard",
    "StripeEvent",
    "Topup",
]
