"""What a worker does with a claim besides submitting: return, extend, draft, undo."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from core.http.serializers import StrictInteger, StrictJSON, StrictSerializer
from core.http.views import Access, ApiView
from workers.models import Assignment
from workers.services import assignments, submissions

from .shapes import AssignmentBody


class DraftInput(StrictSerializer):
    """``version`` is the draft version that the client last saw, 0 at first."""

    version = StrictInteger(min_value=0, max_value=1_000_000_000)
    draft = StrictJSON()


def _render(row: Assignment) -> Response:
    return Response(
        {
            "id": str(row.pk),
            "state": row.state,
            "expires_at": row.expires_at,
            "extensions": row.extensions,
            "draft_version": row.draft_version,
        }
    )


class _OwnAssignmentView(ApiView):
    access = {"POST": Access(scope="work", role="user", idempotency="natural")}
    bodies: dict[str, Any] = {"POST": StrictSerializer}
    responses: dict[str, Any] = {"POST": {200: AssignmentBody}}


class ReturnView(_OwnAssignmentView):
    """Give a task back without penalty."""

    def post(self, request: Request, assignment: UUID) -> Response:
        """The slot is free again at once."""
        self.body(StrictSerializer)
        return _render(assignments.return_(assignment_id=assignment, worker_id=self.caller.user_id))


class ExtendView(_OwnAssignmentView):
    """A longer lease."""

    def post(self, request: Request, assignment: UUID) -> Response:
        """One more time limit from now, at most three times."""
        self.body(StrictSerializer)
        return _render(assignments.extend(assignment_id=assignment, worker_id=self.caller.user_id))


class UndoView(_OwnAssignmentView):
    """Take an answer back."""

    def post(self, request: Request, assignment: UUID) -> Response:
        """Before it is judged: the same claim, lease and quote; the answer becomes the draft."""
        self.body(StrictSerializer)
        return _render(submissions.undo(assignment_id=assignment, worker_id=self.caller.user_id))


class DraftView(ApiView):
    """Autosave."""

    access = {"PUT": Access(scope="work", role="user", idempotency="natural")}
    bodies = {"PUT": DraftInput}
    responses = {"PUT": {200: AssignmentBody}}

    def put(self, request: Request, assignment: UUID) -> Response:
        """A draft saved from elsewhere since is a 409 that carries what is stored."""
        body = self.body(DraftInput)
        row = assignments.save_draft(
            assignment_id=assignment,
            worker_id=self.caller.user_id,
            version=body["version"],
            draft=body["draft"],
        )
        return _render(row)
