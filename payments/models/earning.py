"""What a worker earned by one accepted answer."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.ids import new_id

from .escrow import LINES
from .ledger import LedgerTransaction


class Earning(models.Model):
    """Pay for one accepted answer: pending during its hold, then available.

    The quote is copied from the answer, so that the receipt needs nothing of the planes above.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        AVAILABLE = "available"
        HELD = "held"

    TRANSITIONS = {
        "pending": ("available", "held"),
        "available": ("held",),
        "held": ("available",),
    }

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    #: The answer's assignment, in a plane above.
    assignment_ref = models.UUIDField()
    worker = models.ForeignKey(
        "core.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    job_id = models.UUIDField()
    organization = models.ForeignKey(
        "core.Organization", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    currency = models.CharField(max_length=3)
    amount_micros = models.BigIntegerField()
    fee_micros = models.BigIntegerField()
    #: The escrow line that it was paid out of.
    line = models.TextField()
    quote = models.JSONField()
    state = models.TextField(choices=State, default=State.PENDING)
    available_at = models.DateTimeField()
    hold_reason = models.TextField(blank=True, default="")
    risk_notes = ArrayField(models.TextField(), default=list, blank=True)
    transaction = models.OneToOneField(
        LedgerTransaction, on_delete=models.PROTECT, related_name="+"
    )
    release = models.ForeignKey(
        LedgerTransaction,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
    )
    created_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["assignment_ref"], name="earning_once"),
            models.CheckConstraint(
                condition=Q(amount_micros__gt=0, fee_micros__gte=0), name="earning_amounts"
            ),
            models.CheckConstraint(condition=Q(line__in=LINES), name="earning_line"),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "available", "held"]), name="earning_state"
            ),
            models.CheckConstraint(
                condition=Q(state="available", released_at__isnull=False, release__isnull=False)
                | Q(state="pending", released_at=None, release=None)
                | (Q(state="held") & ~Q(hold_reason="")),
                name="earning_released_facts",
            ),
        ]
        indexes = [
            models.Index(fields=["worker", "-id"], name="earning_list"),
            models.Index(fields=["available_at"], condition=Q(state="pending"), name="earning_due"),
            models.Index(fields=["job_id"], name="earning_job"),
        ]

    def __str__(self) -> str:
        return f"{self.amount_micros} {self.currency} ({self.state})"
