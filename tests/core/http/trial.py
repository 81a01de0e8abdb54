"""Small endpoints, one for each thing that the floor promises of all endpoints."""

from typing import Any
from uuid import UUID

from django.db import connection
from django.http import HttpResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.response import Response

from core import errors
from core.http import auth, streams
from core.http.serializers import (
    StrictBoolean,
    StrictDecimal,
    StrictInteger,
    StrictJSON,
    StrictSerializer,
    StrictString,
    money,
)
from core.http.views import Access, ApiView
from core.models import Organization, User

_USER = Access(scope=None, role="user")


class PartInput(StrictSerializer):
    label = StrictString(max_length=20)
    weight = StrictInteger(min_value=0, max_value=10, required=False)


class ThingInput(StrictSerializer):
    name = StrictString(max_length=100)
    count = StrictInteger(min_value=0, max_value=2**31 - 1, required=False)
    is_on = StrictBoolean(required=False)
    factor = StrictDecimal(max_digits=6, decimal_places=3, min_value=0, required=False)
    extra = StrictJSON(required=False)
    kind = serializers.ChoiceField(choices=["a", "b"], required=False)
    tags = serializers.ListField(child=StrictString(max_length=10), required=False, max_length=3)
    part = PartInput(required=False)
    parts = PartInput(many=True, required=False)
    made_at = serializers.DateTimeField(read_only=True)


class ThingQuery(StrictSerializer):
    kind = serializers.ChoiceField(choices=["a", "b"], required=False)
    count = StrictInteger(min_value=0, max_value=10, required=False)
    is_on = StrictBoolean(required=False)


class PersonShape(serializers.Serializer):
    id = serializers.UUIDField()
    email = serializers.EmailField()


class ThingShape(serializers.Serializer):
    id = serializers.UUIDField()


class Empty(ApiView):
    """Nothing but the caller."""

    access = {"GET": _USER}

    def get(self, request):
        return Response({"user": self.caller.user_id})


class Things(ApiView):
    """Makes an organization a thing stands for."""

    access = {
        "GET": _USER,
        "POST": Access(scope=None, role="user", idempotency="ordinary"),
        "PUT": Access(scope=None, role="user", idempotency="ordinary", requires_key=True),
    }
    bodies = {"POST": ThingInput, "PUT": ThingInput}
    queries = {"GET": ThingQuery}
    responses = {"GET": {200: PersonShape(many=True)}, "POST": {201: ThingShape}}

    def get(self, request):
        self.query(ThingQuery)
        return self.page(
            User.objects.all(), lambda row: {"id": row.pk, "email": row.email}, order="id"
        )

    def post(self, request):
        body = self.body(ThingInput)
        made = Organization.objects.create(name=body["name"], created_at="2026-01-01T00:00Z")
        if body["name"] == "refuse":
            raise errors.Conflict("Made and taken back.")
        if body["name"] == "answer 400":
            return Response({}, status=400)
        return Response({"id": made.pk, "body": body}, status=201)

    put = post


class Naturals(ApiView):
    """Looks at no key."""

    access = {"POST": Access(scope=None, role="user", idempotency="natural")}
    bodies = {"POST": ThingInput}

    def post(self, request):
        return Response(self.body(ThingInput))


class Action(ApiView):
    """Takes no fields."""

    access = {"POST": Access(scope=None, role="user", idempotency="natural")}
    bodies = {"POST": StrictSerializer}

    def post(self, request):
        self.body(StrictSerializer)
        return Response(status=204)


class Guarded(ApiView):
    """One method a role."""

    access = {
        "GET": Access(scope="org", role="viewer"),
        "POST": Access(scope="org", role="manager"),
        "PUT": Access(scope="org", role="owner"),
        "DELETE": Access(scope=None, role="staff"),
        "PATCH": Access(scope="work", role="user"),
    }

    def get(self, request):
        return Response({"role": self.caller.role})

    post = put = delete = patch = get


class Open(ApiView):
    """For anybody."""

    access = {"GET": Access(scope=None, role="public")}

    def get(self, request):
        return Response(money(38_500, "USD"))


class Own(ApiView):
    """Brings its own way to load the caller."""

    access = {"GET": _USER}
    loads_caller = True

    def load_caller(self, request, digest) -> auth.Caller | None:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {auth.CALLER_COLUMNS}, o.name, u.email FROM {auth.CALLER_TABLES} "
                f"LEFT JOIN core_organization o ON o.id = %(asked)s WHERE {auth.CALLER_WHERE}",
                {"digest": digest, "asked": self.kwargs["organization"]},
            )
            row = cursor.fetchone()
            names = [column.name for column in cursor.description]
        self.loaded: Any = None if row is None else dict(zip(names, row, strict=True))
        return None if row is None else auth.Caller.from_row(self.loaded)

    def get(self, request, organization: UUID):
        return Response({"name": self.loaded["name"], "user": self.caller.user_id})


class Upload(ApiView):
    """Streams a body."""

    access = {"POST": Access(scope=None, role="public")}
    uploads = {"POST": ("text/csv", "application/x-ndjson")}
    max_bytes = 64 * 1024 * 1024

    def post(self, request):
        with streams.spool(
            request, content_types=self.uploads["POST"], max_bytes=self.max_bytes
        ) as upload:
            lines = sum(1 for _ in upload.file)
            return Response({"bytes": upload.bytes, "lines": lines, "type": upload.content_type})


class Sql(ApiView):
    """Runs what a test puts here."""

    access = {"GET": Access(scope=None, role="public")}
    run: Any = None

    def get(self, request):
        type(self).run()
        return HttpResponse(b"done")


handler404 = "config.views.not_found"
urlpatterns = [
    path("api/v1/empty", Empty.as_view(), name="empty"),
    path("api/v1/things", Things.as_view(), name="things"),
    path("api/v1/naturals", Naturals.as_view(), name="naturals"),
    path("api/v1/action", Action.as_view(), name="action"),
    path("api/v1/guarded", Guarded.as_view(), name="guarded"),
    path("api/v1/open", Open.as_view(), name="open"),
    path("api/v1/own/<uuid:organization>", Own.as_view(), name="own"),
    path("api/v1/upload", Upload.as_view(), name="upload"),
    path("api/v1/sql", Sql.as_view(), name="sql"),
]
