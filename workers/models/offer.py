"""Push work: who is available, and what was offered to whom."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.ids import new_id

from .worker import Worker


class Availability(models.Model):
    """A worker says: offer me work of these specialties until then."""

    worker = models.OneToOneField(
        Worker, primary_key=True, on_delete=models.PROTECT, related_name="+"
    )
    specialties = ArrayField(models.CharField(max_length=32), default=list)
    since = models.DateTimeField()
    until = models.DateTimeField()
    # Set while an offer or a claim made from one is open; the dispatch sweep skips the busy.
    is_busy = models.BooleanField(default=False)
    idle_since = models.DateTimeField()
    lapsed_in_a_row = models.SmallIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(
                fields=["idle_since"], condition=Q(is_busy=False), name="availability_idle"
            )
        ]

    def __str__(self) -> str:
        return f"{self.worker_id} until {self.until}"


class Offer(models.Model):
    """A task held for one worker for a short time. It holds a slot until it ends."""

    class State(models.TextChoices):
        OFFERED = "offered"
        ACCEPTED = "accepted"
        DECLINED = "declined"
        LAPSED = "lapsed"
        WITHDRAWN = "withdrawn"

    TRANSITIONS = {
        "offered": ("accepted", "declined", "lapsed", "withdrawn"),
        "accepted": (),
        "declined": (),
        "lapsed": (),
        "withdrawn": (),
    }

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    worker = models.ForeignKey(Worker, on_delete=models.PROTECT, related_name="+")
    job = models.ForeignKey("marketplace.Job", on_delete=models.PROTECT, related_name="+")
    task = models.ForeignKey(
        "marketplace.Task", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    state = models.CharField(max_length=12, choices=State, default=State.OFFERED)
    slot_open_at = models.DateTimeField()
    offered_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    is_newcomer_share = models.BooleanField(default=False)
    assignment = models.OneToOneField(
        "workers.Assignment", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["worker"], condition=Q(state="offered"), name="offer_one_open"
            ),
            models.UniqueConstraint(fields=["task", "worker"], name="offer_once_per_task"),
            models.CheckConstraint(
                condition=Q(state="offered", ended_at=None)
                | (~Q(state="offered") & Q(ended_at__isnull=False)),
                name="offer_end_facts",
            ),
            models.CheckConstraint(
                condition=~Q(state="accepted") | Q(assignment__isnull=False),
                name="offer_accepted_facts",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state="offered"), name="offer_due"),
        ]

    def __str__(self) -> str:
        return f"{self.task_id} to {self.worker_id} ({self.state})"
