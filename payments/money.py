"""Amounts: integer micro-units of one currency, how they are rounded, split and shown.

Pay is quoted to a ten-thousandth of the unit (100 micro-units). Whole cents matter only where cash
leaves or enters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_UP, Context, Decimal

MICROS = 1_000_000
#: The step of quoted pay: 0.0001 of the unit.
STEP_MICROS = 100
CENT_MICROS = 10_000
#: Amounts are 64-bit in the database; nothing real comes near this bound, ten billion units.
LARGEST_MICROS = 10**16

#: Wide enough that no product of rates, units and factors is rounded before it is meant to be.
EXACT = Context(prec=60)
_STEP = Decimal(STEP_MICROS)


@dataclass(frozen=True)
class Currency:
    """``is_play`` money is minted for trials: it pays for sandbox jobs and never leaves."""

    code: str
    symbol: str
    is_play: bool = False


CURRENCIES = {
    one.code: one for one in (Currency("USD", "$"), Currency("XTS", "XTS ", is_play=True))
}


def is_known(code: str) -> bool:
    """Whether this is one of our currencies, written as we write it."""
    return code in CURRENCIES


def half_up(micros: Decimal) -> int:
    """To the step of quoted pay, halves up (away from zero, as PostgreSQL's ``round``)."""
    return _steps(micros, ROUND_HALF_UP)


def up(micros: Decimal) -> int:
    """To the step of quoted pay, never less."""
    return _steps(micros, ROUND_CEILING)


def _steps(micros: Decimal, rounding: str) -> int:
    steps = EXACT.divide(micros, _STEP).to_integral_value(rounding)
    return int(steps) * STEP_MICROS


def fee(amount_micros: int, rate: Decimal) -> int:
    """The fee on an amount, on top of it and never out of it: rounded up to 0.0001."""
    return up(EXACT.multiply(Decimal(amount_micros), rate))


def cents_down(micros: int) -> int:
    """The part of a balance that is whole cents, in micro-units; the rest stays where it is."""
    return micros - micros % CENT_MICROS


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Split an amount by weights into parts that sum to it exactly, by largest remainder.

    Parts differ from the exact share by less than one micro-unit; equal remainders go to the
    earlier part. Raises ValueError for a negative amount or weight, or for no positive weight.
    """
    if total < 0 or any(weight < 0 for weight in weights):
        raise ValueError("amounts and weights are not negative")
    whole = sum(weights)
    if whole == 0:
        raise ValueError("no weight is positive")
    parts = [total * weight // whole for weight in weights]
    rests = [total * weight % whole for weight in weights]
    by_rest = sorted(range(len(weights)), key=lambda place: (-rests[place], place))
    for place in by_rest[: total - sum(parts)]:
        parts[place] += 1
    return parts


def display(micros: int, currency: str) -> str:
    """An amount for people: two decimals, four where cents do not tell it, six where those do not.

    An unknown currency is shown by its code.
    """
    known = CURRENCIES.get(currency)
    symbol = known.symbol if known else f"{currency} "
    size = abs(micros)
    places = 2 if size % CENT_MICROS == 0 else 4 if size % STEP_MICROS == 0 else 6
    amount = EXACT.divide(Decimal(size), Decimal(MICROS))
    shown = amount.quantize(Decimal(1).scaleb(-places), ROUND_DOWN)
    return f"{'-' if micros < 0 else ''}{symbol}{shown:,f}"
