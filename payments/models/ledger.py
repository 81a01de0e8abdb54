"""The ledger: accounts, transactions and their legs. Written by the posting function alone.

Triggers refuse every change of a transaction or an entry, unbalanced transactions, late legs and
crossed currencies; the balances have floors. See the migration of the rules and docs/money.md.
"""

from django.db import models
from django.db.models import F, Q


class LedgerAccount(models.Model):
    """One account in one currency. ``is_tracked`` accounts have a balance row with a floor."""

    class Kind(models.TextChoices):
        ASSET = "asset"
        LIABILITY = "liability"
        INCOME = "income"
        EXPENSE = "expense"

    id = models.BigAutoField(primary_key=True)
    code = models.TextField()
    currency = models.CharField(max_length=3)
    kind = models.TextField(choices=Kind)
    is_tracked = models.BooleanField()
    #: Whose it is: requester, worker or job, and the id; empty for our own.
    owner_type = models.TextField(blank=True, default="")
    owner_id = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code", "currency"], name="ledgeraccount_once"),
            models.CheckConstraint(
                condition=Q(kind__in=["asset", "liability", "income", "expense"]),
                name="ledgeraccount_kind",
            ),
            models.CheckConstraint(
                condition=Q(owner_type="", owner_id=None)
                | Q(owner_type__in=["requester", "worker", "job"], owner_id__isnull=False),
                name="ledgeraccount_owner",
            ),
            # Play money never meets cash, and is never on its way out.
            models.CheckConstraint(
                condition=Q(currency="XTS", code="play:mint")
                | (~Q(currency="XTS") & ~Q(code="play:mint"))
                | (
                    Q(currency="XTS")
                    & ~Q(code__in=["stripe:balance", "bank:operating", "refunds:in_flight"])
                    & ~Q(code__endswith=":in_flight")
                ),
                name="ledgeraccount_play_money",
            ),
        ]
        indexes = [
            models.Index(
                fields=["owner_id"],
                condition=Q(owner_id__isnull=False),
                name="ledgeraccount_of",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.currency}"


class LedgerTransaction(models.Model):
    """One movement of money, whole and balanced. Its key is used once for ever."""

    class Kind(models.TextChoices):
        TOPUP = "topup"
        STRIPE_FEE = "stripe_fee"
        FUND = "fund"
        ACCEPT = "accept"
        BONUS = "bonus"
        FLOOR = "floor"
        RELEASE = "release"
        UNACCEPT = "unaccept"
        CLAWBACK = "clawback"
        CLOSE = "close"
        REFUND = "refund"
        REFUND_DONE = "refund_done"
        REFUND_FAILED = "refund_failed"
        PAYOUT = "payout"
        PAYOUT_UNDO = "payout_undo"
        TRANSFER = "transfer"
        REVERSAL = "reversal"
        HELD = "held"
        DISPUTE_OUT = "dispute_out"
        DISPUTE_IN = "dispute_in"
        WRITEOFF = "writeoff"
        OFFSET = "offset"
        WITHDRAWAL = "withdrawal"
        SUSPENSE = "suspense"
        GOODWILL = "goodwill"

    id = models.UUIDField(primary_key=True, editable=False)
    idem_key = models.TextField(unique=True)
    kind = models.TextField(choices=Kind)
    currency = models.CharField(max_length=3)
    legs = models.SmallIntegerField()
    #: Of currency and legs: the same key with another digest is refused.
    legs_digest = models.BinaryField(max_length=32)
    reverses = models.OneToOneField(
        "self", on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    #: When it happened out there, where that is not when it was written.
    event_at = models.DateTimeField()
    created_at = models.DateTimeField()
    #: The database transaction that wrote it: legs may be added by no other.
    xact_id = models.BigIntegerField()
    memo = models.TextField(blank=True, default="")
    #: Who caused it; None is the site itself.
    actor = models.UUIDField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(legs__gte=2), name="ledgertransaction_two_legs"),
            models.CheckConstraint(condition=~Q(idem_key=""), name="ledgertransaction_key"),
        ]
        indexes = [models.Index(fields=["created_at"], name="ledgertransaction_when")]

    def __str__(self) -> str:
        return self.idem_key


class LedgerEntry(models.Model):
    """One leg of a transaction: debits are positive, credits negative."""

    id = models.BigAutoField(primary_key=True)
    transaction = models.ForeignKey(
        LedgerTransaction, on_delete=models.PROTECT, related_name="entries", db_index=False
    )
    #: The leg's number, from 1 to the transaction's ``legs``.
    n = models.SmallIntegerField()
    account = models.ForeignKey(
        LedgerAccount, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    amount_micros = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints = [
            # With the number of legs fixed, a full transaction has no place for another.
            models.UniqueConstraint(fields=["transaction", "n"], name="ledgerentry_leg"),
            models.CheckConstraint(condition=~Q(amount_micros=0), name="ledgerentry_not_zero"),
            models.CheckConstraint(condition=Q(n__gte=1), name="ledgerentry_n"),
        ]
        indexes = [models.Index(fields=["account", "id"], name="ledgerentry_statement")]

    def __str__(self) -> str:
        return f"{self.amount_micros} on {self.account_id}"


class LedgerBalance(models.Model):
    """What a tracked account holds, on its natural side, so that what is there is positive."""

    account = models.OneToOneField(
        LedgerAccount, on_delete=models.PROTECT, related_name="balance", primary_key=True
    )
    amount_micros = models.BigIntegerField(default=0)
    #: The balance never goes below; None is no floor.
    floor_micros = models.BigIntegerField(null=True, blank=True, default=0)
    #: The latest entry that is in the amount.
    last_entry_id = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(floor_micros=None) | Q(amount_micros__gte=F("floor_micros")),
                name="ledgerbalance_floor",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_micros} on {self.account_id}"
