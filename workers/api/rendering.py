"""How rows of the labour plane look over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.utils.crypto import salted_hmac

from core.http.serializers import money
from marketplace.models import Task
from marketplace.services import media
from workers.models import Assignment
from workers.services import quotes
from workers.services.submissions import interface_of

_PAID = (Assignment.State.ACCEPTED, Assignment.State.REVERSED)


def task_name(task_id: UUID) -> str:
    """What workers see in place of a task's id, the same whenever they see it.

    Ids tell when their rows were made, and so which tasks came with the known answers.
    """
    mac = salted_hmac("workers.task_name", task_id.bytes, algorithm="sha256")
    return str(UUID(bytes=mac.digest()[:16], version=5))


def interface(pk: UUID) -> dict[str, Any]:
    """What is asked and how an answer looks; out of this process's memory after the first time."""
    kind, version, spec = interface_of(pk)
    return {"id": str(pk), "kind": kind, "version": version, "spec": spec}


def media_of(named: dict[str, Any]) -> dict[str, Any]:
    """A task's media with links that show them."""
    return media.with_links(named, prefix=f"{settings.PUBLIC_URL}/api/v1/media")


def media_text(text: str) -> Any:
    """The same, of the column as text: most tasks have none, and theirs is passed on unread."""
    return orjson.Fragment(text) if text == "{}" else media_of(orjson.loads(text))


def task(row: Task, interface_id: UUID) -> dict[str, Any]:
    """A task as the person who labels it sees it: nothing tells what it is for."""
    return {
        "id": task_name(row.pk),
        "data": row.data,
        "media": media_of(row.media),
        "interface": interface(interface_id),
    }


def quote(row: dict[str, Any], of_job: dict[str, Any] | None = None) -> dict[str, Any]:
    """The frozen quote of an assignment; numbers that are not whole are strings.

    ``of_job``: the job's terms where they are at hand.
    """
    currency = row["currency"]
    return {
        "currency": currency,
        "guaranteed": money(row["guaranteed_micros"], currency),
        "bonus_up_to": money(row["bonus_max_micros"], currency),
        "units": row["units"],
        "unit_price_micros": row["unit_price"],
        "tier": row["tier"],
        "tier_lower_bound": row["tier_lower_bound"],
        "specialty_factor": row["specialty_factor"],
        "floor_per_hour": money(row["floor_per_hour_micros"], currency),
        "seconds_per_unit": row["seconds_per_unit"],
        "card_version": row["card_version"],
        "explanation": quotes.explanation(row, of_job or quotes.terms_of(row["job_id"])),
    }


def quote_of(row: Assignment) -> dict[str, Any]:
    """The same, of a row of the ORM."""
    bound = row.tier_lower_bound
    return quote(
        {
            "currency": row.currency,
            "guaranteed_micros": row.guaranteed_micros,
            "bonus_max_micros": row.bonus_max_micros,
            "units": str(row.units),
            "unit_price": str(row.unit_price),
            "tier": str(row.tier),
            "tier_lower_bound": None if bound is None else str(bound),
            "specialty_factor": str(row.specialty_factor),
            "floor_per_hour_micros": row.floor_per_hour_micros,
            "seconds_per_unit": str(row.seconds_per_unit),
            "card_version": row.card_version,
        },
        quotes.terms(row.job),
    )


def assignment(row: Assignment) -> dict[str, Any]:
    """An assignment as its worker sees it. Whether it was a check, and its grade, is never shown:
    a check that is known as one checks nothing.
    """
    can_undo = row.state == Assignment.State.SUBMITTED and row.judged_at is None
    return {
        "id": str(row.pk),
        "job": {"id": str(row.job_id), "name": row.job.name},
        "task": task_name(row.task_id),
        "state": row.state,
        "is_late": row.is_late,
        "quote": quote_of(row),
        "claimed_at": row.claimed_at,
        "expires_at": row.expires_at,
        "extensions": row.extensions,
        "submitted_at": row.submitted_at,
        "undo_until": row.judge_after if can_undo else None,
        "accepted_at": row.settled_at if row.state in _PAID else None,
        "rejection": {
            "reason": row.reject_reason,
            "evidence": row.reject_evidence,
            "contest_until": row.contest_until,
        }
        if row.reject_reason
        else None,
        "draft_version": row.draft_version,
    }


def assignment_in_full(row: Assignment, answer: Any) -> dict[str, Any]:
    """The same with the task again, the draft and the answer given."""
    return {
        **assignment(row),
        "task": task(row.task, row.job.interface_id),
        "instructions": row.job.instructions,
        "draft": row.draft,
        "answer": answer,
    }
