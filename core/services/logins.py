"""Proving who one is by a password."""

from __future__ import annotations

from core import errors
from core.models import User


class BadCredentials(errors.Unauthenticated):
    """No such person, another password, or not active: the three are told alike."""

    code = "bad_credentials"


def authenticate(*, email: str, password: str) -> User:
    """The person of that address and password, in the same time whether they exist or not.

    Raises BadCredentials.
    """
    user = User.objects.filter(email=email.strip().lower()).first()
    if user is None:
        User().set_password(password)  # as much work as looking at a real one
    elif user.check_password(password) and user.is_active:
        return user
    raise BadCredentials("The address or the password is wrong.")
