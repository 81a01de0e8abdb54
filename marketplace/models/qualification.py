"""What a job may ask of its workers."""

from django.db import models
from django.db.models import Q

from core.ids import new_id

from .job import Job


class Qualification(models.Model):
    """A named ability, usually earned by an exam. Who holds it is the labour plane's.

    ``pass_mark`` is a share in [0, 1] of the exam's mean grade. Without an exam job it can only be
    granted by hand. One without an organization belongs to the market and any job may ask for it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organization = models.ForeignKey(
        "core.Organization", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    name = models.TextField()
    description = models.TextField(blank=True, default="")
    specialty = models.TextField(default="text")
    exam_job = models.ForeignKey(
        Job, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    pass_mark = models.FloatField(default=0.8)
    questions = models.IntegerField(default=5)
    retry_days = models.IntegerField(default=1)
    valid_days = models.IntegerField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(pass_mark__gte=0, pass_mark__lte=1), name="qualification_pass_mark"
            ),
            models.CheckConstraint(
                condition=Q(questions__gte=1, retry_days__gte=0)
                & (Q(valid_days=None) | Q(valid_days__gte=1)),
                name="qualification_numbers",
            ),
            models.CheckConstraint(condition=~Q(name=""), name="qualification_name"),
            models.UniqueConstraint(
                fields=["organization", "name"],
                nulls_distinct=False,
                name="qualification_name_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name
