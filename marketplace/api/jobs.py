"""A requester's jobs: drafted, quoted, launched, paused, ended."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.http.serializers import (
    StrictBoolean,
    StrictDecimal,
    StrictInteger,
    StrictJSON,
    StrictSerializer,
    StrictString,
    StrictUUID,
)
from core.http.views import Access
from marketplace.api import rendering, shapes
from marketplace.api.requesters import RequesterView
from marketplace.models import Job
from marketplace.services import jobs
from payments.services import escrow

BUDGET_CAP = 10**15


class JobFields(StrictSerializer):
    """What may be said of a draft; the service tells what each field may hold."""

    name = StrictString(max_length=200)
    instructions = StrictString(max_length=50_000, allow_blank=True)
    kind = StrictString(max_length=32)
    interface = StrictJSON()
    purpose = StrictString(max_length=8)
    specialty = StrictString(max_length=32)
    unit = StrictString(max_length=16)
    base_rate_micros = StrictInteger(min_value=0, max_value=1_000_000_000)
    seconds_per_unit = StrictDecimal(max_digits=12, decimal_places=3)
    difficulty = StrictDecimal(max_digits=4, decimal_places=2)
    bonus_pct = StrictDecimal(max_digits=5, decimal_places=4)
    acceptance = StrictString(max_length=8)
    review_days = StrictInteger(min_value=1, max_value=30)
    time_limit_seconds = StrictInteger(min_value=10, max_value=86_400)
    undo_seconds = StrictInteger(min_value=0, max_value=60)
    required_qualifications = serializers.ListField(child=StrictUUID(), max_length=20)
    languages = serializers.ListField(child=StrictString(max_length=35), max_length=20)
    priority = StrictInteger(min_value=-10, max_value=10)
    sandbox = StrictBoolean()
    allow_ahead = StrictBoolean()
    auto_close = StrictBoolean()
    quality = StrictJSON()


class JobCreate(JobFields):
    """A new draft: four fields are required, the others have defaults."""

    def get_fields(self) -> dict[str, Any]:
        """Only what has no default is required."""
        found: dict[str, Any] = super().get_fields()
        needed = ("name", "kind", "interface", "base_rate_micros", "seconds_per_unit")
        for name, one in found.items():
            one.required = name in needed
        return found


class JobChange(JobFields):
    """Any of a draft's fields; of a running job's, those outside its terms."""

    def get_fields(self) -> dict[str, Any]:
        """Nothing is required."""
        found: dict[str, Any] = super().get_fields()
        for one in found.values():
            one.required = False
        return found


class JobsQuery(StrictSerializer):
    """``state`` shows the jobs in one state only."""

    state = serializers.ChoiceField(choices=Job.State.choices, required=False)


class QuoteInput(StrictSerializer):
    """``tasks`` and ``units_per_task``: a plan, instead of the tasks imported so far."""

    tasks = StrictInteger(min_value=1, max_value=100_000_000, required=False)
    units_per_task = StrictDecimal(
        max_digits=14,
        decimal_places=3,
        min_value=Decimal("0.001"),
        max_value=86_400,
        required=False,
    )


class LaunchInput(StrictSerializer):
    """``budget_micros`` moves from the wallet to the job; an exam takes none."""

    budget_micros = StrictInteger(min_value=0, max_value=BUDGET_CAP, required=False, default=0)


class BudgetInput(StrictSerializer):
    """What to add to the job's budget."""

    amount_micros = StrictInteger(min_value=1, max_value=BUDGET_CAP)


class CancelInput(StrictSerializer):
    """A reason is for the requester's own record."""

    reason = StrictString(max_length=500, required=False, default="", allow_blank=True)


READ = Access(scope="jobs:read", role="viewer")
WRITE = Access(scope="jobs:write", role="manager", idempotency="ordinary")
NATURAL = Access(scope="jobs:write", role="manager", idempotency="natural")


def respond(row: Job, *, status: int = 200) -> Response:
    """A job with its budget."""
    row = rendering.own_job(row.organization_id, row.pk)
    summary = escrow.summaries([row.pk]).get(row.pk) if row.launched_at else None
    return Response(rendering.job(row, summary), status=status)


def render_all(rows: list[Job]) -> list[dict[str, Any]]:
    """Jobs with their budgets, in one statement for all of them."""
    summaries = escrow.summaries([row.pk for row in rows if row.launched_at])
    return [rendering.job(row, summaries.get(row.pk)) for row in rows]


