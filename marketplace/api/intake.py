"""Taking in files of rows: the upload is spooled, read as a stream, and answered with what became
of each row.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from core.http import streams
from core.http.serializers import StrictSerializer
from core.http.views import Access
from marketplace.imports import rows
from marketplace.services.tasks import ImportResult

#: An upload may be larger than any request with a body that is parsed at once.
SIZE_CAP = 4 * 1024**3
#: The formats an upload may have.
CONTENT_TYPES = tuple(rows.FORMATS)
#: Repeatable by external id, so it needs no key.
ACCESS = Access(scope="jobs:write", role="manager", idempotency="natural")


class UploadQuery(StrictSerializer):
    """``on_error=skip`` takes the good rows; ``abort`` takes all or none."""

    on_error = serializers.ChoiceField(choices=["abort", "skip"], required=False, default="abort")


def render(found: ImportResult) -> dict[str, Any]:
    """What became of an upload."""
    return {
        "created": found.created,
        "duplicates": found.duplicates,
        "rejected": found.rejected,
        "rejected_total": found.rejected_total,
    }


def spooled(request: Any) -> Any:
    """The upload in a temporary file, with its content type."""
    return streams.spool(request, content_types=CONTENT_TYPES, max_bytes=SIZE_CAP)
