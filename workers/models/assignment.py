"""Who did what, when and for what pay."""

from django.db import models
from django.db.models import Q

from core.ids import new_id

from .worker import Worker


class Assignment(models.Model):
    """One worker's claim of one task, from the claim to the pay.

    The quote is frozen here at the claim: later changes of card, tier or job touch new claims only.
    """

    class State(models.TextChoices):
        CLAIMED = "claimed"
        SUBMITTED = "submitted"
        RETURNED = "returned"
        EXPIRED = "expired"
        ACCEPTED = "accepted"
        REJECTED = "rejected"
        REVERSED = "reversed"

    class Role(models.TextChoices):
        WORK = "work"
        GOLD = "gold"

    TRANSITIONS = {
        "claimed": ("submitted", "returned", "expired"),
        "submitted": ("claimed", "accepted", "rejected"),
        "expired": ("submitted",),
        "rejected": ("accepted",),
        "accepted": ("reversed",),
        "returned": (),
        "reversed": (),
    }

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    job = models.ForeignKey(
        "marketplace.Job", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    task = models.ForeignKey(
        "marketplace.Task", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    worker = models.ForeignKey(Worker, on_delete=models.PROTECT, related_name="+", db_index=False)
    role = models.CharField(max_length=8, choices=Role)
    state = models.CharField(max_length=12, choices=State, default=State.CLAIMED)
    lane = models.SmallIntegerField(default=0)

    claimed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    extensions = models.SmallIntegerField(default=0)
    submitted_at = models.DateTimeField(null=True, blank=True)
    returned_at = models.DateTimeField(null=True, blank=True)
    expired_at = models.DateTimeField(null=True, blank=True)
    is_late = models.BooleanField(default=False)
    answer_hash = models.BinaryField(max_length=32, null=True, blank=True)
    draft = models.JSONField(null=True, blank=True)
    draft_version = models.IntegerField(default=0)

    judge_after = models.DateTimeField(null=True, blank=True)
    judged_at = models.DateTimeField(null=True, blank=True)
    grade = models.FloatField(null=True, blank=True)
    settle_after = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.UUIDField(null=True, blank=True)
    reject_reason = models.CharField(max_length=32, blank=True)
    reject_evidence = models.TextField(blank=True)
    contest_until = models.DateTimeField(null=True, blank=True)

    currency = models.CharField(max_length=3)
    units = models.DecimalField(max_digits=14, decimal_places=3)
    unit_price = models.DecimalField(max_digits=20, decimal_places=6)
    tier = models.DecimalField(max_digits=4, decimal_places=2)
    tier_lower_bound = models.DecimalField(max_digits=5, decimal_places=4, null=True, blank=True)
    specialty_factor = models.DecimalField(max_digits=6, decimal_places=3)
    floor_per_hour_micros = models.BigIntegerField()
    seconds_per_unit = models.DecimalField(max_digits=12, decimal_places=3)
    fee_rate = models.DecimalField(max_digits=5, decimal_places=4)
    card_version = models.IntegerField()
    guaranteed_micros = models.BigIntegerField()
    bonus_max_micros = models.BigIntegerField(default=0)
    fee_micros = models.BigIntegerField()
    reserve_micros = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["task", "worker"], name="assignment_once"),
            models.CheckConstraint(
                condition=Q(state__in=["claimed", "submitted", "returned", "expired"])
                | Q(state__in=["accepted", "rejected", "reversed"]),
                name="assignment_state",
            ),
            models.CheckConstraint(condition=Q(role__in=["work", "gold"]), name="assignment_role"),
            # At most one live claim per worker and job, and one claimed ahead of it. The worker comes
            # first, so that the same index also tells who holds any claim at all.
            models.UniqueConstraint(
                fields=["worker", "job", "lane"],
                condition=Q(state="claimed"),
                name="assignment_live_claim",
            ),
            models.CheckConstraint(condition=Q(lane__in=[0, 1]), name="assignment_lane"),
            models.CheckConstraint(
                condition=~Q(state__in=["submitted", "accepted", "rejected", "reversed"])
                | Q(submitted_at__isnull=False, answer_hash__isnull=False),
                name="assignment_submitted_facts",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["accepted", "reversed"]) | Q(settled_at__isnull=False),
                name="assignment_accepted_facts",
            ),
            models.CheckConstraint(
                condition=~Q(state="rejected")
                | (
                    ~Q(reject_reason="") & Q(reviewed_at__isnull=False, contest_until__isnull=False)
                ),
                name="assignment_rejected_facts",
            ),
            models.CheckConstraint(
                condition=~Q(state="returned") | Q(returned_at__isnull=False),
                name="assignment_returned_facts",
            ),
            models.CheckConstraint(
                condition=~Q(state="claimed")
                | Q(submitted_at=None, answer_hash=None, expired_at=None, judged_at=None),
                name="assignment_claimed_facts",
            ),
            models.CheckConstraint(
                condition=~Q(state="expired") | Q(expired_at__isnull=False),
                name="assignment_expired_facts",
            ),
            models.CheckConstraint(
                condition=Q(guaranteed_micros__gte=0, fee_micros__gte=0, bonus_max_micros__gte=0),
                name="assignment_pay_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(
                    reserve_micros__gte=models.F("guaranteed_micros") + models.F("fee_micros")
                ),
                name="assignment_pay_is_reserved",
            ),
        ]
        indexes = [
            models.Index(fields=["worker", "-id"], name="assignment_mine"),
            models.Index(fields=["job", "-id"], name="assignment_of_job"),
            # The second condition is always true of a claim. It keeps the planner from using this index
            # for anything but the sweep that says it, however few claims there are for the moment.
            models.Index(
                fields=["expires_at"],
                condition=Q(state="claimed", expired_at=None),
                name="assignment_due",
            ),
            models.Index(
                fields=["judge_after"],
                condition=Q(state="submitted", judged_at=None),
                name="assignment_to_judge",
            ),
            models.Index(
                fields=["job", "settle_after"],
                condition=Q(state="submitted", judged_at__isnull=False),
                name="assignment_to_settle",
            ),
            models.Index(
                fields=["contest_until"],
                condition=Q(state="rejected", settled_at=None),
                name="assignment_contested",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.state})"
