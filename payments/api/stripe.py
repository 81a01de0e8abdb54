"""Where Stripe tells us that something happened."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from core.http import streams
from core.http.views import Access, ApiView
from payments.api import shapes
from payments.services import stripe_events


class StripeWebhook(ApiView):
    """Stripe's notices, signed by Stripe."""

    access = {"POST": Access(scope=None, role="public", idempotency="natural")}
    responses = {"POST": {200: shapes.ReceivedShape}}

    def post(self, request: Request) -> Response:
        """Keep a notice. It is verified by its raw body and worked off later."""
        payload = streams.read(request, max_bytes=stripe_events.SIZE)
        signature = request.META.get("HTTP_STRIPE_SIGNATURE", "")
        stripe_events.receive(payload=payload, signature=signature)
        return Response({"received": True})
