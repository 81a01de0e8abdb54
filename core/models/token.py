"""Keys to the API."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.ids import new_id

from .organization import Organization
from .user import User


class ApiToken(models.Model):
    """A bearer token, kept as a hash. With an organization it acts for that requester, by the role
    that its person has there at the time of each request.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    organization = models.ForeignKey(
        Organization, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    name = models.CharField(max_length=100)
    digest = models.BinaryField(max_length=32, unique=True)
    #: The last characters, for a person to tell tokens apart.
    hint = models.CharField(max_length=8)
    scopes = ArrayField(models.CharField(max_length=32), default=list)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=models.F("created_at")), name="apitoken_expires"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} (…{self.hint})"
