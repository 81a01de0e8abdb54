"""The floor's rows."""

from .clock import ClockOffset
from .idempotency import IdempotencyKey
from .organization import Membership, Organization
from .token import ApiToken
from .user import User

__all__ = ["ApiToken", "ClockOffset", "IdempotencyKey", "Membership", "Organization", "User"]
