"""What work pays: rate, quality tier, hourly floor, bonus, fee, and the reserve of a slot.

Pure and exact. ``services`` of higher planes do the same sums in SQL for many tasks at once; tests
hold the two together bit for bit. Rates and factors have at most two decimals, so that a worker's
price for one unit is exact in six.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any

from payments import money

SECONDS_PER_HOUR = 3600
#: A worker's price for one unit is kept to a millionth of a micro-unit.
_PRICE_STEP = Decimal("0.000001")
_ONE = Decimal(1)


class BadCard(ValueError):
    """A rate card that would not price: ``problems`` says what is wrong with which field."""

    def __init__(self, problems: dict[str, list[str]]) -> None:
        super().__init__("; ".join(f"{name}: {' '.join(why)}" for name, why in problems.items()))
        self.problems = problems


@dataclass(frozen=True)
class Card:
    """A version of the rates. Never changes; a change is the next version.

    ``specialties`` are factors on the base rate. ``tiers`` are (level, factor) pairs, rising from
    (0, 1): a level is a step of measured quality in a specialty, and none pays less than the first.
    ``topup_cap`` is the largest later addition to an accepted answer's pay, as a share of it, when
    the work turns out to take longer than was thought.
    """

    version: int
    currency: str
    specialties: Mapping[str, Decimal]
    tiers: tuple[tuple[int, Decimal], ...]
    floor_per_hour_micros: int
    fee_rate: Decimal
    topup_cap: Decimal

    def specialty_factor(self, specialty: str) -> Decimal:
        """The factor of a specialty; one that the card does not name has none."""
        return self.specialties.get(specialty, _ONE)

    def tier_multiplier(self, level: int) -> Decimal:
        """The factor of a quality level; a level between or beyond the named counts as the next lower."""
        reached = [factor for step, factor in self.tiers if step <= level]
        return reached[-1] if reached else _ONE


def check(card: Card) -> Card:
    """The card itself if it can price. Raises BadCard."""
    problems: dict[str, list[str]] = {}

    def unless(good: bool, name: str, why: str) -> None:
        if not good:
            problems.setdefault(name, []).append(why)

    unless(money.is_known(card.currency), "currency", "There is no such currency.")
    unless(bool(card.specialties), "specialties", "At least one is needed.")
    for name, factor in card.specialties.items():
        unless(bool(name) and len(name) <= 32, "specialties", "A name has 1 to 32 characters.")
        unless(_is_factor(factor, _ONE, Decimal(10)), "specialties", f"{name}: 1.00 to 10.00.")
    levels = [level for level, _ in card.tiers]
    factors = [factor for _, factor in card.tiers]
    unless(card.tiers[:1] == ((0, _ONE),), "tiers", "The first is level 0 with factor 1.")
    unless(levels == sorted(set(levels)), "tiers", "Levels rise.")
    unless(factors == sorted(factors), "tiers", "A higher level never pays less.")
    for factor in factors:
        unless(_is_factor(factor, _ONE, Decimal(5)), "tiers", "Factors are 1.00 to 5.00.")
    unless(
        0 < card.floor_per_hour_micros <= 1000 * money.MICROS,
        "floor_per_hour_micros",
        "More than 0, at most 1000 an hour: no work is for nothing.",
    )
    unless(_is_share(card.fee_rate), "fee_rate", "0 to 1, four decimals.")
    unless(_is_share(card.topup_cap), "topup_cap", "0 to 1, four decimals.")
    if problems:
        raise BadCard(problems)
    return card


def _is_factor(value: Decimal, low: Decimal, high: Decimal) -> bool:
    return value.is_finite() and low <= value <= high and value == round(value, 2)


def _is_share(value: Decimal) -> bool:
    return value.is_finite() and 0 <= value <= 1 and value == round(value, 4)


@dataclass(frozen=True)
class Price:
    """What one answer pays, in micro-units.

    ``guaranteed_micros`` on acceptance, up to ``bonus_max_micros`` on top by the bonus rule;
    ``fee_micros`` is the requester's, on the guaranteed part.
    """

    guaranteed_micros: int
    bonus_max_micros: int
    fee_micros: int

    @property
    def potential_micros(self) -> int:
        """Pay at most."""
        return self.guaranteed_micros + self.bonus_max_micros


def worker_rate(
    card: Card, *, base_rate_micros: int, specialty: str, difficulty: Decimal, tier: Decimal
) -> Decimal:
    """Micro-units for one unit of work by a worker whose tier's factor is ``tier``."""
    piece = money.EXACT.multiply(Decimal(base_rate_micros), card.specialty_factor(specialty))
    piece = money.EXACT.multiply(piece, difficulty)
    return money.EXACT.multiply(piece, tier).quantize(_PRICE_STEP, ROUND_HALF_UP, money.EXACT)


