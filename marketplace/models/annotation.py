"""What people said of a task, and what was concluded from it."""

from django.db import models
from django.db.models import Q

from core.ids import new_id

from .interface import Interface
from .task import Task


class Annotation(models.Model):
    """One answer. Who gave it and for what pay is the labour plane's: it is known here by reference.

    Answers are kept for ever; ``is_counted`` is set when an answer was judged and entered the vote,
    ``is_excluded`` when a rejection took it out again. A late one without a slot is never counted.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="+", db_index=False)
    interface = models.ForeignKey(
        Interface, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    assignment_ref = models.UUIDField(unique=True)
    author_ref = models.UUIDField()
    answer = models.JSONField()
    is_late = models.BooleanField(default=False)
    is_counted = models.BooleanField(default=False)
    is_excluded = models.BooleanField(default=False)
    round = models.SmallIntegerField(default=1)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(is_excluded=False) | Q(is_counted=True), name="annotation_excluded"
            ),
        ]
        indexes = [models.Index(fields=["task"], name="annotation_task")]

    def __str__(self) -> str:
        return f"answer {self.id} to {self.task_id}"


class Resolution(models.Model):
    """What was concluded for a task: the value, how sure, by which rule, from which votes.

    At most one is current; older ones stay as history. ``votes`` names answers, never people.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="+", db_index=False)
    interface = models.ForeignKey(
        Interface, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    round = models.SmallIntegerField(default=1)
    value = models.JSONField(null=True)
    confidence = models.FloatField(null=True, blank=True)
    rule = models.TextField()
    votes = models.JSONField(default=list)
    answers = models.SmallIntegerField(default=0)
    is_escalated = models.BooleanField(default=False)
    is_current = models.BooleanField(default=True)
    decided_by = models.ForeignKey(
        "core.User",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["task"], condition=Q(is_current=True), name="resolution_one_current"
            ),
            models.CheckConstraint(
                condition=Q(confidence=None) | Q(confidence__gte=0, confidence__lte=1),
                name="resolution_confidence",
            ),
        ]
        indexes = [models.Index(fields=["task", "id"], name="resolution_history")]

    def __str__(self) -> str:
        return f"{self.rule} for {self.task_id}"
