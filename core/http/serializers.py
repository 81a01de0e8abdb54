"""What a body or a query may hold: exact types, known fields, and text that is only text.

The stock fields read "5", 5.0 and true as the number 5; these do not. Values of a query are text
by nature: they come as QueryText, which numbers and booleans are read from in one spelling only.
Text is kept as it was written: it is neither trimmed nor normalised, so two spellings of é stay two.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils.functional import cached_property
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.settings import api_settings

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
#: Controls but tab and line ends, a lone carriage return, and what turns or hides the text beside
#: it: directional embeddings, overrides and isolates, zero-width space, the byte order mark.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]"
    "|\r(?!\n)"
)
_MOST_UNKNOWN = 20


class QueryText(str):
    """The text of a query parameter, where text is all there can be."""

    __slots__ = ()


class StrictSerializer(serializers.Serializer[Any]):
    """An object that has these fields and no others; without fields, the empty object."""

    default_error_messages = {"invalid": "A JSON object is required."}

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(name for name, field in self.fields.items() if not field.read_only)

    def to_internal_value(self, data: Any) -> Any:
        """Refuse unknown and read-only fields along with what the fields themselves refuse."""
        if not isinstance(data, dict):
            said = [self.error_messages["invalid"]]
            raise ValidationError({api_settings.NON_FIELD_ERRORS_KEY: said}, code="invalid")
        unknown = data.keys() - self._known
        if not unknown:
            return super().to_internal_value(data)
        named = sorted(unknown)[:_MOST_UNKNOWN]
        problems: dict[str, Any] = {name[:100]: ["There is no such field."] for name in named}
        try:
            super().to_internal_value({name: data[name] for name in data.keys() & self._known})
        except ValidationError as problem:
            if isinstance(problem.detail, dict):
                problems.update(problem.detail)
        raise ValidationError(problems)


class StrictString(serializers.CharField):
    """Text without hidden characters; blank only where ``allow_blank`` says so."""

    default_error_messages = {
        "invalid": "Must be text.",
        "unseen": "Must not contain control, direction-changing or invisible characters.",
    }

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Blank text is refused or kept, never made null."""
        if isinstance(data, str) and not data.strip() and not self.allow_blank:
            self.fail("blank")
        return serializers.Field.run_validation(self, data)

    def to_internal_value(self, data: Any) -> str:
        """The text as it was sent."""
        if not isinstance(data, str):
            self.fail("invalid")
        if _UNSEEN.search(data):
            self.fail("unseen")
        return str(data)


class StrictInteger(serializers.IntegerField):
    """A whole number that fits into 64 bits, written as one: not "5", 5.0 or true."""

    default_error_messages = {"invalid": "Must be a whole number."}

    def to_internal_value(self, data: Any) -> int:
        """The number."""
        if type(data) is QueryText:
            if not _INTEGER.fullmatch(data):
                self.fail("invalid")
            data = int(data)
        if type(data) is not int:
            self.fail("invalid")
        if not _INT_MIN <= data <= _INT_MAX:
            self.fail("invalid")
        return int(data)


class StrictBoolean(serializers.BooleanField):
    """True or false; in a query, the words ``true`` and ``false``."""

    default_error_messages = {"invalid": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        """The truth value."""
        if type(data) is QueryText and data in ("true", "false"):
            return data == "true"
        if data is not True and data is not False:
            self.fail("invalid")
        return bool(data)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "number"},
            {"type": "string", "format": "decimal", "pattern": r"^-?(0|[1-9]\d*)(\.\d+)?$"},
        ]
    }
)
class StrictDecimal(serializers.DecimalField):
    """An exact decimal, as a JSON number or as plain digits in text (which is how we show it)."""

    default_error_messages = {"invalid": "Must be a decimal number."}

    def to_internal_value(self, data: Any) -> Decimal:
        """The number; digits beyond ``decimal_places`` are refused, not rounded away."""
        if isinstance(data, str):
            if not _DECIMAL.fullmatch(data):
                self.fail("invalid")
            value = Decimal(str(data))
        elif type(data) is int or type(data) is float:
            # The shortest text that reads back as the same float is what was sent.
            value = Decimal(repr(data))
        else:
            self.fail("invalid")
        if not value.is_finite():
            self.fail("invalid")
        return self.quantize(self.validate_precision(value)) + 0  # no negative zero


class StrictUUID(serializers.UUIDField):
    """An id as we write ids: 36 characters of text, not a number or another spelling."""

    default_error_messages = {"invalid": "Must be an id."}

    def to_internal_value(self, data: Any) -> UUID:
        """The id."""
        if not isinstance(data, str) or not _UUID.fullmatch(data):
            self.fail("invalid", value=data)
        return UUID(str(data))


class StrictJSON(serializers.JSONField):
    """Any JSON but null; the parser has bounded its depth, keys and numbers already."""

    default_error_messages = {"invalid": "Must be JSON."}

    def to_internal_value(self, data: Any) -> Any:
        """The value as it was parsed."""
        if type(data) is QueryText:
            self.fail("invalid")
        return data


def money(micros: int, currency: str) -> dict[str, Any]:
    """An amount as every answer shows it: whole micro-units, and text for people.

    The text has four decimals, or six where the amount is that fine.
    """
    whole, rest = divmod(abs(micros), 1_000_000)
    fine = f"{rest // 100:04d}" if rest % 100 == 0 else f"{rest:06d}"
    sign = "-" if micros < 0 else ""
    return {
        "amount_micros": micros,
        "currency": currency,
        "display": f"{sign}{whole}.{fine} {currency}",
    }
