"""Tasks of a job: imported as a stream, listed, decided by hand, asked again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.http.serializers import StrictInteger, StrictJSON, StrictSerializer, StrictString
from core.http.streams import Upload
from core.http.views import Access
from marketplace.api import intake, rendering, shapes
from marketplace.api.requesters import RequesterView
from marketplace.imports import rows
from marketplace.models import Resolution, Task
from marketplace.services import decisions, tasks

READ = Access(scope="jobs:read", role="viewer")


class TasksQuery(StrictSerializer):
    """Filters of the list."""

    state = serializers.ChoiceField(choices=Task.State.choices, required=False)
    role = serializers.ChoiceField(choices=Task.Role.choices, required=False)
    external_id = StrictString(max_length=200, required=False)


class AdjudicateInput(StrictSerializer):
    """``answer`` has the shape that the job's interface asks for."""

    answer = StrictJSON()


class ReopenInput(StrictSerializer):
    """``answers``: how many more to ask for; the job's smallest overlap when it is not given."""

    answers = StrictInteger(min_value=1, max_value=decisions.ANSWERS_CAP, required=False)


def _current(task_ids: list[UUID]) -> dict[UUID, Resolution]:
    found = Resolution.objects.filter(task_id__in=task_ids, is_current=True)
    return {one.task_id: one for one in found}


class TasksView(RequesterView):
    """A job's tasks."""

    access = {"GET": READ, "POST": intake.ACCESS}
    uploads = {"POST": intake.CONTENT_TYPES}
    queries = {"GET": TasksQuery, "POST": intake.UploadQuery}
    responses = {
        "GET": {200: shapes.TaskShape(many=True)},
        "POST": {200: shapes.ImportShape, **intake.LISTS},
    }

    def get(self, request: Request, job: UUID) -> Response:
        """In order of id, a page at a time, with what was concluded."""
        row = rendering.own_job(self.requester_id, job)
        query = self.query(TasksQuery)
        found = Task.objects.filter(job=row)
        for name in ("state", "role", "external_id"):
            if name in query:
                found = found.filter(**{name: query[name]})

        def render_all(page: list[Task]) -> list[dict[str, Any]]:
            current = _current([one.pk for one in page])
            return [rendering.task(one, current.get(one.pk)) for one in page]

        return self.page_of(found, render_all, order="id")

    def post(self, request: Request, job: UUID) -> HttpResponseBase:
        """Import NDJSON or CSV of any size; repeatable by external id."""
        row = rendering.own_job(self.requester_id, job)
        query = self.query(intake.UploadQuery)

        def act(upload: Upload, options: dict[str, Any]) -> dict[str, Any]:
            parsed = rows.parse(upload.file, upload.content_type)
            found = tasks.import_rows(job=row, rows=parsed, by=self.caller.user_id, **options)
            return rendering.imported(found)

        return intake.take(request, query, act)


class TaskView(RequesterView):
    """One task."""

    access = {"GET": READ}
    responses = {"GET": {200: shapes.TaskShape}}

    def get(self, request: Request, task: UUID) -> Response:
        """The task with what was concluded."""
        row = rendering.own_task(self.requester_id, task)
        return Response(rendering.task(row, _current([row.pk]).get(row.pk)))


class AdjudicateView(RequesterView):
    """Decide a task that the crowd could not."""

    access = {"POST": Access(scope="jobs:write", role="manager", idempotency="natural")}
    bodies = {"POST": AdjudicateInput}
    responses = {"POST": {200: shapes.ResolutionShape}}

    def post(self, request: Request, task: UUID) -> Response:
        """The answer given here is the task's; the votes stay as they were."""
        row = rendering.own_task(self.requester_id, task)
        body = self.body(AdjudicateInput)
        made = decisions.adjudicate(task=row, answer=body["answer"], by=self.caller.user_id)
        return Response(rendering.resolved(made))


class ReopenView(RequesterView):
    """Ask for more answers to a decided task."""

    access = {"POST": Access(scope="jobs:write", role="manager", idempotency="ordinary")}
    bodies = {"POST": ReopenInput}
    responses = {"POST": {200: shapes.TaskShape}}

    def post(self, request: Request, task: UUID) -> Response:
        """A new round by other workers, out of the job's budget; the old result is history."""
        row = rendering.own_task(self.requester_id, task)
        body = self.body(ReopenInput)
        opened = decisions.reopen(task=row, answers=body.get("answers"), by=self.caller.user_id)
        return Response(rendering.task(opened, None))
