"""Shapes of the answers, for the OpenAPI document; the hot path does not serialise with them."""

from __future__ import annotations

from rest_framework import serializers


class MoneyShape(serializers.Serializer):
    amount_micros = serializers.IntegerField()
    currency = serializers.CharField()
    display = serializers.CharField()


class InterfaceShape(serializers.Serializer):
    id = serializers.UUIDField()
    kind = serializers.CharField()
    version = serializers.IntegerField()
    spec = serializers.JSONField()


class TaskShape(serializers.Serializer):
    id = serializers.UUIDField()
    data = serializers.JSONField()
    media = serializers.JSONField()
    interface = InterfaceShape()


class QuoteShape(serializers.Serializer):
    """Frozen at the claim; numbers that are not whole are strings."""

    currency = serializers.CharField()
    guaranteed = MoneyShape()
    bonus_up_to = MoneyShape()
    units = serializers.CharField()
    unit_price_micros = serializers.CharField()
    tier = serializers.CharField()
    tier_lower_bound = serializers.CharField(allow_null=True)
    specialty_factor = serializers.CharField()
    floor_per_hour = MoneyShape()
    seconds_per_unit = serializers.CharField()
    card_version = serializers.IntegerField()


class ClaimBody(serializers.Serializer):
    id = serializers.UUIDField()
    job = serializers.UUIDField()
    task = TaskShape()
    quote = QuoteShape()
    draft = serializers.JSONField(allow_null=True)
    draft_version = serializers.IntegerField()
    expires_at = serializers.DateTimeField()
    server_time = serializers.DateTimeField()


class SubmittedBody(serializers.Serializer):
    """``next``, ``retry_after`` and ``remaining`` only with ``?next=1``."""

    id = serializers.UUIDField()
    state = serializers.CharField()
    is_late = serializers.BooleanField()
    quote = QuoteShape()
    next = ClaimBody(required=False, allow_null=True)
    retry_after = serializers.IntegerField(required=False)
    remaining = serializers.ChoiceField(choices=["some", "none"], required=False)


class AssignmentBody(serializers.Serializer):
    id = serializers.UUIDField()
    state = serializers.CharField()
    expires_at = serializers.DateTimeField()
    extensions = serializers.IntegerField()
    draft_version = serializers.IntegerField()
