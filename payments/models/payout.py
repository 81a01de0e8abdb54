"""A payout: asked for, looked at, sent once, followed to the bank. Every step is kept."""

from django.db import models
from django.db.models import F, Q

from core.ids import new_id

#: A worker has at most one payout in these states.
OPEN = ("requested", "blocked", "needs_review", "approved", "sending", "unknown", "held")
#: In these states the transfer exists at Stripe.
MOVED = ("sent", "paid", "bank_failed", "reversed")
#: From here a payout is out of our hands or over.
CLOSED = ("sent", "paid", "bank_failed", "reversed", "failed", "rejected", "cancelled")


class Payout(models.Model):
    """Money of a worker's on its way out.

    The row owns one idempotency key at a time, ``payout:<id>:<epoch>``; ``epoch`` rises only
    after a look-up at Stripe has proved that nothing was moved under the last one.
    """

    class State(models.TextChoices):
        REQUESTED = "requested"
        BLOCKED = "blocked"
        NEEDS_REVIEW = "needs_review"
        APPROVED = "approved"
        SENDING = "sending"
        UNKNOWN = "unknown"
        HELD = "held"
        SENT = "sent"
        PAID = "paid"
        BANK_FAILED = "bank_failed"
        REVERSED = "reversed"
        FAILED = "failed"
        REJECTED = "rejected"
        CANCELLED = "cancelled"

    class Severity(models.IntegerChoices):
        NONE = 0
        NOTE = 1
        WARN = 2
        STOP = 3

    TRANSITIONS = {
        "requested": ("blocked", "needs_review", "approved", "rejected", "cancelled", "held"),
        "blocked": ("requested", "rejected", "cancelled", "held"),
        "needs_review": ("approved", "rejected", "cancelled", "held"),
        "approved": ("sending", "blocked", "needs_review", "cancelled", "held"),
        "held": ("requested", "rejected"),
        "sending": ("sent", "approved", "blocked", "unknown", "failed"),
        "unknown": ("sent", "approved"),
        "sent": ("paid", "bank_failed", "reversed"),
        "paid": ("bank_failed", "reversed"),
        "bank_failed": ("paid", "reversed"),
        "reversed": (),
        "failed": (),
        "rejected": (),
        "cancelled": (),
    }

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    worker = models.ForeignKey(
        "core.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    account = models.ForeignKey(
        "payments.ConnectedAccount",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
    )
    amount_micros = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.TextField(choices=State, default=State.REQUESTED)
    state_changed_at = models.DateTimeField()
    created_at = models.DateTimeField()
    #: Why it is where it is, as a code: what blocks it, why it failed.
    reason_code = models.TextField(blank=True, default="")
    #: What the risk rules said last: ``[{"rule", "severity", "says"}]``.
    risk = models.JSONField(default=list, blank=True)
    severity = models.SmallIntegerField(choices=Severity, default=Severity.NONE)
    #: Approvals count for one round; a payout that must be looked at again starts another.
    review_round = models.SmallIntegerField(default=1)
    #: How many people must say yes in this round; 0 where a small one passes by itself.
    approvals_needed = models.SmallIntegerField(default=1)
    checked_at = models.DateTimeField(null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)

    epoch = models.SmallIntegerField(default=1)
    #: What the call is made with, frozen before it is made, as the key asks for.
    destination = models.TextField(blank=True, default="")
    attempts = models.SmallIntegerField(default=0)
    #: When the key was first used; Stripe may forget it a day later.
    key_used_at = models.DateTimeField(null=True, blank=True)
    #: When it is due; while somebody works on it, when that lease ends.
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="")

    transfer_id = models.TextField(null=True, blank=True)
    #: The payment that the transfer became on the worker's account, and the bank payout it is in.
    destination_payment = models.TextField(blank=True, default="")
    bank_payout_id = models.TextField(blank=True, default="")
    sent_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    reversed_micros = models.BigIntegerField(default=0)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        permissions = [("review_payout", "Can approve, reject and hold payouts")]
        constraints = [
            models.UniqueConstraint(
                fields=["worker"], condition=Q(state__in=OPEN), name="payout_one_open"
            ),
            models.UniqueConstraint(fields=["transfer_id"], name="payout_transfer_once"),
            models.CheckConstraint(condition=Q(state__in=(*OPEN, *CLOSED)), name="payout_state"),
            models.CheckConstraint(
                condition=Q(amount_micros__gt=0)
                & Q(amount_micros=F("amount_micros") / 10_000 * 10_000),
                name="payout_whole_cents",
            ),
            models.CheckConstraint(condition=~Q(currency="XTS"), name="payout_of_real_money"),
            models.CheckConstraint(
                condition=Q(state__in=MOVED, transfer_id__isnull=False, sent_at__isnull=False)
                | (~Q(state__in=MOVED) & Q(transfer_id=None, sent_at=None)),
                name="payout_moved_facts",
            ),
            models.CheckConstraint(
                condition=Q(state__in=CLOSED, closed_at__isnull=False)
                | (~Q(state__in=CLOSED) & Q(closed_at=None)),
                name="payout_closed_facts",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=("sending", "unknown", *MOVED))
                | (~Q(destination="") & Q(key_used_at__isnull=False)),
                name="payout_sending_facts",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=("approved", "sending", "unknown", *MOVED))
                | Q(approved_at__isnull=False),
                name="payout_approved_facts",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=("blocked", "failed", "rejected", "held"))
                | ~Q(reason_code=""),
                name="payout_reason",
            ),
            models.CheckConstraint(
                condition=Q(reversed_micros__gte=0, reversed_micros__lte=F("amount_micros")),
                name="payout_reversed",
            ),
        ]
        indexes = [
            models.Index(fields=["worker", "-id"], name="payout_list"),
            models.Index(
                fields=["state", "next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="payout_due",
            ),
            models.Index(fields=["state", "created_at"], name="payout_queue"),
            models.Index(
                fields=["destination_payment"],
                condition=~Q(destination_payment=""),
                name="payout_arrival",
            ),
        ]

    def __str__(self) -> str:
        return f"payout {self.pk} ({self.state})"

    @property
    def key(self) -> str:
        """The idempotency key that the transfer is made under."""
        return f"payout:{self.pk}:{self.epoch}"

    @property
    def transfer_group(self) -> str:
        """What the transfer is found by at Stripe, whatever key it was made under."""
        return f"payout:{self.pk}"


class PayoutApproval(models.Model):
    """One person's yes. Large payouts need two, of two people."""

    payout = models.ForeignKey(
        Payout, on_delete=models.PROTECT, related_name="approvals", db_index=False
    )
    round = models.SmallIntegerField()
    by = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="+", db_index=False)
    reason = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["payout", "round", "by"], name="payoutapproval_once"),
            models.CheckConstraint(condition=~Q(reason=""), name="payoutapproval_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.by_id} approved {self.payout_id}"


class PayoutEvent(models.Model):
    """One step of a payout: who, when, from where to where, why, on what evidence. Append-only."""

    payout = models.ForeignKey(
        Payout, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    at = models.DateTimeField()
    #: None is the site itself.
    by = models.ForeignKey(
        "core.User", on_delete=models.PROTECT, related_name="+", null=True, db_index=False
    )
    kind = models.TextField()
    from_state = models.TextField(blank=True, default="")
    to_state = models.TextField()
    reason = models.TextField(blank=True, default="")
    evidence = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes = [models.Index(fields=["payout", "id"], name="payoutevent_history")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.from_state or 'new'} to {self.to_state}"
