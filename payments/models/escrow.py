"""A job's reserved funds, and what they are reserved for."""

from django.db import models
from django.db.models import F, Q

from .ledger import LedgerAccount

#: What a part of a job's funds can be reserved for; each is a column.
LINES = ("work", "gold", "exam", "escalation", "contested")


class Escrow(models.Model):
    """The lines of one job's escrow account. What no line claims is free.

    The money is the ledger's; the lines say what part of it is spoken for. Lines, and every posting
    that lowers the account, change under this row's lock; a deferred trigger refuses lines beyond
    the balance.
    """

    job_id = models.UUIDField(primary_key=True, editable=False)
    organization = models.ForeignKey(
        "core.Organization", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    currency = models.CharField(max_length=3)
    account = models.OneToOneField(LedgerAccount, on_delete=models.PROTECT, related_name="+")
    work_micros = models.BigIntegerField(default=0)
    gold_micros = models.BigIntegerField(default=0)
    exam_micros = models.BigIntegerField(default=0)
    escalation_micros = models.BigIntegerField(default=0)
    contested_micros = models.BigIntegerField(default=0)
    #: Sums over the job's life: put in, paid to workers, charged as fees, given back at the end.
    funded_micros = models.BigIntegerField(default=0)
    spent_micros = models.BigIntegerField(default=0)
    fees_micros = models.BigIntegerField(default=0)
    returned_micros = models.BigIntegerField(default=0)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "escrows"
        constraints = [
            models.CheckConstraint(
                condition=Q(work_micros__gte=0, gold_micros__gte=0, exam_micros__gte=0)
                & Q(escalation_micros__gte=0, contested_micros__gte=0),
                name="escrow_lines",
            ),
            models.CheckConstraint(
                condition=Q(spent_micros__gte=0, fees_micros__gte=0, returned_micros__gte=0)
                & Q(
                    funded_micros__gte=F("spent_micros")
                    + F("fees_micros")
                    + F("returned_micros")
                    + F("work_micros")
                    + F("gold_micros")
                    + F("exam_micros")
                    + F("escalation_micros")
                    + F("contested_micros")
                ),
                name="escrow_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None)
                | Q(
                    work_micros=0,
                    gold_micros=0,
                    exam_micros=0,
                    escalation_micros=0,
                    contested_micros=0,
                ),
                name="escrow_closed_is_empty",
            ),
        ]

    def __str__(self) -> str:
        return f"escrow of {self.job_id}"
