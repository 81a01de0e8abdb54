"""How rows look over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from core import errors
from core.http.serializers import money
from marketplace.models import GoldAnswer, Job, Media, Resolution, Task
from marketplace.services import stats
from marketplace.services.estimates import Cost, JobQuote
from marketplace.services.predictions import PredictionResult
from marketplace.services.tasks import ImportResult
from payments.services.escrow import EscrowSummary


def own_job(organization_id: UUID, pk: UUID) -> Job:
    """The caller's job with its interface and figures. Raises NotFound."""
    found = (
        Job.objects.of(organization_id).select_related("interface", "stats").filter(pk=pk).first()
    )
    if found is None:
        raise errors.NotFound("There is no such job.")
    return found


def own_task(organization_id: UUID, pk: UUID) -> Task:
    """A task of one of the caller's jobs. Raises NotFound."""
    found = Task.objects.of(organization_id).filter(pk=pk).first()
    if found is None:
        raise errors.NotFound("There is no such task.")
    return found


def job(row: Job, summary: EscrowSummary | None) -> dict[str, Any]:
    """A job with its interface, figures and budget; None before it had one."""
    counted = stats.progress(row.stats)
    return {
        "id": str(row.pk),
        "name": row.name,
        "state": row.state,
        "state_reason": row.state_reason or None,
        "instructions": row.instructions,
        "interface": {
            "id": str(row.interface_id),
            "kind": row.interface.kind,
            "version": row.interface.version,
            "spec": row.interface.spec,
        },
        "purpose": row.purpose,
        "specialty": row.specialty,
        "unit": row.unit,
        "base_rate": money(row.base_rate_micros, row.currency),
        "seconds_per_unit": str(row.seconds_per_unit),
        "difficulty": str(row.difficulty),
        "bonus_pct": str(row.bonus_pct),
        "acceptance": row.acceptance,
        "review_days": row.review_days,
        "time_limit_seconds": row.time_limit_seconds,
        "undo_seconds": row.undo_seconds,
        "required_qualifications": [str(pk) for pk in row.required_qualifications],
        "languages": row.languages,
        "priority": row.priority,
        "sandbox": row.sandbox,
        "allow_ahead": row.allow_ahead,
        "auto_close": row.auto_close,
        "quality": row.quality,
        "budget_alert": row.budget_alert or None,
        "budget": None if summary is None else _budget(summary, row.currency),
        "progress": {
            "total": counted.total,
            "parked": counted.parked,
            "open": counted.open,
            "escalated": counted.escalated,
            "resolved": counted.resolved,
            "cancelled": counted.cancelled,
            "gold": counted.gold,
        },
        "created_at": row.created_at,
        "launched_at": row.launched_at,
        "closed_at": row.closed_at,
    }


def _budget(summary: EscrowSummary, currency: str) -> dict[str, Any]:
    return {
        "balance": money(summary.balance, currency),
        "free": money(summary.free, currency),
        "spent": money(summary.spent_micros, currency),
        "fees": money(summary.fees_micros, currency),
    }


def quote(found: JobQuote) -> dict[str, Any]:
    """A job's quote; fees stand apart from pay."""

    def cost(one: Cost) -> dict[str, Any]:
        return {
            "pay": money(one.pay_micros, found.currency),
            "fee": money(one.fee_micros, found.currency),
            "total": money(one.total_micros, found.currency),
        }

    return {
        "tasks": found.tasks,
        "units": f"{found.units:.3f}",
        "answers_expected": str(found.answers_expected),
        "answers_max": found.answers_max,
        "gold_share": str(found.gold_share),
        "per_answer": {"lowest": cost(found.lowest), "highest": cost(found.highest)},
        "expected": cost(found.expected),
        "maximum": cost(found.maximum),
        "gold_part": cost(found.gold_part),
        "hourly": money(found.hourly_micros, found.currency),
        "floor_per_hour": money(found.floor_per_hour_micros, found.currency),
        "seconds_per_task": str(found.seconds_per_task),
        "seconds_are_measured": found.is_measured,
        "worker_hours": f"{found.worker_seconds / 3600:.2f}",
        "budget_minimum": money(found.budget_minimum_micros, found.currency),
        "budget_suggested": money(found.budget_suggested_micros, found.currency),
        "card_version": found.card_version,
    }


def task(row: Task, resolution: Resolution | None) -> dict[str, Any]:
    """A task as its requester sees it, with what was concluded."""
    return {
        "id": str(row.pk),
        "external_id": row.external_id,
        "role": row.role,
        "state": row.state,
        "data": row.data,
        "media": row.media,
        "units": str(row.units),
        "wanted": row.wanted,
        "taken": row.taken,
        "round": row.round,
        "created_at": row.created_at,
        "resolution": None if resolution is None else resolved(resolution),
    }


def resolved(row: Resolution) -> dict[str, Any]:
    """What was concluded for a task; of an escalated one, the best answer so far."""
    return {
        "value": row.value,
        "confidence": row.confidence,
        "rule": row.rule,
        "answers": row.answers,
        "round": row.round,
        "escalated": row.is_escalated,
        "resolved_at": row.created_at,
    }


def imported(found: ImportResult) -> dict[str, Any]:
    """What became of an upload of tasks or known answers."""
    return {
        "created": found.created,
        "duplicates": found.duplicates,
        "rejected": found.rejected,
        "rejected_total": found.rejected_total,
    }


def predicted(found: PredictionResult) -> dict[str, Any]:
    """What became of an upload of predictions."""
    return {
        "created": found.created,
        "replaced": found.replaced,
        "rejected": found.rejected,
        "rejected_total": found.rejected_total,
    }


def gold(row: GoldAnswer) -> dict[str, Any]:
    """A task with its known answer."""
    return {
        "id": str(row.task_id),
        "external_id": row.task.external_id,
        "data": row.task.data,
        "media": row.task.media,
        "answer": row.answer,
        "explanation": row.explanation,
    }


def media(row: Media) -> dict[str, Any]:
    """A file as the server measured it."""
    return {
        "id": str(row.pk),
        "content_type": row.content_type,
        "bytes": row.bytes,
        "seconds": None if row.seconds is None else str(row.seconds),
        "created_at": row.created_at,
    }
