"""Push work over HTTP: being available, the open offer, accepting and declining it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.http.serializers import StrictSerializer, StrictString, money
from core.http.views import Access, ApiView
from workers.models import Availability
from workers.services import availability, offers
from workers.services.claims import Nothing

from . import rendering
from .claims import render_claim
from .fields import MomentField
from .shapes import ClaimBody, MoneyShape

_READ = Access(scope="work", role="user")
_NATURAL = Access(scope="work", role="user", idempotency="natural")
_NO_STORE = {"Cache-Control": "no-store"}


class AvailabilityInput(StrictSerializer):
    """``specialties``: offer only these, or with an empty list all. ``until`` in the past ends it."""

    specialties = serializers.ListField(child=StrictString(max_length=32), max_length=20)
    until = MomentField()


class AvailabilityBody(serializers.Serializer):
    """Whether offers may come. ``ended_reason``: `asked`, or `unanswered` after too many offers
    that lapsed.
    """

    is_available = serializers.BooleanField()
    specialties = serializers.ListField(child=serializers.CharField())
    since = serializers.DateTimeField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True)
    lapsed_in_a_row = serializers.IntegerField()
    ended_reason = serializers.CharField(allow_null=True)
    server_time = serializers.DateTimeField()


class OfferedJobShape(serializers.Serializer):
    """The job of an offered task."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    specialty = serializers.CharField()
    instructions = serializers.CharField(allow_blank=True)
    time_limit_seconds = serializers.IntegerField()


class OfferedTaskShape(serializers.Serializer):
    """What is known of a task before it is accepted."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    unit = serializers.CharField()
    units = serializers.CharField()
    seconds_per_unit = serializers.CharField()


class PayShape(serializers.Serializer):
    """What the task pays this worker if it is accepted now."""

    guaranteed = MoneyShape()
    bonus_up_to = MoneyShape()
    tier = serializers.CharField()


class OfferBody(serializers.Serializer):
    """A task held for the caller until ``expires_at``, by the server's clock."""

    id = serializers.UUIDField()
    job = OfferedJobShape()
    task = OfferedTaskShape()
    pay = PayShape()
    offered_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    server_time = serializers.DateTimeField()


class DeclinedBody(serializers.Serializer):
    """An offer that passed on."""

    id = serializers.UUIDField()
    state = serializers.CharField()


class AvailabilityView(ApiView):
    """Whether the caller wants to be offered work."""

    access = {"GET": _READ, "PUT": _NATURAL, "DELETE": _NATURAL}
    bodies = {"PUT": AvailabilityInput}
    responses = {
        "GET": {200: AvailabilityBody},
        "PUT": {200: AvailabilityBody},
        "DELETE": {200: AvailabilityBody},
    }

    def get(self, request: Request) -> Response:
        """As it was last said."""
        return self._respond(availability.read(self.caller.user_id))

    def put(self, request: Request) -> Response:
        """Be available from now on, or renew it. Then ask for offers."""
        body = self.body(AvailabilityInput)
        row = availability.declare(
            worker_id=self.caller.user_id, specialties=body["specialties"], until=body["until"]
        )
        return self._respond(row)

    def delete(self, request: Request) -> Response:
        """Be no longer available; an open offer passes on."""
        return self._respond(availability.end(worker_id=self.caller.user_id))

    def _respond(self, row: Availability | None) -> Response:
        now = clock.now()
        return Response(
            {
                "is_available": row is not None and availability.is_on(row, now),
                "specialties": [] if row is None else row.specialties,
                "since": None if row is None else row.since,
                "until": None if row is None else row.until,
                "lapsed_in_a_row": 0 if row is None else row.lapsed_in_a_row,
                "ended_reason": None if row is None else row.ended_reason or None,
                "server_time": now,
            }
        )


class OffersView(ApiView):
    """The caller's open offer."""

    access = {"GET": _READ}
    responses = {"GET": {200: OfferBody, 204: None}}

    def get(self, request: Request) -> HttpResponse | Response:
        """The offer, or 204 with `Retry-After`: soon while work is likely, later otherwise."""
        found = offers.current(worker_id=self.caller.user_id)
        if isinstance(found, Nothing):
            response = HttpResponse(status=204, headers=_NO_STORE)
            response["Retry-After"] = str(found.retry_after)
            return response
        return Response(_rendered(found))


class AcceptView(ApiView):
    """Take an offered task."""

    access = {"POST": _NATURAL}
    bodies = {"POST": StrictSerializer}
    responses = {"POST": {201: ClaimBody}}

    def post(self, request: Request, offer: UUID) -> HttpResponse:
        """The claim, as if it had been claimed: quote and time limit run from now."""
        self.body(StrictSerializer)
        claim = offers.accept(offer_id=offer, worker_id=self.caller.user_id)
        return HttpResponse(
            orjson.dumps(render_claim(claim), option=orjson.OPT_UTC_Z),
            status=201,
            content_type="application/json",
            headers=_NO_STORE,
        )


class DeclineView(ApiView):
    """Leave an offered task to others."""

    access = {"POST": _NATURAL}
    bodies = {"POST": StrictSerializer}
    responses = {"POST": {200: DeclinedBody}}

    def post(self, request: Request, offer: UUID) -> Response:
        """Without penalty; it passes on at once and is not offered to the caller again."""
        self.body(StrictSerializer)
        row = offers.decline(offer_id=offer, worker_id=self.caller.user_id)
        return Response({"id": str(row.pk), "state": row.state})


def _rendered(row: dict[str, Any]) -> dict[str, Any]:
    currency = row["currency"]
    return {
        "id": str(row["id"]),
        "job": {
            "id": str(row["job_id"]),
            "name": row["name"],
            "specialty": row["specialty"],
            "instructions": row["instructions"],
            "time_limit_seconds": row["time_limit_seconds"],
        },
        "task": {
            "id": rendering.task_name(row["task_id"]),
            "kind": row["kind"],
            "unit": row["unit"],
            "units": row["units"],
            "seconds_per_unit": row["seconds_per_unit"],
        },
        "pay": {
            "guaranteed": money(row["guaranteed_micros"], currency),
            "bonus_up_to": money(row["bonus_max_micros"], currency),
            "tier": row["tier"],
        },
        "offered_at": row["offered_at"],
        "expires_at": row["expires_at"],
        "server_time": row["server_time"],
    }
