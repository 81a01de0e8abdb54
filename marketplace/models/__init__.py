"""The data plane's rows."""

from .annotation import Annotation, Resolution
from .export import Export
from .interface import Interface
from .job import Job, JobStats
from .media import Media
from .qualification import Qualification
from .task import GoldAnswer, Prediction, Task
from .webhook import WebhookDelivery, WebhookEndpoint

__all__ = [
    "Annotation",
    "Export",
    "GoldAnswer",
    "Interface",
    "Job",
    "JobStats",
    "Media",
    "Prediction",
    "Qualification",
    "Resolution",
    "Task",
    "WebhookDelivery",
    "WebhookEndpoint",
]
