"""The operations that are answered. Verbs, paths and parameters come from the package itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from payments.fakestripe import accounts, balances, checkout, events, payouts, transfers
from payments.fakestripe.calls import Handler
from payments.fakestripe.parameters import Operation, operation

#: Module and class of the client's service, its method, and what answers here.
SERVED: tuple[tuple[str, str, str, Handler], ...] = (
    ("stripe._account_service", "AccountService", "create", accounts.create_account),
    ("stripe._account_service", "AccountService", "retrieve", accounts.retrieve_account),
    ("stripe._account_link_service", "AccountLinkService", "create", accounts.create_link),
    ("stripe._balance_service", "BalanceService", "retrieve", balances.retrieve),
    (
        "stripe._balance_transaction_service",
        "BalanceTransactionService",
        "list",
        balances.list_transactions,
    ),
    (
        "stripe._balance_transaction_service",
        "BalanceTransactionService",
        "retrieve",
        balances.retrieve_transaction,
    ),
    ("stripe._charge_service", "ChargeService", "retrieve", checkout.retrieve_charge),
    ("stripe.checkout._session_service", "SessionService", "create", checkout.create),
    ("stripe.checkout._session_service", "SessionService", "retrieve", checkout.retrieve),
    ("stripe.checkout._session_service", "SessionService", "list", checkout.list_sessions),
    ("stripe.checkout._session_service", "SessionService", "expire", checkout.expire),
    ("stripe._event_service", "EventService", "list", events.list_events),
    ("stripe._event_service", "EventService", "retrieve", events.retrieve_event),
    (
        "stripe._payment_intent_service",
        "PaymentIntentService",
        "retrieve",
        checkout.retrieve_intent,
    ),
    ("stripe._payout_service", "PayoutService", "retrieve", payouts.retrieve_payout),
    ("stripe._transfer_service", "TransferService", "create", transfers.create_transfer),
    ("stripe._transfer_service", "TransferService", "retrieve", transfers.retrieve_transfer),
    ("stripe._transfer_service", "TransferService", "list", transfers.list_transfers),
)


@dataclass(frozen=True)
class Route:
    """One operation and its answer."""

    operation: Operation
    pattern: re.Pattern[str]
    handler: Handler


@cache
def table() -> tuple[Route, ...]:
    """All routes. Raises AttributeError when the package has lost one of them."""
    found = []
    for module, service, method, handler in SERVED:
        described = operation(module, service, method)
        found.append(Route(described, described.pattern, handler))
    return tuple(found)


def find(verb: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of a request with the parts of its path."""
    for route in table():
        match = route.pattern.fullmatch(path)
        if match is not None and route.operation.verb == verb:
            return route, match.groupdict()
    return None
