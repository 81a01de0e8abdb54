"""Webhook endpoints and the log of what was sent to them, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import NotFound
from core.http.serializers import StrictBoolean, StrictSerializer, StrictString
from core.http.views import Access
from marketplace.api import delivery_shapes as shapes
from marketplace.api.requesters import RequesterView
from marketplace.exports.rows import utc
from marketplace.gateways import outbound
from marketplace.models import WebhookDelivery, WebhookEndpoint
from marketplace.services import deliveries, webhooks

_READ = Access(scope="org", role="viewer")
_CHANGE = Access(scope="org", role="manager", idempotency="natural")
_ADD = Access(scope="org", role="manager", idempotency="ordinary")
_EVENTS_CAP = 50
_DESCRIPTION_CAP = 500


def _events(**options: Any) -> serializers.ListField:
    return serializers.ListField(
        child=StrictString(max_length=50), max_length=_EVENTS_CAP, **options
    )


class EndpointInput(StrictSerializer):
    """Without ``events`` the endpoint listens to all types."""

    url = StrictString(max_length=outbound.URL_CAP)
    events = _events(required=False)
    description = StrictString(max_length=_DESCRIPTION_CAP, allow_blank=True, required=False)


class EndpointChange(StrictSerializer):
    """What is given is changed."""

    url = StrictString(max_length=outbound.URL_CAP, required=False)
    events = _events(required=False)
    description = StrictString(max_length=_DESCRIPTION_CAP, allow_blank=True, required=False)
    is_enabled = StrictBoolean(required=False)


class DeliveriesQuery(StrictSerializer):
    """Filters of the log."""

    state = serializers.ChoiceField(WebhookDelivery.State.choices, required=False)


class EndpointView(RequesterView):
    """What the views below share: whose endpoint it is."""

    def found(self, endpoint_id: UUID) -> WebhookEndpoint:
        """Get the caller's endpoint; others' look absent."""
        found = WebhookEndpoint.objects.filter(
            id=endpoint_id, organization_id=self.requester_id, deleted_at=None
        ).first()
        if found is None:
            raise NotFound("There is no such endpoint.")
        return found

    def delivery(self, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery:
        """Get a notice of the caller's endpoint; others' look absent."""
        endpoint = self.found(endpoint_id)
        found = WebhookDelivery.objects.filter(id=delivery_id, endpoint=endpoint).first()
        if found is None:
            raise NotFound("There is no such delivery.")
        return found


class EndpointList(EndpointView):
    """The endpoints of the caller's organization."""

    access = {"GET": _READ, "POST": _ADD}
    bodies = {"POST": EndpointInput}
    responses = {
        "GET": {200: shapes.EndpointShape(many=True)},
        "POST": {201: shapes.EndpointSecretShape},
    }

    def get(self, request: Request) -> Response:
        """List the endpoints."""
        rows = WebhookEndpoint.objects.filter(organization_id=self.requester_id, deleted_at=None)
        return self.page(rows, render)

    def post(self, request: Request) -> Response:
        """Make an endpoint; its secret is shown this once."""
        endpoint = webhooks.create(
            organization_id=self.requester_id,
            by=self.caller.user_id,
            **self.body(EndpointInput),
        )
        return Response({**render(endpoint), "secret": endpoint.secret}, status=201)


class EndpointDetail(EndpointView):
    """One endpoint."""

    access = {"GET": _READ, "PATCH": _CHANGE, "DELETE": _CHANGE}
    bodies = {"PATCH": EndpointChange}
    responses = {
        "GET": {200: shapes.EndpointShape},
        "PATCH": {200: shapes.EndpointShape},
        "DELETE": {204: None},
    }

    def get(self, request: Request, endpoint: UUID) -> Response:
        """Show an endpoint."""
        return Response(render(self.found(endpoint)))

    def patch(self, request: Request, endpoint: UUID) -> Response:
        """Change what is given."""
        changed = webhooks.change(
            endpoint=self.found(endpoint), by=self.caller.user_id, **self.body(EndpointChange)
        )
        return Response(render(changed))

    def delete(self, request: Request, endpoint: UUID) -> Response:
        """Take an endpoint away."""
        webhooks.remove(endpoint=self.found(endpoint), by=self.caller.user_id)
        return Response(status=204)


