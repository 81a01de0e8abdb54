"""The labour plane's rows."""

from .assignment import Assignment
from .contest import Contest
from .offer import Availability, Offer, OfferPlace
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
    "OfferPlace",
    "SkillRecord",
    "Worker",
    "WorkerJob",
]
