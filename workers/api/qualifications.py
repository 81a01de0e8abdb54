"""Qualifications as a worker sees them, and the attempts at their exams."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from core import errors
from core.http.serializers import StrictInteger, StrictJSON, StrictSerializer
from core.http.views import Access, ApiView
from marketplace.models import Qualification
from workers.services import exams, qualifications, standing

from . import rendering
from .shapes import AnsweredBody, AttemptBody, HoldingBody

_READ = Access(scope="work", role="user")
_WRITE = Access(scope="work", role="user", idempotency="natural")


class AnswerInput(StrictSerializer):
    """``question`` is the number of the question that is asked now."""

    question = StrictInteger(min_value=1, max_value=1000)
    answer = StrictJSON()


def render(held: qualifications.Holding) -> dict[str, Any]:
    """A qualification and where the worker stands with it."""
    row, grant, attempt = held.qualification, held.grant, held.attempt
    return {
        "id": str(row.pk),
        "name": row.name,
        "description": row.description,
        "specialty": row.specialty,
        "questions": row.questions,
        "pass_mark": row.pass_mark,
        "retry_days": row.retry_days,
        "valid_days": row.valid_days,
        "state": held.state,
        "reason": held.reason or None,
        "detail": held.detail or None,
        "available_at": held.available_at,
        "granted_at": None if grant is None else grant.granted_at,
        "expires_at": None if grant is None else grant.expires_at,
        "attempt": None if attempt is None or attempt.ended_at else str(attempt.pk),
    }


def render_attempt(found: exams.Progress) -> dict[str, Any]:
    """An attempt: feedback so far, the question that is asked now, how it ended."""
    row, asked = found.attempt, found.question
    exam = row.qualification.exam_job
    question = None
    if asked is not None and exam is not None:
        question = {
            "number": asked.number,
            "instructions": exam.instructions,
            "task": rendering.task(asked.task, exam.interface_id),
        }
    return {
        "id": str(row.pk),
        "qualification": str(row.qualification_id),
        "state": row.state,
        "questions": row.questions,
        "answered": [_feedback(one) for one in found.answered],
        "question": question,
        "score": row.score,
        "pass_mark": row.qualification.pass_mark,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "expires_at": None if found.grant is None else found.grant.expires_at,
        "retry_at": found.retry_at,
    }


def _feedback(one: exams.Feedback) -> dict[str, Any]:
    return {
        "question": one.number,
        "grade": one.grade,
        "right_answer": one.right_answer,
        "explanation": one.explanation,
    }


class QualificationsView(ApiView):
    """What can be earned, and what was."""

    access = {"GET": _READ}
    responses = {"GET": {200: HoldingBody(many=True)}}

    def get(self, request: Request) -> Response:
        """Newest first: held, open to try for, or locked, with the reason and the date."""
        worker_id = self.caller.user_id
        found = standing.read(worker_id)

        def render_all(rows: list[Qualification]) -> list[dict[str, Any]]:
            return [render(one) for one in qualifications.holdings(found, rows)]

        return self.page_of(qualifications.listed(worker_id=worker_id), render_all)


class QualificationView(ApiView):
    """One qualification."""

    access = {"GET": _READ}
    responses = {"GET": {200: HoldingBody}}

    def get(self, request: Request, qualification: UUID) -> Response:
        """Where the caller stands with it."""
        worker_id = self.caller.user_id
        rows = list(qualifications.listed(worker_id=worker_id).filter(pk=qualification))
        if not rows:
            raise errors.NotFound("There is no such qualification.")
        (held,) = qualifications.holdings(standing.read(worker_id), rows)
        return Response(render(held))


class AttemptsView(ApiView):
    """Attempts at one qualification."""

    access = {"POST": _WRITE}
    bodies = {"POST": StrictSerializer}
    responses = {"POST": {201: AttemptBody}}

    def post(self, request: Request, qualification: UUID) -> Response:
        """Begin an attempt, or go on with the one that is open; its first question is with it."""
        self.body(StrictSerializer)
        worker_id = self.caller.user_id
        attempt, _ = exams.start(qualification_id=qualification, worker_id=worker_id)
        found = exams.progress(attempt_id=attempt.pk, worker_id=worker_id)
        return Response(render_attempt(found), status=201)


class AttemptView(ApiView):
    """One attempt of the caller's."""

    access = {"GET": _READ}
    responses = {"GET": {200: AttemptBody}}

    def get(self, request: Request, attempt: UUID) -> Response:
        """The question that is asked now, and the feedback so far."""
        found = exams.progress(attempt_id=attempt, worker_id=self.caller.user_id)
        return Response(render_attempt(found))


class AnswersView(ApiView):
    """Answers of an attempt."""

    access = {"POST": _WRITE}
    bodies = {"POST": AnswerInput}
    responses = {"POST": {200: AnsweredBody}}

    def post(self, request: Request, attempt: UUID) -> Response:
        """Graded at once. The same answer again gets the same feedback; another one is a 409."""
        body = self.body(AnswerInput)
        worker_id = self.caller.user_id
        given = exams.answer(
            attempt_id=attempt,
            worker_id=worker_id,
            number=body["question"],
            answer=body["answer"],
        )
        found = exams.progress(attempt_id=attempt, worker_id=worker_id)
        return Response({"feedback": _feedback(given), "attempt": render_attempt(found)})


class AbandonView(ApiView):
    """Giving up."""

    access = {"POST": _WRITE}
    bodies = {"POST": StrictSerializer}
    responses = {"POST": {200: AttemptBody}}

    def post(self, request: Request, attempt: UUID) -> Response:
        """Counts as failed for the date of the next attempt."""
        self.body(StrictSerializer)
        worker_id = self.caller.user_id
        exams.abandon(attempt_id=attempt, worker_id=worker_id)
        return Response(render_attempt(exams.progress(attempt_id=attempt, worker_id=worker_id)))
