"""A worker's own assignments: what is open, what was answered, what became of it."""

from __future__ import annotations

from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import errors
from core.http.serializers import StrictSerializer
from core.http.views import Access, ApiView
from marketplace.models import Annotation
from workers.models import Assignment

from . import rendering
from .fields import IdField
from .shapes import OwnAssignmentBody, OwnAssignmentInFullBody

_READ = Access(scope="work", role="user")


class AssignmentsQuery(StrictSerializer):
    """Filters of the list."""

    state = serializers.ChoiceField(choices=Assignment.State.choices, required=False)
    job = IdField(required=False)


class AssignmentsView(ApiView):
    """The caller's assignments."""

    access = {"GET": _READ}
    queries = {"GET": AssignmentsQuery}
    responses = {"GET": {200: OwnAssignmentBody(many=True)}}

    def get(self, request: Request) -> Response:
        """Newest first."""
        query = self.query(AssignmentsQuery)
        found = Assignment.objects.filter(worker_id=self.caller.user_id).select_related("job")
        if "state" in query:
            found = found.filter(state=query["state"])
        if "job" in query:
            found = found.filter(job_id=query["job"])
        return self.page(found, rendering.assignment)


class AssignmentView(ApiView):
    """One assignment of the caller's."""

    access = {"GET": _READ}
    responses = {"GET": {200: OwnAssignmentInFullBody}}

    def get(self, request: Request, assignment: UUID) -> Response:
        """With its task again, the draft, and the answer that was given."""
        row = (
            Assignment.objects.select_related("job", "task")
            .filter(pk=assignment, worker_id=self.caller.user_id)
            .first()
        )
        if row is None:
            raise errors.NotFound("There is no such assignment.")
        said = Annotation.objects.filter(assignment_ref=row.pk).values_list("answer", flat=True)
        return Response(rendering.assignment_in_full(row, said.first()))
