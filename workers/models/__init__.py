"""The labour plane's rows."""

from .assignment import Assignment
from .contest import Contest
from .offer import Availability, Offer
from .qualification import Attempt, ExamAnswer, Grant
from .worker import SkillRecord, Worker, WorkerJob

__all__ = [
    "Assignment",
    "Attempt",
    "Availability",
    "Contest",
    "ExamAnswer",
    "Grant",
    "Offer",
    "SkillRecord",
    "Worker",
    "WorkerJob",
]