class EndpointRotate(EndpointView):
    """A new secret for an endpoint."""

    access = {"POST": _ADD}
    bodies = {"POST": StrictSerializer}
    responses = {"POST": {200: shapes.EndpointSecretShape}}

    def post(self, request: Request, endpoint: UUID) -> Response:
        """Make a new secret, shown this once; the old one signs beside it for a day."""
        self.body(StrictSerializer)
        changed = webhooks.rotate(endpoint=self.found(endpoint), by=self.caller.user_id)
        return Response({**render(changed), "secret": changed.secret})


class DeliveryList(EndpointView):
    """What was and is to be sent to an endpoint."""

    access = {"GET": _READ}
    queries = {"GET": DeliveriesQuery}
    responses = {"GET": {200: shapes.DeliveryShape(many=True)}}

    def get(self, request: Request, endpoint: UUID) -> Response:
        """List the notices, newest first."""
        rows = WebhookDelivery.objects.filter(endpoint=self.found(endpoint))
        query = self.query(DeliveriesQuery)
        if "state" in query:
            rows = rows.filter(state=query["state"])
        return self.page(rows, render_delivery, order="-id")


class DeliveryDetail(EndpointView):
    """One notice."""

    access = {"GET": _READ}
    responses = {"GET": {200: shapes.DeliveryPayloadShape}}

    def get(self, request: Request, endpoint: UUID, delivery: UUID) -> Response:
        """Show a notice with what is sent."""
        found = self.delivery(endpoint, delivery)
        return Response({**render_delivery(found), "payload": found.payload})


class DeliveryReplay(EndpointView):
    """A notice once more."""

    access = {"POST": _CHANGE}
    bodies = {"POST": StrictSerializer}
    responses = {"POST": {200: shapes.DeliveryShape}}

    def post(self, request: Request, endpoint: UUID, delivery: UUID) -> Response:
        """Send it again under the same id, whatever became of it."""
        self.body(StrictSerializer)
        row = deliveries.replay(delivery=self.delivery(endpoint, delivery), by=self.caller.user_id)
        return Response(render_delivery(row))


def render(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Show an endpoint without its secret."""
    return {
        "id": str(endpoint.id),
        "url": endpoint.url,
        "description": endpoint.description,
        "events": endpoint.events,
        "is_enabled": endpoint.is_enabled,
        "disabled_reason": endpoint.disabled_reason or None,
        "created_at": utc(endpoint.created_at),
    }


def render_delivery(row: WebhookDelivery) -> dict[str, Any]:
    """Show a notice and its tries."""
    return {
        "id": str(row.id),
        "type": row.event_type,
        "state": row.state,
        "attempts": row.attempts,
        "next_attempt_at": (
            utc(row.next_attempt_at) if row.state == WebhookDelivery.State.PENDING else None
        ),
        "created_at": utc(row.created_at),
        "delivered_at": utc(row.delivered_at) if row.delivered_at else None,
        "last_status": row.last_status,
        "last_error": row.last_error or None,
        "tries": row.log,
    }


_ONE = "webhooks/<uuid:endpoint>"
_NOTICE = f"{_ONE}/deliveries/<uuid:delivery>"
urlpatterns = [
    path("webhooks", EndpointList.as_view(), name="webhooks-list"),
    path(_ONE, EndpointDetail.as_view(), name="webhooks-detail"),
    path(f"{_ONE}/rotate", EndpointRotate.as_view(), name="webhooks-rotate"),
    path(f"{_ONE}/deliveries", DeliveryList.as_view(), name="webhooks-deliveries"),
    path(_NOTICE, DeliveryDetail.as_view(), name="webhooks-delivery"),
    path(f"{_NOTICE}/replay", DeliveryReplay.as_view(), name="webhooks-replay"),
]
