"""What must always be true of the money plane's rows. Each selects the rows that break it."""

from payments.invariants import books, payouts

__all__ = ["books", "payouts"]
