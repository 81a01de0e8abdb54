"""The money plane in Django's admin: books to look at, payouts to decide about.

Nothing is edited or deleted here; what changes, changes through a service.
"""

from payments.admin import books, money_in, payouts, rates

__all__ = ["books", "money_in", "payouts", "rates"]
