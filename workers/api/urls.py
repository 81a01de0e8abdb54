"""Endpoints of the labour plane."""

from django.urls import URLPattern, URLResolver, include, path

from . import assignments, claims, feed, own_assignments, profile, qualifications

_ONE = "assignments/<uuid:assignment>"
urlpatterns: list[URLPattern | URLResolver] = [
    path("worker", profile.WorkerView.as_view(), name="worker"),
    path("feed", feed.FeedView.as_view(), name="feed"),
    path("feed/<uuid:job>", feed.ListingView.as_view(), name="feed-detail"),
    path("jobs/<uuid:job>/claim", claims.JobClaimView.as_view(), name="jobs-claim"),
    path("claim", claims.AnyClaimView.as_view(), name="claim-any"),
    path("assignments", own_assignments.AssignmentsView.as_view(), name="assignments-list"),
    path(_ONE, own_assignments.AssignmentView.as_view(), name="assignments-detail"),
    path(f"{_ONE}/submit", claims.SubmitView.as_view(), name="assignments-submit"),
    path(f"{_ONE}/undo", assignments.UndoView.as_view(), name="assignments-undo"),
    path(f"{_ONE}/return", assignments.ReturnView.as_view(), name="assignments-return"),
    path(f"{_ONE}/extend", assignments.ExtendView.as_view(), name="assignments-extend"),
    path(f"{_ONE}/draft", assignments.DraftView.as_view(), name="assignments-draft"),
    path("qualifications", qualifications.QualificationsView.as_view(), name="qualifications-list"),
    path(
        "qualifications/<uuid:qualification>",
        qualifications.QualificationView.as_view(),
        name="qualifications-detail",
    ),
    path(
        "qualifications/<uuid:qualification>/attempts",
        qualifications.AttemptsView.as_view(),
        name="qualifications-attempts",
    ),
    path("attempts/<uuid:attempt>", qualifications.AttemptView.as_view(), name="attempts-detail"),
    path(
        "attempts/<uuid:attempt>/answers",
        qualifications.AnswersView.as_view(),
        name="attempts-answers",
    ),
    path(
        "attempts/<uuid:attempt>/abandon",
        qualifications.AbandonView.as_view(),
        name="attempts-abandon",
    ),
    path("", include("workers.api.push_urls")),
]
