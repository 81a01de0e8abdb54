"""A requester's review of answers: what waits, accept, reject."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.http.serializers import StrictSerializer, StrictString, money
from core.http.views import Access, ApiView
from marketplace.models import Annotation
from workers.models import Assignment
from workers.services import reviews

from . import rendering
from .fields import IdField
from .shapes import MoneyShape, TaskShape

_READ = Access(scope="jobs:read", role="viewer")
_WRITE = Access(scope="jobs:write", role="manager", idempotency="natural")
_LISTS = {"awaiting": reviews.awaiting, "late": reviews.late, "rejected": reviews.rejected}


class ReviewsQuery(StrictSerializer):
    """``state``: `awaiting` a decision (usual), `late` (kept, not counted, not paid), `rejected`."""

    state = serializers.ChoiceField(choices=list(_LISTS), required=False, default="awaiting")
    job = IdField(required=False)


class RejectInput(StrictSerializer):
    """A reason of the closed list, and what shows it; the worker reads both."""

    reason = StrictString(max_length=32)
    evidence = StrictString(max_length=reviews.EVIDENCE_CAP)


class AcceptAllInput(StrictSerializer):
    """Up to 500 answers."""

    assignments = serializers.ListField(
        child=IdField(), allow_empty=False, max_length=reviews.BULK_CAP
    )


class ReviewedJobShape(serializers.Serializer):
    """The job of an answer."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class ReviewedTaskShape(TaskShape):
    """The task of an answer, with the requester's own name for it."""

    external_id = serializers.CharField(allow_null=True)


class RejectionShape(serializers.Serializer):
    """Why an answer was rejected, and until when the worker may contest it."""

    reason = serializers.ChoiceField(choices=reviews.Reason.choices)
    evidence = serializers.CharField()
    rejected_at = serializers.DateTimeField()
    contest_until = serializers.DateTimeField()


class ReviewBody(serializers.Serializer):
    """An answer to review. Silence accepts it at ``review_until``."""

    id = serializers.UUIDField()
    state = serializers.CharField()
    job = ReviewedJobShape()
    task = ReviewedTaskShape()
    answer = serializers.JSONField()
    is_late = serializers.BooleanField()
    submitted_at = serializers.DateTimeField(allow_null=True)
    review_until = serializers.DateTimeField(allow_null=True)
    is_decided = serializers.BooleanField()
    pay = MoneyShape()
    fee = MoneyShape()
    rejection = RejectionShape(allow_null=True)


class AcceptedAllBody(serializers.Serializer):
    """Which answers were accepted; the others no longer awaited review."""

    accepted = serializers.ListField(child=serializers.UUIDField())


class ReviewsView(ApiView):
    """Answers to the requester's jobs with acceptance by review."""

    access = {"GET": _READ}
    queries = {"GET": ReviewsQuery}
    responses = {"GET": {200: ReviewBody(many=True)}}

    def get(self, request: Request) -> Response:
        """Newest first."""
        query = self.query(ReviewsQuery)
        found = _LISTS[query["state"]](self.caller.organization_id)
        if "job" in query:
            found = found.filter(job_id=query["job"])
        return self.page_of(found, _rendered)


class AcceptView(ApiView):
    """Accept one answer."""

    access = {"POST": _WRITE}
    bodies = {"POST": StrictSerializer}
    responses = {"POST": {200: ReviewBody}}

    def post(self, request: Request, assignment: UUID) -> Response:
        """It is paid within seconds."""
        self.body(StrictSerializer)
        row = reviews.accept(
            assignment_id=assignment,
            organization_id=self.caller.organization_id,
            by=self.caller.user_id,
        )
        return Response(_rendered([row])[0])


class AcceptAllView(ApiView):
    """Accept many answers."""

    access = {"POST": _WRITE}
    bodies = {"POST": AcceptAllInput}
    responses = {"POST": {200: AcceptedAllBody}}

    def post(self, request: Request) -> Response:
        """Those of them that await review."""
        body = self.body(AcceptAllInput)
        accepted = reviews.accept_all(
            assignment_ids=body["assignments"],
            organization_id=self.caller.organization_id,
            by=self.caller.user_id,
        )
        return Response({"accepted": [str(pk) for pk in accepted]})


class RejectView(ApiView):
    """Reject one answer."""

    access = {"POST": _WRITE}
    bodies = {"POST": RejectInput}
    responses = {"POST": {200: ReviewBody}}

    def post(self, request: Request, assignment: UUID) -> Response:
        """It counts no more and another is asked for; its worker may contest."""
        body = self.body(RejectInput)
        row = reviews.reject(
            assignment_id=assignment,
            organization_id=self.caller.organization_id,
            by=self.caller.user_id,
            reason=body["reason"],
            evidence=body["evidence"],
        )
        return Response(_rendered([row])[0])


def _rendered(rows: list[Assignment]) -> list[dict[str, Any]]:
    said = reviews.said(rows)
    return [_one(row, said.get(row.pk)) for row in rows]


def _one(row: Assignment, said: Annotation | None) -> dict[str, Any]:
    is_open = row.state == Assignment.State.SUBMITTED and row.reviewed_at is None
    return {
        "id": str(row.pk),
        "state": row.state,
        "job": {"id": str(row.job_id), "name": row.job.name},
        "task": None
        if said is None
        else {
            **rendering.task(said.task, said.interface_id),
            "external_id": said.task.external_id,
        },
        "answer": None if said is None else said.answer,
        "is_late": row.is_late,
        "submitted_at": row.submitted_at,
        "review_until": row.settle_after if is_open else None,
        "is_decided": not is_open,
        "pay": money(row.guaranteed_micros, row.currency),
        "fee": money(row.fee_micros, row.currency),
        "rejection": rejection(row),
    }


def rejection(row: Assignment) -> dict[str, Any] | None:
    """Why an answer was rejected; None when it was not."""
    if not row.reject_reason:
        return None
    return {
        "reason": row.reject_reason,
        "evidence": row.reject_evidence,
        "rejected_at": row.reviewed_at,
        "contest_until": row.contest_until,
    }
