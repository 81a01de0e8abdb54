"""Known answers and model answers of a job."""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

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
    responses = {"GET": {200: shapes.GoldShape(many=True)}, "POST": {200: shapes.ImportShape}}

    def get(self, request: Request, job: UUID) -> Response:
        """The known answers, a page at a time."""
        row = rendering.own_job(self.requester_id, job)
        found = GoldAnswer.objects.filter(task__job=row).select_related("task")
        return self.page(found, rendering.gold, order="task_id")

    def post(self, request: Request, job: UUID) -> Response:
        """Add rows of `data` and `answer`; repeatable by external id."""
        row = rendering.own_job(self.requester_id, job)
        query = self.query(intake.UploadQuery)
        with intake.spooled(request) as upload:
            found = gold.add(
                job=row,
                records=extended.known_answers(upload.file, upload.content_type),
                on_error=query["on_error"],
                by=self.caller.user_id,
            )
        return Response(intake.render(found))


class PredictionsView(RequesterView):
    """What models say of the job's tasks."""

    access = {"POST": intake.ACCESS}
    uploads = {"POST": intake.CONTENT_TYPES}
    queries = {"POST": intake.UploadQuery}
    responses = {"POST": {200: shapes.PredictionsShape}}

    def post(self, request: Request, job: UUID) -> Response:
        """Rows of `external_id` or `task`, `value`, `model_version` and `score`."""
        row = rendering.own_job(self.requester_id, job)
        query = self.query(intake.UploadQuery)
        with intake.spooled(request) as upload:
            found = predictions.add(
                job=row,
                records=extended.predictions(upload.file, upload.content_type),
                on_error=query["on_error"],
                by=self.caller.user_id,
            )
        return Response(
            {
                "created": found.created,
                "replaced": found.replaced,
                "rejected": found.rejected,
                "rejected_total": found.rejected_total,
            }
        )
