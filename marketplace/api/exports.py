"""Exports over HTTP: ask for one, see how far it is, fetch the file."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import StreamingHttpResponse
from django.urls import path, reverse
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import NotFound
from core.http.serializers import StrictBoolean, StrictSerializer, StrictString
from core.http.views import Access, ApiView
from marketplace.api import delivery_shapes as shapes
from marketplace.api import rendering
from marketplace.api.requesters import RequesterView
from marketplace.exports import formats
from marketplace.exports.rows import utc
from marketplace.models import Export
from marketplace.services import exports


class ExportOptions(StrictSerializer):
    """Each format takes its own."""

    raw = StrictBoolean(required=False)


class ExportInput(StrictSerializer):
    """``format`` is `jsonl` or `csv`."""

    format = StrictString(max_length=20)
    options = ExportOptions(required=False)


class FileQuery(StrictSerializer):
    """What makes the link one of ours."""

    signature = StrictString(max_length=200)


class ExportList(RequesterView):
    """The exports of a job."""

    access = {
        "GET": Access(scope="jobs:read", role="viewer"),
        "POST": Access(scope="jobs:read", role="viewer", idempotency="ordinary"),
    }
    bodies = {"POST": ExportInput}
    responses = {"GET": {200: shapes.ExportShape(many=True)}, "POST": {201: shapes.ExportShape}}

    def get(self, request: Request, job: UUID) -> Response:
        """List a job's exports."""
        found = rendering.own_job(self.requester_id, job)
        return self.page(Export.objects.filter(job=found), render, order="-id")

    def post(self, request: Request, job: UUID) -> Response:
        """Ask for a file of the job's results."""
        body = self.body(ExportInput)
        export = exports.create(
            job=rendering.own_job(self.requester_id, job),
            format_name=body["format"],
            options=body.get("options"),
            by=self.caller.user_id,
        )
        return Response(render(export), status=201)


class ExportDetail(RequesterView):
    """One export."""

    access = {"GET": Access(scope="jobs:read", role="viewer")}
    responses = {"GET": {200: shapes.ExportShape}}

    def get(self, request: Request, export: UUID) -> Response:
        """Tell how far an export is; link to its file when it is done."""
        found = Export.objects.filter(id=export, organization_id=self.requester_id).first()
        if found is None:
            raise NotFound("There is no such export.")
        shown = render(found)
        if found.state == Export.State.DONE:
            shown["file"] = _file(found)
        return Response(shown)


class ExportFile(ApiView):
    """The file of an export, for who holds a signed link to it."""

    access = {"GET": Access(scope=None, role="public")}
    queries = {"GET": FileQuery}
    responses = {"GET": {(200, "application/octet-stream"): OpenApiTypes.BINARY}}

    def get(self, request: Request, export: UUID) -> StreamingHttpResponse:
        """Stream the file."""
        query = self.query(FileQuery)
        found = exports.opened(export_id=export, signature=query["signature"])
        form = formats.FORMATS[found.format]
        answer = StreamingHttpResponse(exports.read(found), content_type=form.content_type)
        answer["Content-Disposition"] = (
            f'attachment; filename="results-{found.job_id}.{form.extension}"'
        )
        answer["Content-Length"] = str(exports.size(found))
        answer["X-Content-Type-Options"] = "nosniff"
        answer["Cache-Control"] = "private, no-store"
        return answer


def render(export: Export) -> dict[str, Any]:
    """Show an export without its file."""
    return {
        "id": str(export.id),
        "job": str(export.job_id),
        "format": export.format,
        "options": export.options,
        "state": export.state,
        "rows_done": export.rows_done,
        "rows_total": export.rows_total,
        "error": export.error or None,
        "created_at": utc(export.created_at),
        "finished_at": utc(export.finished_at) if export.finished_at else None,
        "file": None,
    }


def _file(export: Export) -> dict[str, Any]:
    place = reverse("exports-file", kwargs={"export": export.id})
    return {
        "url": f"{settings.PUBLIC_URL}{place}?signature={exports.link_signature(export)}",
        "expires_in": exports.LINK_SECONDS,
        "bytes": exports.size(export),
        "rows": export.rows_done,
    }


urlpatterns = [
    path("jobs/<uuid:job>/exports", ExportList.as_view(), name="exports-list"),
    path("exports/<uuid:export>", ExportDetail.as_view(), name="exports-detail"),
    path("exports/<uuid:export>/file", ExportFile.as_view(), name="exports-file"),
]
