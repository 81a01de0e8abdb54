"""A file of results made in the background."""

from django.db import models
from django.db.models import Q

from core.ids import new_id

from .job import Job


class Export(models.Model):
    """A requested export and how far it is. It is written in parts, so it can go on after a crash."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    TRANSITIONS = {
        "queued": ("running", "failed"),
        "running": ("done", "failed"),
        "done": (),
        "failed": (),
    }

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        "core.Organization", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="+")
    created_by = models.ForeignKey(
        "core.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    format = models.TextField()
    options = models.JSONField(default=dict)
    #: What is fixed for the whole file once its first part is written.
    layout = models.JSONField(default=dict)
    state = models.TextField(choices=State, default=State.QUEUED)
    rows_total = models.IntegerField(default=0)
    rows_done = models.IntegerField(default=0)
    #: The last task written.
    cursor = models.UUIDField(null=True, blank=True)
    parts = models.JSONField(default=list)
    attempts = models.SmallIntegerField(default=0)
    #: When it is due; while a part is being made, when its lease ends.
    next_attempt_at = models.DateTimeField()
    error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "done", "failed"]), name="export_state"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], finished_at=None)
                | Q(state__in=["done", "failed"], finished_at__isnull=False),
                name="export_finished_facts",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["running", "done"]) | Q(started_at__isnull=False),
                name="export_started_facts",
            ),
            models.CheckConstraint(
                condition=~Q(state="failed") | ~Q(error=""), name="export_failed_facts"
            ),
            models.CheckConstraint(
                condition=Q(rows_total__gte=0, rows_done__gte=0, attempts__gte=0),
                name="export_counts",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state__in=["queued", "running"]),
                name="export_due",
            ),
            models.Index(fields=["organization", "-id"], name="export_of"),
        ]

    def __str__(self) -> str:
        return f"{self.format} of {self.job_id} ({self.state})"
