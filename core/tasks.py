"""The floor's sweeps. Each handles a bounded batch and may run zero, one or many times."""

from core.services import keys
from core.sweeps import sweep


@sweep(name="core.forget_keys", queue="default", every=600)
def forget_keys() -> int:
    """Forget what callers asked more than a day ago."""
    return keys.forget()
