"""Who holds a qualification, and the attempts at its exam. What a qualification *is* stands below,
in the data plane.
"""

from django.db import models
from django.db.models import Q

from core.ids import new_id

from .worker import Worker


class Grant(models.Model):
    """A worker holds a qualification until it expires or is revoked."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    worker = models.ForeignKey(Worker, on_delete=models.PROTECT, related_name="+")
    qualification = models.ForeignKey(
        "marketplace.Qualification", on_delete=models.PROTECT, related_name="+"
    )
    score = models.FloatField(null=True, blank=True)
    granted_at = models.DateTimeField()
    granted_by = models.UUIDField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["worker", "qualification"],
                condition=Q(revoked_at=None),
                name="grant_once",
            ),
            models.CheckConstraint(
                condition=Q(revoked_at=None) | ~Q(revoked_reason=""), name="grant_revoked_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.worker_id} holds {self.qualification_id}"


class Attempt(models.Model):
    """One try at an exam; each answer is graded at once."""

    class State(models.TextChoices):
        OPEN = "open"
        PASSED = "passed"
        FAILED = "failed"
        ABANDONED = "abandoned"

    TRANSITIONS = {
        "open": ("passed", "failed", "abandoned"),
        "passed": (),
        "failed": (),
        "abandoned": (),
    }

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    worker = models.ForeignKey(Worker, on_delete=models.PROTECT, related_name="+")
    qualification = models.ForeignKey(
        "marketplace.Qualification", on_delete=models.PROTECT, related_name="+"
    )
    state = models.CharField(max_length=12, choices=State, default=State.OPEN)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    questions = models.SmallIntegerField()
    score = models.FloatField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["worker", "qualification"],
                condition=Q(state="open"),
                name="attempt_one_open",
            ),
            models.CheckConstraint(
                condition=Q(state="open", ended_at=None)
                | (~Q(state="open") & Q(ended_at__isnull=False)),
                name="attempt_end_facts",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.worker_id} tries {self.qualification_id} ({self.state})"


class ExamAnswer(models.Model):
    """One question of an attempt. Exam tasks are asked again in a later attempt, so their answers
    are not assignments (one per worker and task) but rows of the attempt.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="+", db_index=False)
    task = models.ForeignKey("marketplace.Task", on_delete=models.PROTECT, related_name="+")
    number = models.SmallIntegerField()
    answer = models.JSONField(null=True, blank=True)
    grade = models.FloatField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["attempt", "task"], name="exam_task_once"),
            models.UniqueConstraint(fields=["attempt", "number"], name="exam_number_once"),
            models.CheckConstraint(
                condition=Q(answered_at=None, grade=None)
                | Q(answered_at__isnull=False, grade__isnull=False),
                name="exam_answer_facts",
            ),
        ]

    def __str__(self) -> str:
        return f"question {self.number} of {self.attempt_id}"
