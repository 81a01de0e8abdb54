"""What was concluded for a job's tasks: as pages, or all of it as a stream."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from core.http.serializers import StrictInteger, StrictSerializer, StrictUUID
from core.http.views import Access
from marketplace.api import rendering, results_stream, shapes
from marketplace.api.requesters import RequesterView
from marketplace.exports import results

PAGE_CAP = 200


class ResultsQuery(StrictSerializer):
    """``after`` is the last page's ``next``."""

    limit = StrictInteger(min_value=1, max_value=PAGE_CAP, required=False, default=50)
    after = StrictUUID(required=False)


class ResultsView(RequesterView):
    """A job's results."""

    access = {"GET": Access(scope="jobs:read", role="viewer")}
    queries = {"GET": ResultsQuery}
    responses = {
        "GET": {
            200: shapes.ResultsPage,
            (200, results_stream.CONTENT_TYPE): OpenApiTypes.BINARY,
        }
    }

    def get(self, request: Request, job: UUID) -> HttpResponseBase:
        """In order of task; with `Accept: application/x-ndjson` all of them, line by line."""
        row = rendering.own_job(self.requester_id, job)
        query = self.query(ResultsQuery)
        after = query.get("after")
        if results_stream.CONTENT_TYPE in request.headers.get("Accept", ""):
            return results_stream.respond(row)
        limit = query["limit"]
        found = results.page(row, after=after, limit=limit)
        return Response({"data": found, "next": found[-1]["task"] if len(found) == limit else None})
