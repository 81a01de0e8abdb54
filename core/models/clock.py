"""How far tests and demos moved the clock."""

from django.db import models
from django.db.models import Q


class ClockOffset(models.Model):
    """At most one row; none means that the clock is right."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    shift = models.DurationField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="clockoffset_one_row")]

    def __str__(self) -> str:
        return str(self.shift)
