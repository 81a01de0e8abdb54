"""Shapes of exports and webhooks, for the OpenAPI document."""

from __future__ import annotations

from rest_framework import serializers


class ExportFileShape(serializers.Serializer):
    """``url`` works for whoever holds it, for ``expires_in`` seconds."""

    url = serializers.URLField()
    expires_in = serializers.IntegerField()
    bytes = serializers.IntegerField()
    rows = serializers.IntegerField()


class ExportShape(serializers.Serializer):
    """``file`` is there when a finished export is asked for by its id."""

    id = serializers.UUIDField()
    job = serializers.UUIDField()
    format = serializers.CharField()
    options = serializers.DictField(child=serializers.BooleanField())
    state = serializers.CharField()
    rows_done = serializers.IntegerField()
    rows_total = serializers.IntegerField()
    error = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    file = ExportFileShape(allow_null=True)


class EndpointShape(serializers.Serializer):
    """An address that gets notices."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    description = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField())
    is_enabled = serializers.BooleanField()
    disabled_reason = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class EndpointSecretShape(EndpointShape):
    """The secret is shown here and never again."""

    secret = serializers.CharField()


class TryShape(serializers.Serializer):
    """One call: the status that came, or why none did; ``ms`` is how long it took."""

    at = serializers.DateTimeField()
    status = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(allow_blank=True)
    ms = serializers.IntegerField()


class DeliveryShape(serializers.Serializer):
    """A notice and its tries; ``id`` is the `webhook-id` it carries."""

    id = serializers.UUIDField()
    type = serializers.CharField()
    state = serializers.CharField()
    attempts = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    delivered_at = serializers.DateTimeField(allow_null=True)
    last_status = serializers.IntegerField(allow_null=True)
    last_error = serializers.CharField(allow_null=True)
    tries = TryShape(many=True)


class DeliveryPayloadShape(DeliveryShape):
    """With the very object that is sent."""

    payload = serializers.JSONField()
