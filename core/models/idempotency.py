"""What a caller asked before, and what they were answered."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from .user import User


class IdempotencyKey(models.Model):
    """A request that changes something, under the name its caller gave it.

    The row and the request's effect commit together, so a row without an answer is seen only by
    requests to outside services, which commit their intent first.
    """

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    #: The organization acted for, or the nil id: keys of the two never meet.
    acting_for = models.UUIDField()
    key = models.CharField(max_length=255)
    method = models.CharField(max_length=8)
    path = models.TextField()
    request_hash = models.BinaryField(max_length=32)
    status = models.SmallIntegerField(null=True, blank=True)
    body = models.BinaryField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "acting_for", "key"], name="idempotencykey_once"
            ),
            models.CheckConstraint(
                condition=Q(status=None, completed_at=None)
                | Q(status__isnull=False, completed_at__isnull=False),
                name="idempotencykey_completed_facts",
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotencykey_age")]

    def __str__(self) -> str:
        return f"{self.method} {self.path} as {self.key}"
