"""The work that is offered to a worker."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from core.http.serializers import StrictBoolean, StrictSerializer, StrictString, money
from core.http.views import Access, ApiView
from marketplace.models import Job
from workers.services import feed, qualifications

from . import rendering
from .shapes import ListingBody, ListingInFullBody

_READ = Access(scope="work", role="user")


class FeedQuery(StrictSerializer):
    """`sandbox` shows jobs of play money instead of those that pay."""

    specialty = StrictString(max_length=32, required=False)
    language = StrictString(max_length=16, required=False)
    sandbox = StrictBoolean(required=False, default=False)


def render(one: feed.Listing) -> dict[str, Any]:
    """A job as a worker sees it in the feed."""
    job, currency = one.job, one.job.currency
    return {
        "id": str(job.pk),
        "name": job.name,
        "requester": {"name": job.organization.name},
        "specialty": job.specialty,
        "kind": job.interface.kind,
        "languages": job.languages,
        "suits_languages": one.suits_languages,
        "sandbox": job.sandbox,
        "reward": {
            "guaranteed": money(one.price.guaranteed_micros, currency),
            "bonus_up_to": money(one.price.bonus_max_micros, currency),
            "unit": job.unit,
            "units": str(one.units),
            "unit_price_micros": str(one.unit_price),
            "tier": str(one.tier),
            "floor_per_hour": money(one.floor_per_hour_micros, currency),
        },
        "median_minutes": round(float(one.seconds) / 60, 2),
        "hourly": money(one.hourly_micros, currency),
        "is_measured": one.sample > 0,
        "sample": one.sample,
        "tasks_left": one.tasks_left,
        "time_limit_seconds": job.time_limit_seconds,
        "acceptance": job.acceptance,
        "review_days": job.review_days if job.acceptance == Job.Acceptance.REVIEW else None,
        "access": {
            "state": one.state,
            "reason": one.reason or None,
            "detail": one.detail or None,
            "missing": [missing(held) for held in one.missing],
        },
    }


def missing(held: qualifications.Holding) -> dict[str, Any]:
    """A qualification that stands between a worker and a job."""
    return {
        "id": str(held.qualification.pk),
        "name": held.qualification.name,
        "state": held.state,
        "reason": held.reason or None,
        "detail": held.detail or None,
        "available_at": held.available_at,
    }


class FeedView(ApiView):
    """Jobs that are looking for workers."""

    access = {"GET": _READ}
    queries = {"GET": FeedQuery}
    responses = {"GET": {200: ListingBody(many=True)}}

    def get(self, request: Request) -> Response:
        """Best first: what each pays at your tier and pace, and whether you may claim in it."""
        query = self.query(FeedQuery)
        worker_id = self.caller.user_id

        def render_all(jobs: list[Job]) -> list[dict[str, Any]]:
            return [render(one) for one in feed.listings(worker_id=worker_id, jobs=jobs)]

        return self.page_of(feed.listed(**query), render_all, order="rank")


class ListingView(ApiView):
    """One job of the feed."""

    access = {"GET": _READ}
    responses = {"GET": {200: ListingInFullBody}}

    def get(self, request: Request, job: UUID) -> Response:
        """With its instructions and its interface, to look at before the first claim."""
        one = feed.listing(worker_id=self.caller.user_id, job_id=job)
        return Response(
            {
                **render(one),
                "state": one.job.state,
                "instructions": one.job.instructions,
                "interface": rendering.interface(one.job.interface_id),
            }
        )
