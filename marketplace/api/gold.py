"""Known answers and model answers of a job."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from core.http.streams import Upload
from core.http.views import Access
from marketplace.api import intake, rendering, shapes
from marketplace.api.requesters import RequesterView
from marketplace.imports import extended
from marketplace.models import GoldAnswer
from marketplace.services import gold, predictions


class GoldView(RequesterView):
    """Tasks with known answers; in an exam, its questions."""

    access = {"GET": Access(scope="jobs:read", role="manager"), "POST": intake.ACCESS}
    uploads = {"POST": intake.CONTENT_TYPES}
    queries = {"POST": intake.UploadQuery}
    responses = {
        "GET": {200: shapes.GoldShape(many=True)},
        "POST": {200: shapes.ImportShape, **intake.LISTS},
    }

    def get(self, request: Request, job: UUID) -> Response:
        """The known answers, a page at a time."""
        row = rendering.own_job(self.requester_id, job)
        found = GoldAnswer.objects.filter(task__job=row).select_related("task")
        return self.page(found, rendering.gold, order="task_id")

    def post(self, request: Request, job: UUID) -> HttpResponseBase:
        """Add rows of `data` and `answer`; repeatable by external id."""
        row = rendering.own_job(self.requester_id, job)
        query = self.query(intake.UploadQuery)

        def act(upload: Upload, options: dict[str, Any]) -> dict[str, Any]:
            records = extended.known_answers(upload.file, upload.content_type)
            found = gold.add(job=row, records=records, by=self.caller.user_id, **options)
            return rendering.imported(found)

        return intake.take(request, query, act)


class PredictionsView(RequesterView):
    """What models say of the job's tasks."""

    access = {"POST": intake.ACCESS}
    uploads = {"POST": intake.CONTENT_TYPES}
    queries = {"POST": intake.UploadQuery}
    responses = {"POST": {200: shapes.PredictionsShape, **intake.LISTS}}

    def post(self, request: Request, job: UUID) -> HttpResponseBase:
        """Rows of `external_id` or `task`, `value`, `model_version` and `score`."""
        row = rendering.own_job(self.requester_id, job)
        query = self.query(intake.UploadQuery)

        def act(upload: Upload, options: dict[str, Any]) -> dict[str, Any]:
            records = extended.predictions(upload.file, upload.content_type)
            found = predictions.add(job=row, records=records, by=self.caller.user_id, **options)
            return rendering.predicted(found)

        return intake.take(request, query, act)
