"""Endpoints of the labour plane."""

from django.urls import include, path

from . import assignments, claims

urlpatterns = [
    path("jobs/<uuid:job>/claim", claims.JobClaimView.as_view(), name="jobs-claim"),
    path("claim", claims.AnyClaimView.as_view(), name="claim-any"),
    path(
        "assignments/<uuid:assignment>/submit",
        claims.SubmitView.as_view(),
        name="assignments-submit",
    ),
    path(
        "assignments/<uuid:assignment>/undo",
        assignments.UndoView.as_view(),
        name="assignments-undo",
    ),
    path(
        "assignments/<uuid:assignment>/return",
        assignments.ReturnView.as_view(),
        name="assignments-return",
    ),
    path(
        "assignments/<uuid:assignment>/extend",
        assignments.ExtendView.as_view(),
        name="assignments-extend",
    ),
    path(
        "assignments/<uuid:assignment>/draft",
        assignments.DraftView.as_view(),
        name="assignments-draft",
    ),
    path("", include("workers.api.labour_urls")),
]
