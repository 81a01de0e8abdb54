"""The chart of accounts: the codes under which the ledger keeps what belongs to whom.

The posting function knows the same chart (see the migration of the rules) and refuses a code that is
not in it. An account is made on first use, once for each currency.
"""

from uuid import UUID

STRIPE_BALANCE = "stripe:balance"
BANK_OPERATING = "bank:operating"
PLATFORM_FEES = "platform:fees"
STRIPE_FEES = "stripe:fees"
BAD_DEBT = "bad_debt"
GOODWILL = "goodwill"
REFUNDS_IN_FLIGHT = "refunds:in_flight"
SUSPENSE = "suspense"
#: Where play money comes from; in play money only.
PLAY_MINT = "play:mint"


def requester_balance(organization_id: UUID) -> str:
    """A requester's wallet."""
    return f"requester:{organization_id}:balance"


def job_escrow(job_id: UUID) -> str:
    """What is reserved for a job, fees included."""
    return f"job:{job_id}:escrow"


def worker_pending(worker_id: UUID) -> str:
    """Accepted work within its hold."""
    return f"worker:{worker_id}:pending"


def worker_available(worker_id: UUID) -> str:
    """What a worker can withdraw."""
    return f"worker:{worker_id}:available"


def worker_in_flight(worker_id: UUID) -> str:
    """What is being paid out to a worker."""
    return f"worker:{worker_id}:in_flight"


def worker_held(worker_id: UUID) -> str:
    """A worker's money under investigation."""
    return f"worker:{worker_id}:held"


def requester_receivable(organization_id: UUID) -> str:
    """What a requester owes us after a chargeback."""
    return f"receivable:requester:{organization_id}"


def worker_receivable(worker_id: UUID) -> str:
    """What a worker owes us after a clawback."""
    return f"receivable:worker:{worker_id}"
