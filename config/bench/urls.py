"""An endpoint that does nothing but know its caller: what claims are measured against."""

from __future__ import annotations

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from core.http.serializers import StrictSerializer
from core.http.views import Access, ApiView

PATH = "/api/v1/bench/empty"


class EmptyView(ApiView):
    """Mounted during measurements only."""

    access = {"POST": Access(scope="work", role="user", idempotency="natural")}
    bodies = {"POST": StrictSerializer}
    responses = {"POST": {200: StrictSerializer}}

    def post(self, request: Request) -> Response:
        """Authenticate, read an empty body, answer an empty one."""
        self.body(StrictSerializer)
        return Response({})


urlpatterns = [path("bench/empty", EmptyView.as_view(), name="bench-empty")]
