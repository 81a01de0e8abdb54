"""Push work: who is available, and what was offered to whom."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.ids import new_id

from .worker import Worker


class Availability(models.Model):
    """A worker says: offer me work of these specialties until then."""

    class Ended(models.TextChoices):
        ASKED = "asked"
        UNANSWERED = "unanswered"
        SUSPENDED = "suspended"

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
    #: Why it ended before its time, empty while it runs.
    ended_reason = models.CharField(max_length=12, choices=Ended, blank=True, default="")

    class Meta:
        verbose_name_plural = "availabilities"
        indexes = [
            models.Index(
                fields=["idle_since"], condition=Q(is_busy=False), name="availability_idle"
            )
        ]

    def __str__(self) -> str:
        return f"{self.worker_id} until {self.until}"


class OfferPlace(models.Model):
    """Where the dispatcher stands with one worker in one job. Claims never touch it.

    ``pos`` is the last open task looked at for this worker, ``rest_until`` the time before which
    looking again is useless: all that is open was done by, or offered to, this worker.
    """

    id = models.BigAutoField(primary_key=True)
    worker = models.ForeignKey(Worker, on_delete=models.PROTECT, related_name="+", db_index=False)
    job = models.ForeignKey(
        "marketplace.Job", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    pos = models.BigIntegerField(default=0)
    empty_laps = models.SmallIntegerField(default=0)
    rest_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["worker", "job"], name="offerplace_once"),
        ]

    def __str__(self) -> str:
        return f"{self.worker_id} in {self.job_id}"


class Offer(models.Model):
    """A task held for one worker for a short time. It holds a slot until it ends.

    An offer of gold holds no slot: it uses one of the worker's gold credits when it is accepted.
    ``slot_open_at`` and ``idle_at`` say since when the slot was free and the worker was idle.
    """

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
    worker = models.ForeignKey(Worker, on_delete=models.PROTECT, related_name="+", db_index=False)
    job = models.ForeignKey(
        "marketplace.Job", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    task = models.ForeignKey(
        "marketplace.Task", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    state = models.CharField(max_length=12, choices=State, default=State.OFFERED)
    slot_open_at = models.DateTimeField()
    idle_at = models.DateTimeField()
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
                condition=Q(state__in=["offered", "accepted", "declined", "lapsed", "withdrawn"]),
                name="offer_state",
            ),
            models.CheckConstraint(
                condition=Q(state="offered", ended_at=None)
                | (~Q(state="offered") & Q(ended_at__isnull=False)),
                name="offer_end_facts",
            ),
            models.CheckConstraint(
                condition=Q(state="accepted", assignment__isnull=False)
                | (~Q(state="accepted") & Q(assignment=None)),
                name="offer_accepted_facts",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(state="offered"), name="offer_due"),
            models.Index(fields=["job"], condition=Q(state="offered"), name="offer_of_job"),
            models.Index(fields=["worker", "-id"], name="offer_mine"),
        ]

    def __str__(self) -> str:
        return f"{self.task_id} to {self.worker_id} ({self.state})"
