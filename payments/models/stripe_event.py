"""What Stripe told us, kept as it came and worked off later."""

from django.db import models
from django.db.models import Q

from core.ids import new_id


class StripeEvent(models.Model):
    """One notice of Stripe's. It only says where to look: the object is read again at Stripe."""

    class State(models.TextChoices):
        RECEIVED = "received"
        DONE = "done"
        IGNORED = "ignored"
        FAILED = "failed"

    TRANSITIONS = {
        "received": ("done", "ignored", "failed"),
        "failed": ("received",),
        "done": (),
        "ignored": (),
    }

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    event_id = models.TextField()
    type = models.TextField()
    #: The connected account it is about; empty for the platform's own.
    account = models.TextField(blank=True, default="")
    object_id = models.TextField(blank=True, default="")
    livemode = models.BooleanField()
    #: As it came, byte for byte.
    payload = models.TextField()
    created_at = models.DateTimeField()
    received_at = models.DateTimeField()
    state = models.TextField(choices=State, default=State.RECEIVED)
    attempts = models.SmallIntegerField(default=0)
    #: When it is due; while it is worked on, when that lease ends.
    next_attempt_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event_id"], name="stripeevent_once"),
            models.CheckConstraint(
                condition=Q(state__in=["received", "done", "ignored", "failed"]),
                name="stripeevent_state",
            ),
            models.CheckConstraint(
                condition=Q(state="received", handled_at=None)
                | (~Q(state="received") & Q(handled_at__isnull=False)),
                name="stripeevent_handled_facts",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=Q(state="received"), name="stripeevent_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.object_id}"
