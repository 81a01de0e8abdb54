"""Organizations and their members."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core import errors
from core.api import shapes
from core.http import throttles
from core.http.serializers import StrictSerializer, StrictString
from core.http.views import Access, ApiView
from core.models import Membership
from core.services import accounts


class OrganizationInput(StrictSerializer):
    """A name, for people to see."""

    name = StrictString(max_length=accounts.NAME_CAP)


class MemberInput(StrictSerializer):
    """Who, by the address of their account, and what they may do."""

    email = StrictString(max_length=254)
    role = serializers.ChoiceField(choices=Membership.Role.choices)


class MemberChange(StrictSerializer):
    """What they may do from now on."""

    role = serializers.ChoiceField(choices=Membership.Role.choices)


_MEMBER = Access(scope="org", role="viewer", idempotency="natural")
_OWNER = Access(scope="org", role="owner", idempotency="natural")


class OrganizationsView(ApiView):
    """The organizations that the caller acts for."""

    access = {
        "GET": Access(scope="account", role="user"),
        "POST": Access(scope="account", role="user", idempotency="ordinary"),
    }
    bodies = {"POST": OrganizationInput}
    responses = {
        "GET": {200: shapes.OrganizationShape(many=True)},
        "POST": {201: shapes.OrganizationShape},
    }

    def get(self, request: Request) -> Response:
        """Newest first. A token that acts for one organization sees that one."""
        found = Membership.objects.filter(user_id=self.caller.user_id)
        if self.caller.organization_id is not None:
            found = found.filter(organization_id=self.caller.organization_id)
        return self.page(found.select_related("organization"), render_membership)

    def post(self, request: Request) -> Response:
        """Make an organization; the caller owns it. Takes a person's own token."""
        body = self.body(OrganizationInput)
        if self.caller.organization_id is not None:
            raise errors.Forbidden("Use a token of your own, not one of an organization.")
        made = accounts.create_organization(name=body["name"], by=self.caller.user_id)
        found = made.memberships.select_related("organization").get(user_id=self.caller.user_id)
        return Response(render_membership(found), status=201)


class OwnOrganizationView(ApiView):
    """What the views below share: the token acts for the organization in the path."""

    def own(self, organization: UUID) -> UUID:
        """The organization's id; others' look absent. Raises NotFound."""
        if organization != self.caller.organization_id:
            raise errors.NotFound("There is no such organization.")
        return organization

    def member(self, organization: UUID, user: UUID) -> Membership:
        """A member of the caller's organization. Raises NotFound."""
        found = (
            Membership.objects.filter(organization_id=self.own(organization), user_id=user)
            .select_related("user")
            .first()
        )
        if found is None:
            raise errors.NotFound("There is no such member.")
        return found


class OrganizationView(OwnOrganizationView):
    """One organization."""

    access = {"GET": Access(scope="org", role="viewer")}
    responses = {"GET": {200: shapes.OrganizationShape}}

    def get(self, request: Request, organization: UUID) -> Response:
        """The organization that the token acts for."""
        found = Membership.objects.select_related("organization").get(
            organization_id=self.own(organization), user_id=self.caller.user_id
        )
        return Response(render_membership(found))


class MembersView(OwnOrganizationView):
    """Who acts for an organization."""

    access = {"GET": Access(scope="org", role="viewer"), "POST": _OWNER}
    bodies = {"POST": MemberInput}
    responses = {"GET": {200: shapes.MemberShape(many=True)}, "POST": {200: shapes.MemberShape}}

    def get(self, request: Request, organization: UUID) -> Response:
        """The members, those who came first first."""
        found = Membership.objects.filter(organization_id=self.own(organization))
        return self.page(found.select_related("user"), render_member, order="id")

    def post(self, request: Request, organization: UUID) -> Response:
        """Give the person with this address a role, or another one."""
        pk = self.own(organization)
        body = self.body(MemberInput)
        # By person too: organizations cost nothing.
        for subject in (pk, self.caller.user_id):
            throttles.count(throttles.MEMBERS, subject)
        made = accounts.set_member(organization_id=pk, by=self.caller.user_id, **body)
        return Response(render_member(made))


class MemberView(OwnOrganizationView):
    """One member."""

    access = {"PATCH": _OWNER, "DELETE": _OWNER}
    bodies = {"PATCH": MemberChange}
    responses = {"PATCH": {200: shapes.MemberShape}, "DELETE": {204: None}}

    def require(self, access: Access) -> None:
        """An owner may do this to everybody; to leave, one need not be one. Raises Forbidden."""
        leaves = self.request.method == "DELETE" and self.kwargs["user"] == self.caller.user_id
        super().require(_MEMBER if leaves else access)

    def patch(self, request: Request, organization: UUID, user: UUID) -> Response:
        """Give a member another role."""
        found = self.member(organization, user)
        body = self.body(MemberChange)
        changed = accounts.change_role(
            organization_id=organization,
            user_id=found.user_id,
            role=body["role"],
            by=self.caller.user_id,
        )
        return Response(render_member(changed))

    def delete(self, request: Request, organization: UUID, user: UUID) -> Response:
        """Take a member out; their tokens for the organization stop working at once.

        Everybody may take themselves out, but the last owner.
        """
        found = self.member(organization, user)
        accounts.remove_member(
            organization_id=organization, user_id=found.user_id, by=self.caller.user_id
        )
        return Response(status=204)


def render_membership(row: Membership) -> dict[str, Any]:
    """An organization as its member sees it."""
    return {
        "id": str(row.organization_id),
        "name": row.organization.name,
        "role": row.role,
        "created_at": row.organization.created_at,
    }


def render_member(row: Membership) -> dict[str, Any]:
    """A member as the others see them."""
    return {
        "user": str(row.user_id),
        "email": row.user.email,
        "name": row.user.name,
        "role": row.role,
        "created_at": row.created_at,
    }
