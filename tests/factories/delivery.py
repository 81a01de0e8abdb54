"""Rows for trials of exports and webhooks: a requester, a job, tasks with their results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from core import clock
from core.ids import new_id
from core.models import Organization, User
from marketplace.models import (
    Annotation,
    Interface,
    Job,
    Resolution,
    Task,
    WebhookEndpoint,
)
from marketplace.services import webhooks

SPEC = {"options": [{"value": one, "label": one} for one in "ab"], "multiple": False}


def person(email: str | None = None) -> User:
    return User.objects.create(email=email or f"{new_id()}@example.org", name="A. Person")


def organization(name: str = "Acme") -> Organization:
    return Organization.objects.create(name=name, created_at=clock.now())


def endpoint(
    organization_id: UUID,
    url: str = "https://example.org/hook",
    events: Sequence[str] | None = None,
) -> WebhookEndpoint:
    return webhooks.create(organization_id=organization_id, url=url, events=events, by=person().id)


def job(organization_id: UUID | None = None, **facts: Any) -> Job:
    now = clock.now()
    interface = Interface.objects.create(kind="choices", spec=SPEC, version=1, created_at=now)
    return Job.objects.create(
        **{
            "organization_id": organization_id or organization().id,
            "created_by": person(),
            "name": "Which letter?",
            "interface": interface,
            "state": Job.State.LIVE,
            "state_changed_at": now,
            "base_rate_micros": 10_000,
            "seconds_per_unit": 10,
            "currency": "USD",
            "created_at": now,
            "launched_at": now,
            **facts,
        }
    )


def results(
    job: Job, count: int, *, data: dict[str, Any] | None = None, votes: int = 2
) -> list[Resolution]:
    """Resolved tasks of a job, each with answers of so many workers."""
    now = clock.now()
    tasks = Task.objects.bulk_create(
        Task(
            job=job,
            external_id=f"x-{new_id()}",
            data=data if data is not None else {"text": f"number {n}"},
            state=Task.State.RESOLVED,
            wanted=votes,
            taken=votes,
            max_overlap=5,
            opened_at=now,
            created_at=now,
            state_changed_at=now,
        )
        for n in range(count)
    )
    workers = [new_id() for _ in range(votes)]
    answers = Annotation.objects.bulk_create(
        Annotation(
            task=task,
            interface_id=job.interface_id,
            assignment_ref=new_id(),
            author_ref=worker,
            answer={"choice": "a"},
            is_counted=True,
            created_at=now,
        )
        for task in tasks
        for worker in workers
    )
    by_task: dict[UUID, list[dict[str, Any]]] = {}
    for answer in answers:
        vote = {"annotation": str(answer.id), "weight": 1.5}
        by_task.setdefault(answer.task_id, []).append(vote)
    return Resolution.objects.bulk_create(
        Resolution(
            task=task,
            interface_id=job.interface_id,
            value={"choice": "a"},
            confidence=0.97,
            rule="consensus",
            votes=by_task.get(task.id, []),
            answers=votes,
            created_at=now,
        )
        for task in tasks
    )