class JobsView(RequesterView):
    """The requester's jobs."""

    access = {"GET": READ, "POST": WRITE}
    bodies = {"POST": JobCreate}
    queries = {"GET": JobsQuery}
    responses = {"GET": {200: shapes.JobShape(many=True)}, "POST": {201: shapes.JobShape}}

    def get(self, request: Request) -> Response:
        """Newest first, a page at a time."""
        query = self.query(JobsQuery)
        found = Job.objects.of(self.requester_id).select_related("interface", "stats")
        if "state" in query:
            found = found.filter(state=query["state"])
        return self.page_of(found, render_all, order="-id")

    def post(self, request: Request) -> Response:
        """A new draft."""
        made = jobs.create_draft(
            organization_id=self.requester_id, fields=self.body(JobCreate), by=self.caller.user_id
        )
        return respond(made, status=201)


class _OwnJobView(RequesterView):
    def job(self, pk: UUID) -> Job:
        """The caller's job. Raises NotFound."""
        return rendering.own_job(self.requester_id, pk)


class JobView(_OwnJobView):
    """One job."""

    access = {"GET": READ, "PATCH": NATURAL}
    bodies = {"PATCH": JobChange}
    responses = {"GET": {200: shapes.JobShape}, "PATCH": {200: shapes.JobShape}}

    def get(self, request: Request, job: UUID) -> Response:
        """The job with its progress and budget."""
        return respond(self.job(job))

    def patch(self, request: Request, job: UUID) -> Response:
        """Change a draft, or of a running job what is outside its terms."""
        row = self.job(job)
        return respond(
            jobs.update_draft(job=row, fields=self.body(JobChange), by=self.caller.user_id)
        )


class QuoteView(_OwnJobView):
    """What a job will cost."""

    access = {"POST": Access(scope="jobs:read", role="viewer", idempotency="natural")}
    bodies = {"POST": QuoteInput}
    responses = {"POST": {200: shapes.QuoteShape}}

    def post(self, request: Request, job: UUID) -> Response:
        """Expected and highest cost, pay an hour, time, and a budget to launch with."""
        row = self.job(job)
        body = self.body(QuoteInput)
        found = jobs.quote(
            job=row, tasks=body.get("tasks"), units_per_task=body.get("units_per_task")
        )
        return Response(rendering.quote(found))


class LaunchView(_OwnJobView):
    """Let workers in."""

    access = {
        "POST": Access(
            scope="jobs:write", role="manager", idempotency="ordinary", requires_key=True
        )
    }
    bodies = {"POST": LaunchInput}
    responses = {"POST": {200: shapes.JobShape}}

    def post(self, request: Request, job: UUID) -> Response:
        """Reserve the budget out of the wallet; tasks open within seconds."""
        row = self.job(job)
        body = self.body(LaunchInput)
        return respond(
            jobs.launch(job=row, budget_micros=body["budget_micros"], by=self.caller.user_id)
        )


class BudgetView(_OwnJobView):
    """More money for a job."""

    access = {
        "POST": Access(
            scope="jobs:write", role="manager", idempotency="ordinary", requires_key=True
        )
    }
    bodies = {"POST": BudgetInput}
    responses = {"POST": {200: shapes.JobShape}}

    def post(self, request: Request, job: UUID) -> Response:
        """Move more of the wallet into the job."""
        row = self.job(job)
        body = self.body(BudgetInput)
        return respond(
            jobs.extend_budget(
                job=row,
                amount_micros=body["amount_micros"],
                key=request.headers["Idempotency-Key"],
                by=self.caller.user_id,
            )
        )


class PauseView(_OwnJobView):
    """No new claims for now."""

    access = {"POST": NATURAL}
    bodies = {"POST": StrictSerializer}
    responses = {"POST": {200: shapes.JobShape}}

    def post(self, request: Request, job: UUID) -> Response:
        """What is claimed may still be submitted and is paid."""
        row = self.job(job)
        self.body(StrictSerializer)
        return respond(jobs.pause(job=row, by=self.caller.user_id))


class ResumeView(_OwnJobView):
    """Take claims again."""

    access = {"POST": NATURAL}
    bodies = {"POST": StrictSerializer}
    responses = {"POST": {200: shapes.JobShape}}

    def post(self, request: Request, job: UUID) -> Response:
        """A paused job is live again."""
        row = self.job(job)
        self.body(StrictSerializer)
        return respond(jobs.resume(job=row, by=self.caller.user_id))


class CancelView(_OwnJobView):
    """End a job early."""

    access = {"POST": NATURAL}
    bodies = {"POST": CancelInput}
    responses = {"POST": {200: shapes.JobShape}}

    def post(self, request: Request, job: UUID) -> Response:
        """Claimed work is still submitted and paid; the rest returns to the wallet."""
        row = self.job(job)
        body = self.body(CancelInput)
        return respond(jobs.cancel(job=row, reason=body["reason"], by=self.caller.user_id))
