"""The hot path over HTTP: claim, and submit with the next claim."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from core import errors
from core.http import auth
from core.http.serializers import StrictBoolean, StrictJSON, StrictSerializer, StrictString
from core.http.views import Access, ApiView
from workers.services import claims, hot, submissions
from workers.services.claims import Nothing

from . import rendering
from .shapes import ClaimBody, SubmittedBody

_NO_STORE = {"Cache-Control": "no-store"}


class ClaimInput(StrictSerializer):
    """``hints`` are for play-money jobs only; ``ahead`` asks for one task to prefetch."""

    ahead = StrictBoolean(required=False, default=False)
    hints = serializers.ListField(
        child=StrictString(max_length=200), required=False, max_length=100, allow_empty=False
    )


class AnyClaimInput(StrictSerializer):
    """``specialties``: only jobs of these; without it, those of the worker's profile."""

    specialties = serializers.ListField(
        child=StrictString(max_length=32), required=False, max_length=20
    )


class SubmitInput(StrictSerializer):
    """``answer`` has the shape that the task's interface asks for."""

    answer = StrictJSON()


class SubmitQuery(StrictSerializer):
    """``next=1`` claims the next task of the same job in the same request."""

    next = serializers.ChoiceField(choices=["0", "1"], required=False, default="0")


def render_claim(row: dict[str, Any]) -> dict[str, Any]:
    """A claim's row as the API shows it: task, frozen quote, deadline by the server's clock."""
    return {
        "id": str(row["id"]),
        "job": str(row["job_id"]),
        "task": {
            "id": rendering.task_name(row["task_id"]),
            "data": orjson.Fragment(row["data"]),
            "media": rendering.media_text(row["media"]),
            "interface": rendering.interface(row["interface_id"]),
        },
        "quote": rendering.quote(row),
        "draft": None if row["draft"] is None else orjson.Fragment(row["draft"]),
        "draft_version": row["draft_version"],
        "expires_at": row["expires_at"],
        "server_time": row["server_time"],
    }


def _json(status: int, body: dict[str, Any]) -> HttpResponse:
    return HttpResponse(
        orjson.dumps(body, option=orjson.OPT_UTC_Z),
        status=status,
        content_type="application/json",
        headers=_NO_STORE,
    )


def _claimed(got: dict[str, Any] | Nothing) -> HttpResponse:
    if isinstance(got, Nothing):
        response = HttpResponse(status=204, headers=_NO_STORE)
        response["Retry-After"] = str(got.retry_after)
        response["X-Remaining"] = "some" if got.remaining else "none"
        return response
    return _json(201, render_claim(got))


class JobClaimView(ApiView):
    """Claim the next task of one job."""

    access = {"POST": Access(scope="work", role="user", idempotency="natural")}
    bodies = {"POST": ClaimInput}
    responses = {"POST": {201: ClaimBody, 204: None}}

    def post(self, request: Request, job: UUID) -> HttpResponse:
        """The worker's live claim in this job if there is one, else a new one."""
        body = self.body(ClaimInput)
        if "hints" in body:
            claims.require_sandbox(job_id=job)
        got = claims.claim(
            job_id=job,
            worker_id=self.caller.user_id,
            ahead=body["ahead"],
            hints=body.get("hints"),
        )
        return _claimed(got)


class AnyClaimView(ApiView):
    """Claim the best task over all jobs."""

    access = {"POST": Access(scope="work", role="user", idempotency="natural")}
    bodies = {"POST": AnyClaimInput}
    responses = {"POST": {201: ClaimBody, 204: None}}

    def post(self, request: Request) -> HttpResponse:
        """Tries the jobs that are open to the worker by priority, then pay."""
        body = self.body(AnyClaimInput)
        got = claims.claim_any(worker_id=self.caller.user_id, specialties=body.get("specialties"))
        return _claimed(got)


class SubmitView(ApiView):
    """Submit an answer; with ``?next=1`` the next claim of the job comes back with it.

    Authenticates by the statement that also loads the assignment, so that a submit is two
    statements and a submit with the next claim three.
    """

    access = {"POST": Access(scope="work", role="user", idempotency="natural")}
    bodies = {"POST": SubmitInput}
    queries = {"POST": SubmitQuery}
    responses = {"POST": {200: SubmittedBody}}
    loads_caller = True

    def load_caller(self, request: Request, digest: bytes) -> auth.Caller | None:
        """Read token and assignment together; called by ``ApiView`` in place of its own look-up."""
        self.loaded = hot.load_for_submit(digest=digest, assignment_id=self.kwargs["assignment"])
        return None if self.loaded is None else auth.Caller.from_row(self.loaded)

    def post(self, request: Request, assignment: UUID) -> HttpResponse:
        """The same answer again gives the same result again; another answer is a 409."""
        body = self.body(SubmitInput)
        query = self.query(SubmitQuery)
        worker_id = self.caller.user_id
        loaded = self.loaded or {"id": None}
        done = submissions.submit(loaded=loaded, worker_id=worker_id, answer=body["answer"])
        answer: dict[str, Any] = {
            "id": str(done.assignment_id),
            "state": done.state,
            "is_late": done.is_late,
            "quote": rendering.quote(loaded),
        }
        if query["next"] == "1":
            try:
                got = claims.claim(job_id=done.job_id, worker_id=worker_id)
            except errors.Problem as problem:
                # The answer is recorded whatever becomes of the next task.
                answer |= {"next": None, "remaining": "none", "next_refused": problem.code}
                return _json(200, answer)
            if isinstance(got, Nothing):
                answer["next"] = None
                answer["retry_after"] = got.retry_after
                answer["remaining"] = "some" if got.remaining else "none"
            else:
                answer["next"] = render_claim(got)
        return _json(200, answer)
