"""Signing up, and who one is."""

from __future__ import annotations

import contextlib
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from core.api import shapes
from core.api.organizations import render_membership
from core.http import throttles
from core.http.serializers import StrictSerializer, StrictString
from core.http.views import Access, ApiView
from core.models import Membership, User
from core.services import accounts

PASSWORD_CAP = 200


class SignUpInput(StrictSerializer):
    """A person; what they do here is said later."""

    email = StrictString(max_length=254)
    password = StrictString(max_length=PASSWORD_CAP)
    name = StrictString(max_length=accounts.NAME_CAP, required=False, default="", allow_blank=True)


class UsersView(ApiView):
    """Sign up."""

    access = {"POST": Access(scope=None, role="public", idempotency="natural")}
    bodies = {"POST": SignUpInput}
    responses = {"POST": {201: shapes.SignedUpShape}}

    def post(self, request: Request) -> Response:
        """Make an account. The answer is the same when the address has one already, and that one
        stays as it is: nobody learns here who has an account.
        """
        body = self.body(SignUpInput)
        throttles.count(throttles.SIGN_UP, throttles.address_of(request))
        with contextlib.suppress(accounts.EmailTaken):
            accounts.create_user(**body)
        email = body["email"].strip().lower()
        return Response({"email": email, "name": body["name"].strip()}, status=201)


class MeView(ApiView):
    """Who the token stands for."""

    access = {"GET": Access(scope=None, role="user")}
    responses = {"GET": {200: shapes.MeShape}}

    def get(self, request: Request) -> Response:
        """The person, what the token is good for, and the organizations they act for."""
        caller = self.caller
        user = User.objects.get(pk=caller.user_id)
        found = Membership.objects.filter(user=user).select_related("organization")
        mine: list[dict[str, Any]] = [render_membership(one) for one in found.order_by("id")]
        acting_for = str(caller.organization_id) if caller.organization_id else None
        return Response(
            {
                "id": user.pk,
                "email": user.email,
                "name": user.name,
                "is_staff": user.is_staff,
                "token": caller.token_id,
                "scopes": sorted(caller.scopes),
                "organization": next((one for one in mine if one["id"] == acting_for), None),
                # A token that acts for one organization tells nothing of the others.
                "organizations": [
                    one for one in mine if acting_for is None or one["id"] == acting_for
                ],
                "created_at": user.created_at,
            }
        )
