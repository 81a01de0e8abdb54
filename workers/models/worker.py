"""Who may work: the worker, what the checks say of them, and their place in each job."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q


class Worker(models.Model):
    """A person who labels. The worker's id is the user's id, so a token names the worker at once."""

    user = models.OneToOneField(
        "core.User", primary_key=True, on_delete=models.PROTECT, related_name="+"
    )
    languages = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    specialties = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    country = models.CharField(max_length=2, blank=True)
    is_suspended = models.BooleanField(default=False)
    suspended_reason = models.TextField(blank=True)
    joined_at = models.DateTimeField()
    accepted_count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(is_suspended=False) | ~Q(suspended_reason=""),
                name="worker_suspension_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class SkillRecord(models.Model):
    """Decayed evidence of a worker's quality in one specialty: gold and reviewed answers only.

    ``hits`` and ``n`` are the decayed sum of grades and of answers, ``squares`` the decayed sum of
    squared grades; ``gold_answers`` counts every judged check ever, without decay.
    """

    worker = models.ForeignKey(Worker, on_delete=models.PROTECT, related_name="+", db_index=False)
    specialty = models.CharField(max_length=32)
    hits = models.FloatField(default=0)
    n = models.FloatField(default=0)
    squares = models.FloatField(default=0)
    gold_answers = models.BigIntegerField(default=0)
    q_low = models.FloatField(default=0)
    is_suspended = models.BooleanField(default=False)
    suspended_at = models.DateTimeField(null=True, blank=True)
    suspended_reason = models.TextField(blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["worker", "specialty"], name="skill_once"),
            models.CheckConstraint(
                condition=Q(is_suspended=False, suspended_at=None)
                | Q(is_suspended=True, suspended_at__isnull=False),
                name="skill_suspension_has_time",
            ),
            models.CheckConstraint(
                condition=Q(hits__gte=0, n__gte=0, hits__lte=F("n") + 1e-6),
                name="skill_counts_possible",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.worker_id} {self.specialty}"


class WorkerJob(models.Model):
    """A worker's place in one job: the cursor, the laps, the gold credit and the rate.

    The claim locks this row first, which serialises one worker's claims in a job and nobody else's.
    No column that a claim changes is indexed, so the update stays heap-only.
    """

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(
        "marketplace.Job", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    worker = models.ForeignKey(Worker, on_delete=models.PROTECT, related_name="+", db_index=False)
    pos = models.BigIntegerField(default=0)
    empty_laps = models.SmallIntegerField(default=0)
    next_lap_at = models.DateTimeField(null=True, blank=True)
    gold_pos = models.BigIntegerField(default=0)
    gold_credit = models.SmallIntegerField(default=0)
    gold_unit_micros = models.BigIntegerField(default=0)
    gold_share = models.DecimalField(max_digits=4, decimal_places=3, default=0)
    unit_price = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    tier = models.DecimalField(max_digits=4, decimal_places=2, default=1)
    tier_lower_bound = models.DecimalField(max_digits=5, decimal_places=4, null=True, blank=True)
    specialty_factor = models.DecimalField(max_digits=6, decimal_places=3, default=1)
    floor_per_hour_micros = models.BigIntegerField(default=0)
    fee_rate = models.DecimalField(max_digits=5, decimal_places=4, default=0)
    card_version = models.IntegerField(default=0)
    refill_after = models.DateTimeField()
    is_stale = models.BooleanField(default=True)
    joined_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "worker"], name="workerjob_once"),
            models.CheckConstraint(condition=Q(gold_credit__gte=0), name="workerjob_gold_credit"),
        ]
        indexes = [
            models.Index(fields=["worker"], name="workerjob_worker"),
            models.Index(
                fields=["refill_after"],
                condition=Q(gold_credit__lt=2),
                name="workerjob_refill",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.worker_id} in {self.job_id}"
