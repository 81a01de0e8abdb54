"""All results of a job in one answer, as NDJSON."""

from __future__ import annotations

from django.http import StreamingHttpResponse

from marketplace.exports import results
from marketplace.models import Job

CONTENT_TYPE = "application/x-ndjson"


def respond(job: Job) -> StreamingHttpResponse:
    """Stream a job's results; nothing is held in memory but a page of them."""
    answer = StreamingHttpResponse(results.stream(job), content_type=CONTENT_TYPE)
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "private, no-store"
    return answer