def price(
    *,
    unit_price: Decimal,
    units: Decimal,
    floor_per_hour_micros: int,
    seconds_per_unit: Decimal,
    fee_rate: Decimal,
    bonus_pct: Decimal,
) -> Price:
    """The pay of one answer: the piece rate, or the hourly floor for the time it takes if higher."""
    guaranteed = max(
        money.half_up(money.EXACT.multiply(unit_price, units)),
        floor_of(floor_per_hour_micros, seconds_per_unit, units),
    )
    return Price(
        guaranteed,
        money.half_up(money.EXACT.multiply(Decimal(guaranteed), bonus_pct)),
        money.fee(guaranteed, fee_rate),
    )


def floor_of(floor_per_hour_micros: int, seconds_per_unit: Decimal, units: Decimal) -> int:
    """The least pay for the time that the units take, in micro-units, rounded up to 0.0001."""
    hourly = money.EXACT.multiply(Decimal(floor_per_hour_micros), seconds_per_unit)
    # In whole numbers: a quotient by 3600 need not end.
    top, bottom = money.EXACT.multiply(hourly, units).as_integer_ratio()
    whole, rest = divmod(top, bottom * SECONDS_PER_HOUR * money.STEP_MICROS)
    return (whole + (rest > 0)) * money.STEP_MICROS


def slot_reserve(
    card: Card,
    *,
    base_rate_micros: int,
    specialty: str,
    difficulty: Decimal,
    seconds_per_unit: Decimal,
    bonus_pct: Decimal,
    units: Decimal,
) -> int:
    """What one slot may cost at most, in micro-units: the pay of the highest tier, the bonus, the
    later addition to the floor, and the fee of each (each is charged, and rounded, by itself).
    """
    top = price(
        unit_price=worker_rate(
            card,
            base_rate_micros=base_rate_micros,
            specialty=specialty,
            difficulty=difficulty,
            tier=max(factor for _, factor in card.tiers),
        ),
        units=units,
        floor_per_hour_micros=card.floor_per_hour_micros,
        seconds_per_unit=seconds_per_unit,
        fee_rate=card.fee_rate,
        bonus_pct=bonus_pct,
    )
    added = money.up(money.EXACT.multiply(Decimal(top.guaranteed_micros), card.topup_cap))
    later = (top.bonus_max_micros, added)
    return (
        top.guaranteed_micros
        + top.fee_micros
        + sum(amount + money.fee(amount, card.fee_rate) for amount in later)
    )


_UNITS = {
    "item": ("item", "item"),
    "word_block": ("word block", "block"),
    "region": ("region", "region"),
}
_VOICE = frozenset({"transcription", "speaker_identification", "diarization"})


def explain(quote: Mapping[str, Any]) -> str:
    """A stored quote in one line that a worker can check with a pocket calculator.

    ``quote`` is what an earning keeps: numbers with decimals are strings, amounts are integers.
    """
    currency = quote["currency"]
    units, tier = Decimal(quote["units"]), Decimal(quote["tier"])
    factors = [_amount_of_work(quote, units)]
    if (factor := Decimal(quote["specialty_factor"])) != 1:
        kind = "voice" if quote["specialty"] in _VOICE else quote["specialty"].replace("_", " ")
        factors.append(f"{_plain(factor)} {kind}")
    if (difficulty := Decimal(quote["difficulty"])) != 1:
        factors.append(f"{_plain(difficulty)} difficulty")
    factors.append(_tier(quote, tier))
    guaranteed = int(quote["guaranteed_micros"])
    piece = money.half_up(money.EXACT.multiply(Decimal(quote["unit_price"]), units))
    seconds = Decimal(quote["seconds_per_unit"]) * units
    floor = floor_of(int(quote["floor_per_hour_micros"]), Decimal(quote["seconds_per_unit"]), units)
    said = f"{' x '.join(factors)} = {money.display(piece, currency)}"
    least = f"minimum for about {_duration(seconds)} is {money.display(floor, currency)}"
    if guaranteed > piece:
        return f"{said}; the {least}, so you are paid {money.display(guaranteed, currency)}."
    return f"{said}; {least}."


def _amount_of_work(quote: Mapping[str, Any], units: Decimal) -> str:
    base = int(quote["base_rate_micros"])
    if quote["unit"] == "audio_second":
        return f"{_plain(units)} s audio x {money.display(base * 60, quote['currency'])}/min"
    name, short = _UNITS.get(quote["unit"], ("unit", "unit"))
    plural = "" if units == 1 else "s"
    return f"{_plain(units)} {name}{plural} x {money.display(base, quote['currency'])}/{short}"


def _tier(quote: Mapping[str, Any], tier: Decimal) -> str:
    if tier == 1:
        return "1.0 your quality (no tier yet)"
    named = quote["specialty"].replace("_", " ")
    bound = quote["tier_lower_bound"]
    basis = "" if bound is None else f" (lower bound {round(Decimal(bound), 2)})"
    return f"{_plain(tier)} your {named} quality{basis}"


def _plain(number: Decimal) -> str:
    """A number without needless zeros, and never in powers of ten."""
    shown = f"{number:f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def _duration(seconds: Decimal) -> str:
    whole = int(seconds.to_integral_value(ROUND_CEILING))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
