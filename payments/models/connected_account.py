"""Where a worker's money goes: the account at Stripe, and what Stripe last said of it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.ids import new_id


class ConnectedAccount(models.Model):
    """A worker's account at Stripe. What is kept here is a copy: it is read again before money moves.

    Stripe collects names, tax ids and bank details; none of them are kept here.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.OneToOneField("core.User", on_delete=models.PROTECT, related_name="+")
    #: None until Stripe has made it: the row is committed before the call.
    stripe_id = models.TextField(null=True, blank=True)
    country = models.CharField(max_length=2)
    currency = models.CharField(max_length=3, blank=True, default="")
    transfers_active = models.BooleanField(default=False)
    payouts_enabled = models.BooleanField(default=False)
    details_submitted = models.BooleanField(default=False)
    past_due = ArrayField(models.TextField(), default=list, blank=True)
    currently_due = ArrayField(models.TextField(), default=list, blank=True)
    disabled_reason = models.TextField(blank=True, default="")
    #: Stripe's own digest of the bank account: equal digests are one bank account.
    bank_fingerprint = models.TextField(blank=True, default="")
    bank_label = models.TextField(blank=True, default="")
    #: When another bank account took the place of an earlier one; the first one does not count.
    bank_changed_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    #: When somebody who looked at the account last had Stripe asked, answered or not.
    tried_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stripe_id"], name="connectedaccount_stripe_once"),
            models.CheckConstraint(
                condition=Q(stripe_id__isnull=False) | Q(transfers_active=False),
                name="connectedaccount_active_exists",
            ),
        ]
        indexes = [
            models.Index(
                fields=["bank_fingerprint"],
                condition=~Q(bank_fingerprint=""),
                name="connectedaccount_bank",
            ),
        ]

    def __str__(self) -> str:
        return self.stripe_id or f"account of {self.user_id}"
