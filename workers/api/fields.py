"""Fields of bodies that the labour plane's endpoints share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.http.serializers import StrictString

_LONGEST = 40
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


@extend_schema_field({"type": "string", "format": "uuid"})
class IdField(StrictString):
    """The id of a row, as text."""

    default_error_messages = {"not_an_id": "Must be an id."}

    def to_internal_value(self, data: Any) -> UUID:  # type: ignore[override]
        """The id, in its one usual spelling."""
        text = super().to_internal_value(data)
        if not _ID.fullmatch(text):
            self.fail("not_an_id")
        return UUID(text)


@extend_schema_field({"type": "string", "format": "date-time"})
class MomentField(serializers.Field):
    """A moment as ISO 8601 text that names its time zone."""

    default_error_messages = {
        "invalid": "Must be a time with its time zone, such as 2030-01-31T18:00:00Z.",
    }

    def to_internal_value(self, data: Any) -> datetime:
        """The moment in UTC."""
        found = self._read(data) if isinstance(data, str) and len(data) <= _LONGEST else None
        if found is None or found.tzinfo is None:
            self.fail("invalid")
        try:
            return found.astimezone(UTC)
        except OverflowError:
            self.fail("invalid")
            raise

    def _read(self, text: str) -> datetime | None:
        try:
            return datetime.fromisoformat(text) if text.isascii() else None
        except ValueError:
            return None

    def to_representation(self, value: Any) -> Any:
        """Only read from requests."""
        return value
