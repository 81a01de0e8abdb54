"""The shape of a result: the one that pages, the stream and every export format give."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.crypto import salted_hmac

from core.http.serializers import money


@dataclass(frozen=True, slots=True)
class Result:
    """A current resolution with what a result row needs of its task and interface."""

    task_id: UUID
    external_id: str | None
    data: Any
    state: str
    value: Any
    confidence: float | None
    rule: str
    votes: list[dict[str, Any]]
    is_escalated: bool
    round: int
    interface_id: UUID
    interface_version: int
    interface_kind: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, its author, and what it cost in micro-units, pay and fee; None while unpaid."""

    author_ref: UUID
    answer: Any
    paid_micros: int | None


class Outgrown(Exception):
    """A row has fields that the layout of a file has no place for: the file must start over."""


@functools.lru_cache(maxsize=65536)
def pseudonym(*, job_id: UUID, worker_id: UUID) -> str:
    """Name a worker towards a requester: the same within a job, unlinkable between jobs.

    80 bits of an HMAC with a key derived from the secret key; whoever lacks the key can neither
    compute nor reverse it, and a changed key changes the names.
    """
    mac = salted_hmac("marketplace.pseudonym", f"{job_id}:{worker_id}", algorithm="sha256")
    return "w_" + base64.b32encode(mac.digest()[:10]).decode().lower()


def result_row(
    found: Result,
    *,
    job_id: UUID,
    currency: str,
    answers: Mapping[str, Answer],
) -> dict[str, Any]:
    """Render one result.

    `answers` are all that the task ever got, by id in text: the cost counts those that are in no
    vote too, if they were paid.
    """
    paid = [one.paid_micros for one in answers.values() if one.paid_micros is not None]
    return {
        "task": str(found.task_id),
        "external_id": found.external_id,
        "data": found.data,
        "value": found.value,
        "confidence": found.confidence,
        "rule": found.rule,
        "votes": [
            _vote(vote, job_id=job_id, answers=answers)
            for vote in found.votes
            if vote.get("annotation") in answers
        ],
        "escalated": found.is_escalated,
        "state": found.state,
        "round": found.round,
        "interface": {
            "id": str(found.interface_id),
            "version": found.interface_version,
            "kind": found.interface_kind,
        },
        "resolved_at": utc(found.created_at),
        "cost": money(sum(paid), currency) if paid else None,
    }


def utc(moment: datetime) -> str:
    """Write a moment in UTC as ISO 8601 with a Z."""
    return moment.isoformat().replace("+00:00", "Z")


def _vote(
    vote: Mapping[str, Any], *, job_id: UUID, answers: Mapping[str, Answer]
) -> dict[str, Any]:
    one = answers[vote["annotation"]]
    shown = {"worker": pseudonym(job_id=job_id, worker_id=one.author_ref), "answer": one.answer}
    return {**shown, "weight": vote["weight"]} if "weight" in vote else shown
