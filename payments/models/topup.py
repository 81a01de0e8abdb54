"""A requester's top-up: the intent, what Stripe made of it, and when the wallet was credited."""

from django.db import models
from django.db.models import F, Q

from core.ids import new_id


class Topup(models.Model):
    """One payment into a wallet. Its row is committed before Stripe hears of it.

    Play money (XTS) is paid at once and never meets Stripe.
    """

    class State(models.TextChoices):
        NEW = "new"
        OPEN = "open"
        PROCESSING = "processing"
        PAID = "paid"
        EXPIRED = "expired"
        FAILED = "failed"

    TRANSITIONS = {
        "new": ("open", "paid", "failed"),
        "open": ("processing", "paid", "expired"),
        "processing": ("paid", "failed"),
        "paid": (),
        "expired": (),
        "failed": (),
    }

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        "core.Organization", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_by = models.ForeignKey(
        "core.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    amount_micros = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.TextField(choices=State, default=State.NEW)
    #: The requester's own key: the same one never makes a second top-up.
    key = models.TextField()
    checkout_id = models.TextField(null=True, blank=True)
    checkout_url = models.TextField(blank=True, default="")
    payment_id = models.TextField(null=True, blank=True)
    charge_id = models.TextField(null=True, blank=True)
    #: What Stripe kept, as Stripe states it; None until its balance shows it.
    fee_micros = models.BigIntegerField(null=True, blank=True)
    #: When the sweep looks at it again; None when there is nothing left to learn.
    next_check_at = models.DateTimeField(null=True, blank=True)
    attempts = models.SmallIntegerField(default=0)
    last_error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    state_changed_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "key"], name="topup_once"),
            models.UniqueConstraint(fields=["checkout_id"], name="topup_checkout_once"),
            models.UniqueConstraint(fields=["payment_id"], name="topup_payment_once"),
            models.UniqueConstraint(fields=["charge_id"], name="topup_charge_once"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="topup_amount"),
            models.CheckConstraint(
                condition=Q(state__in=["new", "open", "processing", "paid", "expired", "failed"]),
                name="topup_state",
            ),
            models.CheckConstraint(
                condition=Q(state="paid", paid_at__isnull=False)
                | (~Q(state="paid") & Q(paid_at=None)),
                name="topup_paid_facts",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["new", "failed"])
                | Q(checkout_id__isnull=False)
                | Q(currency="XTS"),
                name="topup_checkout_facts",
            ),
            models.CheckConstraint(
                condition=~Q(state="paid") | Q(payment_id__isnull=False) | Q(currency="XTS"),
                name="topup_payment_facts",
            ),
            models.CheckConstraint(
                condition=Q(currency="XTS") | Q(amount_micros=F("amount_micros") / 10_000 * 10_000),
                name="topup_whole_cents",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="topup_list"),
            models.Index(
                fields=["next_check_at"],
                condition=Q(next_check_at__isnull=False),
                name="topup_due",
            ),
        ]

    def __str__(self) -> str:
        return f"top-up {self.pk} ({self.state})"
