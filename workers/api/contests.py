"""Contested rejections: the worker's side and the requester's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.http.serializers import StrictSerializer, StrictString
from core.http.views import Access, ApiView
from workers.models import Contest
from workers.services import contests, reviews

from . import rendering
from .reviews import RejectionShape, ReviewedJobShape, rejection

_DECIDE = Access(scope="jobs:write", role="manager", idempotency="natural")


class ContestInput(StrictSerializer):
    """Why the answer is right."""

    statement = StrictString(max_length=contests.STATEMENT_CAP)


class UpholdInput(StrictSerializer):
    """A word to the worker."""

    answer = StrictString(
        max_length=contests.STATEMENT_CAP, required=False, default="", allow_blank=True
    )


class DenyInput(StrictSerializer):
    """Why the rejection stands; the worker reads it."""

    answer = StrictString(max_length=contests.STATEMENT_CAP)


class ContestBody(serializers.Serializer):
    """A contested rejection. Silence upholds it at ``answer_by``: the answer is paid."""

    id = serializers.UUIDField()
    assignment = serializers.UUIDField()
    job = ReviewedJobShape()
    task = serializers.UUIDField()
    submitted = serializers.JSONField(allow_null=True)
    rejection = RejectionShape()
    statement = serializers.CharField()
    state = serializers.ChoiceField(choices=Contest.State.choices)
    opened_at = serializers.DateTimeField()
    answer_by = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    answer = serializers.CharField(allow_null=True)


class ContestView(ApiView):
    """Contest a rejection."""

    access = {"POST": Access(scope="work", role="user", idempotency="natural")}
    bodies = {"POST": ContestInput}
    responses = {"POST": {201: ContestBody}}

    def post(self, request: Request, assignment: UUID) -> Response:
        """Within the time that the rejection names."""
        body = self.body(ContestInput)
        row = contests.contest(
            assignment_id=assignment,
            worker_id=self.caller.user_id,
            statement=body["statement"],
        )
        return Response(_to_worker([row])[0], status=201)


class ContestsView(ApiView):
    """Contests that concern the caller."""

    access = {"GET": Access(scope=None, role="user")}
    responses = {"GET": {200: ContestBody(many=True)}}

    def get(self, request: Request) -> Response:
        """With a person's token their own; with a requester's those that wait for its answer."""
        if self.caller.organization_id is None:
            self.require(Access(scope="work", role="user"))
            return self.page_of(contests.of_worker(self.caller.user_id), _to_worker)
        self.require(Access(scope="jobs:read", role="viewer"))
        return self.page_of(contests.open_for(self.caller.organization_id), _rendered)


class UpholdView(ApiView):
    """Agree with the worker."""

    access = {"POST": _DECIDE}
    bodies = {"POST": UpholdInput}
    responses = {"POST": {200: ContestBody}}

    def post(self, request: Request, contest: UUID) -> Response:
        """The answer is accepted, counts again and is paid."""
        body = self.body(UpholdInput)
        row = contests.uphold(
            contest_id=contest,
            organization_id=self.caller.organization_id,
            by=self.caller.user_id,
            answer=body["answer"],
        )
        return Response(_rendered([row])[0])


class DenyView(ApiView):
    """Insist on the rejection."""

    access = {"POST": _DECIDE}
    bodies = {"POST": DenyInput}
    responses = {"POST": {200: ContestBody}}

    def post(self, request: Request, contest: UUID) -> Response:
        """With a reason; the reserved pay is free again."""
        body = self.body(DenyInput)
        row = contests.deny(
            contest_id=contest,
            organization_id=self.caller.organization_id,
            by=self.caller.user_id,
            answer=body["answer"],
        )
        return Response(_rendered([row])[0])


def _to_worker(rows: list[Contest]) -> list[dict[str, Any]]:
    return _rendered(rows, rendering.task_name)


def _rendered(rows: list[Contest], name: Callable[[UUID], str] = str) -> list[dict[str, Any]]:
    said = reviews.said([row.assignment for row in rows])
    return [
        {
            "id": str(row.pk),
            "assignment": str(row.assignment_id),
            "job": {"id": str(row.assignment.job_id), "name": row.assignment.job.name},
            "task": name(row.assignment.task_id),
            "submitted": said[row.assignment_id].answer if row.assignment_id in said else None,
            "rejection": rejection(row.assignment),
            "statement": row.statement,
            "state": row.state,
            "opened_at": row.opened_at,
            "answer_by": row.answer_by,
            "ended_at": row.ended_at,
            "answer": row.answer or None,
        }
        for row in rows
    ]
