"""What a requester asks of workers: its qualifications and their exams.

Workers see and try for them elsewhere.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import errors
from core.http.serializers import (
    StrictBoolean,
    StrictDecimal,
    StrictInteger,
    StrictSerializer,
    StrictString,
    StrictUUID,
)
from core.http.views import Access
from marketplace.api import shapes
from marketplace.api.requesters import RequesterView
from marketplace.models import Qualification
from marketplace.services import qualifications

_READ = Access(scope="jobs:read", role="viewer")


class _Terms(StrictSerializer):
    description = StrictString(
        max_length=qualifications.DESCRIPTION_CAP, allow_blank=True, required=False
    )
    pass_mark = StrictDecimal(
        max_digits=4, decimal_places=3, min_value=0, max_value=1, required=False
    )
    questions = StrictInteger(min_value=1, max_value=qualifications.QUESTIONS_CAP, required=False)
    retry_days = StrictInteger(min_value=0, max_value=qualifications.DAYS_CAP, required=False)
    valid_days = StrictInteger(
        min_value=1, max_value=qualifications.DAYS_CAP, required=False, allow_null=True
    )


class QualificationInput(_Terms):
    """``exam_job`` is a launched job of yours with the purpose `exam`."""

    name = StrictString(max_length=qualifications.NAME_CAP)
    exam_job = StrictUUID()
    specialty = StrictString(max_length=qualifications.SPECIALTY_CAP, required=False)


class QualificationChange(_Terms):
    """What is given is changed, for attempts and grants from now on."""

    is_active = StrictBoolean(required=False)


class QualificationsQuery(StrictSerializer):
    """Filters of the list."""

    active = serializers.ChoiceField(choices=["0", "1"], required=False)


class QualificationsView(RequesterView):
    """The qualifications that the requester's jobs may ask for."""

    access = {
        "GET": _READ,
        "POST": Access(scope="jobs:write", role="manager", idempotency="ordinary"),
    }
    bodies = {"POST": QualificationInput}
    queries = {"GET": QualificationsQuery}
    responses = {
        "GET": {200: shapes.QualificationShape(many=True)},
        "POST": {201: shapes.QualificationShape},
    }

    def get(self, request: Request) -> Response:
        """The requester's own and the market's; newest first."""
        found = Qualification.objects.filter(organization=None)
        found |= Qualification.objects.filter(organization_id=self.requester_id)
        query = self.query(QualificationsQuery)
        if "active" in query:
            found = found.filter(is_active=query["active"] == "1")
        return self.page(found, render, order="-id")

    def post(self, request: Request) -> Response:
        """Define one that an exam of yours earns."""
        made = qualifications.create(
            organization_id=self.requester_id,
            by=self.caller.user_id,
            **_terms(self.body(QualificationInput)),
        )
        return Response(render(made), status=201)


class QualificationView(RequesterView):
    """One qualification."""

    access = {
        "GET": _READ,
        "PATCH": Access(scope="jobs:write", role="manager", idempotency="natural"),
    }
    bodies = {"PATCH": QualificationChange}
    responses = {
        "GET": {200: shapes.QualificationShape},
        "PATCH": {200: shapes.QualificationShape},
    }

    def get(self, request: Request, qualification: UUID) -> Response:
        """One of the requester's own."""
        return Response(render(self._own(qualification)))

    def patch(self, request: Request, qualification: UUID) -> Response:
        """Change its terms, or switch it off and on."""
        row = self._own(qualification)
        changed = qualifications.change(
            qualification=row,
            fields=_terms(self.body(QualificationChange)),
            by=self.caller.user_id,
        )
        return Response(render(changed))

    def _own(self, pk: UUID) -> Qualification:
        found = Qualification.objects.filter(pk=pk, organization_id=self.requester_id).first()
        if found is None:
            raise errors.NotFound("There is no such qualification.")
        return found


def _terms(body: dict[str, Any]) -> dict[str, Any]:
    """The body as the service takes it."""
    found = dict(body)
    if "exam_job" in found:
        found["exam_job_id"] = found.pop("exam_job")
    if "pass_mark" in found:
        found["pass_mark"] = float(found["pass_mark"])
    return found


def render(row: Qualification) -> dict[str, Any]:
    """A qualification as its requester sees it."""
    return {
        "id": str(row.pk),
        "is_market": row.organization_id is None,
        "name": row.name,
        "description": row.description,
        "specialty": row.specialty,
        "exam_job": None if row.exam_job_id is None else str(row.exam_job_id),
        "pass_mark": row.pass_mark,
        "questions": row.questions,
        "retry_days": row.retry_days,
        "valid_days": row.valid_days,
        "is_active": row.is_active,
        "created_at": row.created_at,
    }
