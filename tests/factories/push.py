"""Workers who want to be offered work, and what became of it, for trials."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from core import clock
from marketplace.models import Job, Task
from tests.factories import workers as make
from workers.models import Availability, Offer, SkillRecord, Worker
from workers.services import availability, dispatch


def available(
    *, specialties: Sequence[str] = (), hours: float = 1, waited: float = 0, **profile: Any
) -> make.Person:
    """A worker who has been waiting for an offer for so many seconds."""
    who = make.person(**profile)
    wait(who, specialties=specialties, hours=hours)
    if waited:
        since = clock.now() - timedelta(seconds=waited)
        Availability.objects.filter(pk=who.id).update(idle_since=since)
    return who


def wait(who: make.Person, *, specialties: Sequence[str] = (), hours: float = 1) -> Availability:
    """Wait for offers from now on."""
    until = clock.now() + timedelta(hours=hours)
    return availability.declare(worker_id=who.id, specialties=specialties, until=until)


def skilled(who: make.Person, q_low: float, *, specialty: str = "text") -> None:
    """Let the checks say so much of a worker."""
    SkillRecord.objects.update_or_create(
        worker_id=who.id,
        specialty=specialty,
        defaults={"q_low": q_low, "updated_at": clock.now()},
    )


def proven(who: make.Person, answers: int = 100) -> None:
    """A worker with so many accepted answers."""
    Worker.objects.filter(pk=who.id).update(accepted_count=answers)


def dispatched() -> list[Offer]:
    """Run the sweep until nothing is left to do; the offers that are open then, in order."""
    while dispatch.sweep():
        pass
    return opened()


def opened() -> list[Offer]:
    return list(Offer.objects.filter(state=Offer.State.OFFERED).order_by("id"))


def offered_to(who: make.Person) -> Offer | None:
    """The worker's open offer."""
    return Offer.objects.filter(worker_id=who.id, state=Offer.State.OFFERED).first()


def free_slots(job: Job) -> int:
    return sum(Task.objects.filter(job=job).values_list("remaining", flat=True))


def taken_slots(job: Job) -> int:
    return sum(Task.objects.filter(job=job).values_list("taken", flat=True))
