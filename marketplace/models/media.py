"""A file that tasks refer to."""

from django.db import models
from django.db.models import Q

from core.ids import new_id


class Media(models.Model):
    """An uploaded file as the server measured it. The stored name is the server's own."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        "core.Organization", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_by = models.ForeignKey(
        "core.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    stored_name = models.TextField(unique=True)
    content_type = models.TextField()
    bytes = models.BigIntegerField()
    sha256 = models.BinaryField(max_length=32)
    seconds = models.DecimalField(max_digits=12, decimal_places=3, null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(bytes__gt=0) & (Q(seconds=None) | Q(seconds__gt=0)), name="media_size"
            ),
        ]
        indexes = [models.Index(fields=["organization", "-id"], name="media_of")]

    def __str__(self) -> str:
        return f"{self.content_type} {self.id}"
