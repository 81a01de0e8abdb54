"""Endpoints of the data plane."""

from django.urls import path

from marketplace.api import exports, gold, jobs, media, qualifications, results, tasks, webhooks

_JOB = "jobs/<uuid:job>"
urlpatterns = [
    path("jobs", jobs.JobsView.as_view(), name="jobs-list"),
    path(_JOB, jobs.JobView.as_view(), name="jobs-detail"),
    path(f"{_JOB}/quote", jobs.QuoteView.as_view(), name="jobs-quote"),
    path(f"{_JOB}/launch", jobs.LaunchView.as_view(), name="jobs-launch"),
    path(f"{_JOB}/budget", jobs.BudgetView.as_view(), name="jobs-budget"),
    path(f"{_JOB}/pause", jobs.PauseView.as_view(), name="jobs-pause"),
    path(f"{_JOB}/resume", jobs.ResumeView.as_view(), name="jobs-resume"),
    path(f"{_JOB}/cancel", jobs.CancelView.as_view(), name="jobs-cancel"),
    path(f"{_JOB}/tasks", tasks.TasksView.as_view(), name="tasks-list"),
    path("tasks/<uuid:task>", tasks.TaskView.as_view(), name="tasks-detail"),
    path("tasks/<uuid:task>/adjudicate", tasks.AdjudicateView.as_view(), name="tasks-adjudicate"),
    path("tasks/<uuid:task>/reopen", tasks.ReopenView.as_view(), name="tasks-reopen"),
    path(f"{_JOB}/gold", gold.GoldView.as_view(), name="gold-list"),
    path(f"{_JOB}/predictions", gold.PredictionsView.as_view(), name="predictions-list"),
    path(f"{_JOB}/results", results.ResultsView.as_view(), name="results-list"),
    path(
        "qualification-definitions",
        qualifications.QualificationsView.as_view(),
        name="qualification-definitions-list",
    ),
    path(
        "qualification-definitions/<uuid:qualification>",
        qualifications.QualificationView.as_view(),
        name="qualification-definitions-detail",
    ),
    path("media", media.MediaList.as_view(), name="media-list"),
    path("media/<uuid:media>", media.MediaDetail.as_view(), name="media-detail"),
    path("media/<uuid:media>/file", media.MediaFile.as_view(), name="media-file"),
    *exports.urlpatterns,
    *webhooks.urlpatterns,
]
