"""Taking in files of rows: the upload is spooled, read as a stream, and answered with what became
of each row.

An answer lists the first thousand rejected rows. Who accepts NDJSON gets a file of all of them
instead, and the counts as headers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from django.http import FileResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.http import streams
from core.http.serializers import StrictSerializer
from core.http.views import Access
from marketplace.imports import rows
from marketplace.services.tasks import RowsRejected

#: An upload may be larger than any request with a body that is parsed at once.
SIZE_CAP = 4 * 1024**3
#: The formats an upload may have.
CONTENT_TYPES = tuple(rows.FORMATS)
#: Repeatable by external id, so it needs no key.
ACCESS = Access(scope="jobs:write", role="manager", idempotency="natural")

#: The full list of rejected rows, of an upload that was taken and of one that was refused.
LISTS: Mapping[Any, Any] = {
    (200, rows.NDJSON): OpenApiTypes.BINARY,
    (400, rows.NDJSON): OpenApiTypes.BINARY,
}

#: Takes a spooled upload and the options of its import; answers the body.
Act = Callable[[streams.Upload, dict[str, Any]], dict[str, Any]]


class UploadQuery(StrictSerializer):
    """``on_error=skip`` takes the good rows; ``abort`` takes all or none."""

    on_error = serializers.ChoiceField(choices=["abort", "skip"], required=False, default="abort")


def take(request: Request, query: Mapping[str, Any], act: Act) -> HttpResponseBase:
    """Spool the upload and let ``act`` import it. Raises what that raises."""
    wants_list = rows.NDJSON in request.headers.get("Accept", "")
    if not wants_list:
        return Response(_imported(request, query, act, None))
    listed = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it
    try:
        try:
            found, status = _imported(request, query, act, listed), 200
        except RowsRejected as refused:
            found, status = {"created": 0, **refused.extra}, refused.status
        listed.seek(0)
        return _file(listed, found, status)
    except BaseException:
        listed.close()
        raise


def _imported(
    request: Request, query: Mapping[str, Any], act: Act, listed: BinaryIO | None
) -> dict[str, Any]:
    with streams.spool(request, content_types=CONTENT_TYPES, max_bytes=SIZE_CAP) as upload:
        return act(upload, {"on_error": query["on_error"], "rejected_to": listed})


def _file(listed: BinaryIO, found: Mapping[str, Any], status: int) -> FileResponse:
    answer = FileResponse(listed, content_type=rows.NDJSON, status=status)
    for name in ("created", "duplicates", "replaced", "rejected_total"):
        if name in found:
            answer[f"X-{name.removesuffix('_total').title()}"] = str(found[name])
    answer["X-Content-Type-Options"] = "nosniff"
    return answer
