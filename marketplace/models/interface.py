"""What a worker is asked and how an answer looks."""

from django.db import models
from django.db.models import Q

from core.ids import new_id


class Interface(models.Model):
    """One version of a label interface: a kind and its spec. Rows never change.

    A changed interface is a new row with the next version; claims and answers point at the row
    that they were made with. A trigger refuses updates and deletes.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.TextField()
    spec = models.JSONField()
    version = models.IntegerField(default=1)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(version__gte=1), name="interface_version"),
            models.CheckConstraint(condition=~Q(kind=""), name="interface_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} v{self.version}"
