"""One thing to be labeled: work, gold with a known answer, or an exam question."""

from __future__ import annotations

from uuid import UUID

from django.db import models
from django.db.models import F, Func, Q, Value

from core.ids import new_id

from .job import Job


class TaskQuerySet(models.QuerySet["Task"]):
    """Tasks, and the one place that says whose they are."""

    def of(self, organization_id: UUID | None) -> TaskQuerySet:
        """Tasks of one requester's jobs. None, a caller without an organization, owns nothing."""
        if organization_id is None:
            return self.none()
        return self.filter(job__organization_id=organization_id)


class Task(models.Model):
    """A task and its slots.

    ``wanted`` answers are asked for; ``taken`` of them are claimed or answered, ``remaining`` are
    free. All three change together under the row's lock, and no index names them, so that counting
    a slot down is a heap-only update. ``is_open`` is what the claim's index sees. Every free or
    unsettled slot has ``slot_reserve_micros`` reserved in the job's escrow. Gold and exam rows have
    no slots.
    """

    class State(models.TextChoices):
        OPEN = "open"
        PARKED = "parked"
        ESCALATED = "escalated"
        RESOLVED = "resolved"
        CANCELLED = "cancelled"

    class Role(models.TextChoices):
        WORK = "work"
        GOLD = "gold"
        EXAM = "exam"

    TRANSITIONS = {
        "parked": ("open", "cancelled"),
        "open": ("resolved", "escalated", "cancelled", "parked"),
        "escalated": ("resolved", "cancelled"),
        "resolved": ("open",),
        "cancelled": (),
    }

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="+", db_index=False)
    pos = models.BigIntegerField(
        db_default=Func(Value("marketplace_task_pos_seq"), function="nextval")
    )
    external_id = models.TextField(null=True, blank=True)
    data = models.JSONField(default=dict)
    media = models.JSONField(default=dict)
    role = models.TextField(choices=Role, default=Role.WORK)
    units = models.DecimalField(max_digits=14, decimal_places=3, default=1)
    state = models.TextField(choices=State, default=State.PARKED)
    wanted = models.SmallIntegerField(default=0)
    taken = models.SmallIntegerField(default=0)
    remaining = models.SmallIntegerField(default=0)
    max_overlap = models.SmallIntegerField(default=1)
    is_open = models.BooleanField(default=False)
    is_audit = models.BooleanField(default=False)
    slot_reserve_micros = models.BigIntegerField(default=0)
    round = models.SmallIntegerField(default=1)
    opened_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    state_changed_at = models.DateTimeField()

    objects = TaskQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    remaining__gte=0,
                    taken__gte=0,
                    wanted=F("taken") + F("remaining"),
                    wanted__lte=F("max_overlap"),
                ),
                name="task_slots",
            ),
            models.CheckConstraint(
                condition=Q(is_open=False, remaining=0)
                | Q(is_open=True, remaining__gt=0, state="open", role="work"),
                name="task_is_open",
            ),
            models.CheckConstraint(
                condition=Q(role="work") | Q(role__in=["gold", "exam"], wanted=0),
                name="task_role",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "parked", "escalated", "resolved", "cancelled"]),
                name="task_state",
            ),
            models.CheckConstraint(
                condition=Q(wanted=0) | Q(opened_at__isnull=False), name="task_opened_facts"
            ),
            models.CheckConstraint(
                condition=Q(units__gt=0, slot_reserve_micros__gte=0, round__gte=1),
                name="task_price_basis",
            ),
            models.UniqueConstraint(
                fields=["job", "external_id"],
                condition=Q(external_id__isnull=False),
                name="task_external_id",
            ),
        ]
        indexes = [
            models.Index(fields=["job", "pos"], condition=Q(is_open=True), name="task_open"),
            models.Index(fields=["job", "pos"], condition=~Q(role="work"), name="task_known"),
            models.Index(fields=["job", "pos"], condition=Q(state="parked"), name="task_parked"),
            models.Index(fields=["job", "state"], condition=Q(role="work"), name="task_progress"),
            models.Index(fields=["job", "id"], name="task_page"),
            # Results are read a page at a time, however many tasks are undecided in between.
            models.Index(
                fields=["job", "id"],
                condition=Q(state__in=["resolved", "escalated"]),
                name="task_decided",
            ),
        ]

    def __str__(self) -> str:
        return self.external_id or str(self.pk)


class GoldAnswer(models.Model):
    """The known answer of a gold or exam task, and why it is right."""

    task = models.OneToOneField(
        Task, primary_key=True, on_delete=models.PROTECT, related_name="gold_answer"
    )
    answer = models.JSONField()
    explanation = models.TextField(blank=True, default="")

    def __str__(self) -> str:
        return f"answer of {self.task_id}"


class Prediction(models.Model):
    """What a model says of a task. One for each model version and task; a new one replaces it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="+", db_index=False)
    interface = models.ForeignKey(
        "marketplace.Interface", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    model_version = models.TextField()
    value = models.JSONField()
    score = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["task", "model_version"], name="prediction_once"),
            models.CheckConstraint(
                condition=Q(score=None) | Q(score__gte=0, score__lte=1), name="prediction_score"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_version} on {self.task_id}"
