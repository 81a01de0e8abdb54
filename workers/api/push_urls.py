"""Endpoints of offers, reviews and contests."""

from django.urls import URLPattern, path

from . import contests, offers, reviews

urlpatterns: list[URLPattern] = [
    path("availability", offers.AvailabilityView.as_view(), name="availability"),
    path("offers", offers.OffersView.as_view(), name="offers"),
    path("offers/<uuid:offer>/accept", offers.AcceptView.as_view(), name="offers-accept"),
    path("offers/<uuid:offer>/decline", offers.DeclineView.as_view(), name="offers-decline"),
    path("reviews", reviews.ReviewsView.as_view(), name="reviews-list"),
    path("reviews/accept", reviews.AcceptAllView.as_view(), name="reviews-accept-all"),
    path("reviews/<uuid:assignment>/accept", reviews.AcceptView.as_view(), name="reviews-accept"),
    path("reviews/<uuid:assignment>/reject", reviews.RejectView.as_view(), name="reviews-reject"),
    path(
        "assignments/<uuid:assignment>/contest",
        contests.ContestView.as_view(),
        name="assignments-contest",
    ),
    path("contests", contests.ContestsView.as_view(), name="contests-list"),
    path("contests/<uuid:contest>/uphold", contests.UpholdView.as_view(), name="contests-uphold"),
    path("contests/<uuid:contest>/deny", contests.DenyView.as_view(), name="contests-deny"),
]
