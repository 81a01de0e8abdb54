"""A worker contests a rejection."""

from django.db import models
from django.db.models import Q

from core.ids import new_id

from .assignment import Assignment


class Contest(models.Model):
    """Due process for a rejection: silence of the requester upholds the contest."""

    class State(models.TextChoices):
        OPEN = "open"
        UPHELD = "upheld"
        DENIED = "denied"
        LAPSED = "lapsed"

    TRANSITIONS = {
        "open": ("upheld", "denied", "lapsed"),
        "upheld": (),
        "denied": (),
        "lapsed": (),
    }

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    assignment = models.OneToOneField(Assignment, on_delete=models.PROTECT, related_name="+")
    statement = models.TextField()
    state = models.CharField(max_length=12, choices=State, default=State.OPEN)
    opened_at = models.DateTimeField()
    answer_by = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.UUIDField(null=True, blank=True)
    answer = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["open", "upheld", "denied", "lapsed"]), name="contest_state"
            ),
            models.CheckConstraint(condition=~Q(statement=""), name="contest_says_why"),
            models.CheckConstraint(
                condition=Q(state="open", ended_at=None)
                | (~Q(state="open") & Q(ended_at__isnull=False)),
                name="contest_end_facts",
            ),
        ]
        indexes = [
            models.Index(fields=["answer_by"], condition=Q(state="open"), name="contest_due"),
        ]

    def __str__(self) -> str:
        return f"{self.assignment_id} ({self.state})"
