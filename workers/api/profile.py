"""Becoming a worker, and the worker's own profile."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.http.serializers import StrictSerializer, StrictString
from core.http.views import Access, ApiView
from workers.services import onboarding, profiles

from .shapes import WorkerBody


class ProfileInput(StrictSerializer):
    """Languages are tags such as `en` or `pt-BR`; the country is two capital letters, or empty."""

    languages = serializers.ListField(
        child=StrictString(max_length=profiles.LANGUAGE_CAP),
        required=False,
        default=list,
        max_length=profiles.MOST,
    )
    specialties = serializers.ListField(
        child=StrictString(max_length=32), required=False, default=list, max_length=profiles.MOST
    )
    country = StrictString(max_length=2, required=False, default="", allow_blank=True)


class ProfileChange(StrictSerializer):
    """What is given is changed."""

    languages = serializers.ListField(
        child=StrictString(max_length=profiles.LANGUAGE_CAP),
        required=False,
        max_length=profiles.MOST,
    )
    specialties = serializers.ListField(
        child=StrictString(max_length=32), required=False, max_length=profiles.MOST
    )
    country = StrictString(max_length=2, required=False, allow_blank=True)


def render(found: profiles.Profile) -> dict[str, Any]:
    """A profile with what the checks say of it."""
    row = found.worker
    return {
        "id": str(row.pk),
        "languages": row.languages,
        "specialties": row.specialties,
        "country": row.country,
        "joined_at": row.joined_at,
        "accepted": row.accepted_count,
        "is_suspended": row.is_suspended,
        "suspended_reason": row.suspended_reason or None,
        "skills": [_skill(one) for one in found.skills],
    }


def _skill(one: profiles.SkillView) -> dict[str, Any]:
    return {
        "specialty": one.specialty,
        "checks": one.checks,
        "lower_bound": one.lower_bound,
        "tier": str(one.tier),
        "next_tier": None if one.next_tier is None else str(one.next_tier),
        "checks_missing": one.checks_missing,
        "is_suspended": one.is_suspended,
        "suspended_reason": one.suspended_reason or None,
    }


class WorkerView(ApiView):
    """The caller as a worker."""

    access = {
        "GET": Access(scope="work", role="user"),
        "POST": Access(scope="work", role="user", idempotency="natural"),
        "PATCH": Access(scope="work", role="user", idempotency="natural"),
    }
    bodies = {"POST": ProfileInput, "PATCH": ProfileChange}
    responses = {
        "GET": {200: WorkerBody},
        "POST": {201: WorkerBody},
        "PATCH": {200: WorkerBody},
    }

    def get(self, request: Request) -> Response:
        """The profile, and by specialty what the checks say and what the next tier takes."""
        return Response(render(profiles.profile(worker_id=self.caller.user_id)))

    def post(self, request: Request) -> Response:
        """Become a worker. The same again is the same; another profile is a 409."""
        body = self.body(ProfileInput)
        onboarding.become_worker(user_id=self.caller.user_id, **body)
        return Response(render(profiles.profile(worker_id=self.caller.user_id)), status=201)

    def patch(self, request: Request) -> Response:
        """Change the profile."""
        profiles.change(worker_id=self.caller.user_id, fields=self.body(ProfileChange))
        return Response(render(profiles.profile(worker_id=self.caller.user_id)))
