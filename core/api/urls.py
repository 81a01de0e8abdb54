"""Endpoints of the floor."""

from django.urls import path

from core.api import accounts, organizations, tokens

_ORGANIZATION = "organizations/<uuid:organization>"
urlpatterns = [
    path("users", accounts.UsersView.as_view(), name="users-list"),
    path("me", accounts.MeView.as_view(), name="me"),
    path("tokens", tokens.TokensView.as_view(), name="tokens-list"),
    path("tokens/<uuid:token>", tokens.TokenView.as_view(), name="tokens-detail"),
    path("organizations", organizations.OrganizationsView.as_view(), name="organizations-list"),
    path(_ORGANIZATION, organizations.OrganizationView.as_view(), name="organizations-detail"),
    path(f"{_ORGANIZATION}/members", organizations.MembersView.as_view(), name="members-list"),
    path(
        f"{_ORGANIZATION}/members/<uuid:user>",
        organizations.MemberView.as_view(),
        name="members-detail",
    ),
]
