"""A job: what is asked, of whom, how often, for what pay, and where it stands."""

from __future__ import annotations

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from core.ids import new_id

from .interface import Interface


class JobQuerySet(models.QuerySet["Job"]):
    """Jobs, and the one place that says whose they are."""

    def of(self, organization_id: UUID | None) -> JobQuerySet:
        """Jobs of one requester. None, a caller without an organization, owns nothing."""
        if organization_id is None:
            return self.none()
        return self.filter(organization_id=organization_id)


class Job(models.Model):
    """Work that a requester wants done, or the questions of an exam.

    What the price of a task depends on is frozen at the launch (a trigger refuses changes): the
    interface, unit, rate, specialty, difficulty, seconds per unit, bonus, currency, rate card.
    """

    class State(models.TextChoices):
        DRAFT = "draft"
        LIVE = "live"
        PAUSED = "paused"
        CLOSING = "closing"
        COMPLETED = "completed"
        CANCELLED = "cancelled"
        SUSPENDED = "suspended"

    class Purpose(models.TextChoices):
        WORK = "work"
        EXAM = "exam"

    class Unit(models.TextChoices):
        ITEM = "item"
        WORD_BLOCK = "word_block"
        REGION = "region"
        AUDIO_SECOND = "audio_second"

    class Acceptance(models.TextChoices):
        AUTO = "auto"
        REVIEW = "review"

    TRANSITIONS = {
        "draft": ("live", "cancelled"),
        "live": ("paused", "closing", "suspended"),
        "paused": ("live", "closing", "suspended"),
        "suspended": ("live", "paused"),
        "closing": ("completed", "cancelled"),
        "completed": (),
        "cancelled": (),
    }

    #: What a launched job keeps for ever; named in the trigger of the first migration.
    FROZEN = (
        "organization_id",
        "interface_id",
        "purpose",
        "specialty",
        "unit",
        "base_rate_micros",
        "seconds_per_unit",
        "difficulty",
        "bonus_pct",
        "currency",
        "sandbox",
        "card_version",
        "launched_at",
    )

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        "core.Organization", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_by = models.ForeignKey(
        "core.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    name = models.TextField()
    instructions = models.TextField(blank=True, default="")
    interface = models.ForeignKey(
        Interface, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    purpose = models.TextField(choices=Purpose, default=Purpose.WORK)
    state = models.TextField(choices=State, default=State.DRAFT)
    state_changed_at = models.DateTimeField()
    #: Where a closing job goes, and where a suspended one came from.
    next_state = models.TextField(blank=True, default="")
    state_reason = models.TextField(blank=True, default="")

    specialty = models.TextField(default="text")
    unit = models.TextField(choices=Unit, default=Unit.ITEM)
    base_rate_micros = models.BigIntegerField()
    seconds_per_unit = models.DecimalField(max_digits=12, decimal_places=3)
    difficulty = models.DecimalField(max_digits=4, decimal_places=2, default=1)
    bonus_pct = models.DecimalField(max_digits=5, decimal_places=4, default=0)
    currency = models.CharField(max_length=3)
    card_version = models.IntegerField(default=0)
    sandbox = models.BooleanField(default=False)

    acceptance = models.TextField(choices=Acceptance, default=Acceptance.AUTO)
    review_days = models.IntegerField(default=7)
    kmin = models.SmallIntegerField(default=2)
    max_overlap = models.SmallIntegerField(default=5)
    time_limit_seconds = models.IntegerField(default=900)
    undo_seconds = models.IntegerField(default=5)
    required_qualifications = ArrayField(models.UUIDField(), default=list, blank=True)
    languages = ArrayField(models.TextField(), default=list, blank=True)
    priority = models.SmallIntegerField(default=0)
    gold_share = models.DecimalField(max_digits=4, decimal_places=3, default=0)
    quality = models.JSONField(default=dict)
    allow_ahead = models.BooleanField(default=False)
    auto_close = models.BooleanField(default=True)
    budget_alert = models.TextField(blank=True, default="")
    head_pos = models.BigIntegerField(default=0)

    created_at = models.DateTimeField()
    launched_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["draft", "live", "paused", "closing", "completed"])
                | Q(state__in=["cancelled", "suspended"]),
                name="job_state",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "cancelled"]) | Q(launched_at__isnull=False),
                name="job_launched_facts",
            ),
            models.CheckConstraint(
                condition=(
                    Q(state__in=["completed", "cancelled"], closed_at__isnull=False)
                    | (~Q(state__in=["completed", "cancelled"]) & Q(closed_at=None))
                ),
                name="job_closed_facts",
            ),
            models.CheckConstraint(
                condition=~Q(state="closing") | Q(next_state__in=["completed", "cancelled"]),
                name="job_closing_facts",
            ),
            models.CheckConstraint(
                condition=~Q(state="suspended")
                | (Q(next_state__in=["live", "paused"]) & ~Q(state_reason="")),
                name="job_suspended_facts",
            ),
            models.CheckConstraint(
                condition=Q(kmin__gte=1, kmin__lte=F("max_overlap"), max_overlap__lte=50),
                name="job_overlap",
            ),
            models.CheckConstraint(
                condition=Q(base_rate_micros__gte=0, seconds_per_unit__gt=0)
                & Q(difficulty__gte=1, bonus_pct__gte=0, bonus_pct__lte=1),
                name="job_price_basis",
            ),
            models.CheckConstraint(
                condition=Q(time_limit_seconds__gte=1, undo_seconds__gte=0, review_days__gte=1),
                name="job_times",
            ),
            models.CheckConstraint(
                condition=Q(gold_share__gte=0, gold_share__lte=0.5), name="job_gold_share"
            ),
            # Play money and real money never meet.
            models.CheckConstraint(
                condition=Q(sandbox=True, currency="XTS") | (Q(sandbox=False) & ~Q(currency="XTS")),
                name="job_play_money",
            ),
            models.CheckConstraint(condition=~Q(name=""), name="job_name"),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="job_of"),
            models.Index(
                fields=["-priority", "-base_rate_micros", "id"],
                condition=Q(state="live", purpose="work"),
                name="job_feed",
            ),
            models.Index(
                fields=["state"],
                condition=Q(state__in=["live", "paused", "suspended", "closing"]),
                name="job_active",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class JobStats(models.Model):
    """Figures of a job, counted now and then by a sweep: no claim or submit ever touches them."""

    job = models.OneToOneField(
        Job, primary_key=True, on_delete=models.PROTECT, related_name="stats"
    )
    total_tasks = models.BigIntegerField(default=0)
    parked_tasks = models.BigIntegerField(default=0)
    open_tasks = models.BigIntegerField(default=0)
    escalated_tasks = models.BigIntegerField(default=0)
    resolved_tasks = models.BigIntegerField(default=0)
    cancelled_tasks = models.BigIntegerField(default=0)
    gold_tasks = models.BigIntegerField(default=0)
    #: Answers that entered a resolution, so that `answers / resolved_tasks` is the usual overlap.
    answers = models.BigIntegerField(default=0)
    #: Measured by the labour plane.
    median_seconds = models.FloatField(null=True, blank=True)
    accepted = models.BigIntegerField(default=0)
    refreshed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"figures of {self.job_id}"
