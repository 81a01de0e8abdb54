"""Fields of bodies that the labour plane's endpoints share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.http.serializers import StrictString


@extend_schema_field({"type": "string", "format": "uuid"})
class IdField(StrictString):
    """The id of a row, as text."""

    default_error_messages = {"not_an_id": "Must be an id."}

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=36, **options)

    def to_internal_value(self, data: Any) -> UUID:  # type: ignore[override]
        """The id, in its one usual spelling."""
        text = super().to_internal_value(data)
        try:
            found = UUID(text)
        except ValueError:
            found = None
        if found is None or str(found) != text.lower():
            self.fail("not_an_id")
        return found


@extend_schema_field({"type": "string", "format": "date-time"})
class MomentField(serializers.Field):
    """A moment as ISO 8601 text that names its time zone."""

    default_error_messages = {
        "invalid": "Must be a time with its time zone, such as 2030-01-31T18:00:00Z.",
    }

    def to_internal_value(self, data: Any) -> datetime:
        """The moment in UTC."""
        if isinstance(data, str) and len(data) <= 40 and data.isascii():
            try:
                found = datetime.fromisoformat(data)
                if found.tzinfo is not None:
                    return found.astimezone(UTC)
            except (ValueError, OverflowError):
                pass
        self.fail("invalid")

    def to_representation(self, value: Any) -> Any:
        """Only read from requests."""
        return value
