"""Shapes of the answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class SignedUpShape(serializers.Serializer[Any]):
    """What was asked for; not whether it was new."""

    email = serializers.EmailField()
    name = serializers.CharField(allow_blank=True)


class OrganizationShape(serializers.Serializer[Any]):
    """``role`` is the caller's."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    role = serializers.CharField()
    created_at = serializers.DateTimeField()


class TokenShape(serializers.Serializer[Any]):
    """``hint`` is how the token's text ends; ``organization`` is null of a person's own token."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    hint = serializers.CharField()
    organization = serializers.UUIDField(allow_null=True)
    scopes = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)


class IssuedShape(TokenShape):
    """``token`` is shown here and never again."""

    token = serializers.CharField()


class MeShape(serializers.Serializer[Any]):
    """``organization`` is the one that the token acts for, ``scopes`` what it is good for."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField(allow_blank=True)
    is_staff = serializers.BooleanField()
    token = serializers.UUIDField()
    scopes = serializers.ListField(child=serializers.CharField())
    organization = OrganizationShape(allow_null=True)
    organizations = OrganizationShape(many=True)
    created_at = serializers.DateTimeField()


class MemberShape(serializers.Serializer[Any]):
    """``user`` is the person's id."""

    user = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField(allow_blank=True)
    role = serializers.CharField()
    created_at = serializers.DateTimeField()
