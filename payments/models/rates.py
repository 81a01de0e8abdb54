"""Rate cards: what work pays by, version by version."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from payments import pricing


class RateCard(models.Model):
    """One version of a currency's rates. A trigger keeps it as it is; a change is a new version.

    In force is the highest version of a currency whose ``active_from`` has come; a launched job
    keeps the version it was launched with.
    """

    version = models.AutoField(primary_key=True)
    currency = models.CharField(max_length=3)
    #: ``{"text": "1.00", ...}``
    specialties = models.JSONField()
    #: ``[[0, "1.00"], [1, "1.10"], ...]``
    tiers = models.JSONField()
    floor_per_hour_micros = models.BigIntegerField()
    fee_rate = models.DecimalField(max_digits=5, decimal_places=4)
    topup_cap = models.DecimalField(max_digits=5, decimal_places=4)
    note = models.TextField(blank=True, default="")
    active_from = models.DateTimeField()
    created_at = models.DateTimeField()
    #: None is the site itself.
    created_by = models.ForeignKey(
        "core.User", on_delete=models.PROTECT, related_name="+", null=True, db_index=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(floor_per_hour_micros__gt=0), name="ratecard_floor"),
            models.CheckConstraint(
                condition=Q(fee_rate__gte=0, fee_rate__lte=1), name="ratecard_fee"
            ),
            models.CheckConstraint(
                condition=Q(topup_cap__gte=0, topup_cap__lte=1), name="ratecard_topup_cap"
            ),
        ]
        indexes = [models.Index(fields=["currency", "-version"], name="ratecard_current")]

    def __str__(self) -> str:
        return f"{self.currency} card {self.version}"

    def card(self) -> pricing.Card:
        """The version as the pricing code takes it."""
        return pricing.Card(
            version=self.version,
            currency=self.currency,
            specialties={name: Decimal(factor) for name, factor in self.specialties.items()},
            tiers=tuple((level, Decimal(factor)) for level, factor in self.tiers),
            floor_per_hour_micros=self.floor_per_hour_micros,
            fee_rate=self.fee_rate,
            topup_cap=self.topup_cap,
        )
