"""A worker says that they want to be offered work, of what and until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from core import clock, errors
from core.nudge import nudge
from workers.models import Availability, Worker

from . import offers, profiles, standing

LONGEST = timedelta(days=30)


class Suspended(errors.Forbidden):
    """A suspended worker is offered nothing."""

    code = "suspended"


def read(worker_id: UUID) -> Availability | None:
    """A worker's availability as it was last said; None when nothing was ever said.

    Raises NotAWorker.
    """
    row = Availability.objects.filter(pk=worker_id).first()
    if row is None and not Worker.objects.filter(pk=worker_id).exists():
        raise standing.NotAWorker("Become a worker first: POST /api/v1/worker.")
    return row


def declare(*, worker_id: UUID, specialties: Sequence[str], until: datetime) -> Availability:
    """Be available for these specialties (none: for all) until then. Saying so again renews it.

    A time that has passed ends it, as ``end`` does. Raises Invalid, NotAWorker, Suspended.
    """
    wanted = _checked(specialties)
    with transaction.atomic():
        worker = Worker.objects.select_for_update(no_key=True).filter(pk=worker_id).first()
        if worker is None:
            raise standing.NotAWorker("Become a worker first: POST /api/v1/worker.")
        now = clock.now()
        if until <= now:
            return _ended(worker_id, now, specialties=wanted)
        if until > now + LONGEST:
            raise errors.Invalid("That is too far ahead.", errors={"until": ["At most 30 days."]})
        if worker.is_suspended:
            raise Suspended("Your account is suspended. Earned money stays payable.")
        row = Availability.objects.select_for_update().filter(pk=worker_id).first()
        if row is None:
            row = Availability(worker_id=worker_id, since=now, idle_since=now)
        elif row.until <= now:
            row.since = now
            row.idle_since = now
            row.lapsed_in_a_row = 0
        row.specialties = wanted
        row.until = until
        row.ended_reason = ""
        row.save()
    nudge("workers.dispatch")
    return row


def _checked(specialties: Sequence[str]) -> list[str]:
    try:
        wanted: list[str] = profiles.checked({"specialties": specialties})["specialties"]
    except errors.Invalid as problem:
        raise errors.Invalid("There is no such work.", errors=problem.errors) from problem
    return wanted


def end(*, worker_id: UUID) -> Availability | None:
    """Be no longer available; an offer that is open passes on. Twice is as once.

    None when the worker never was. Raises NotAWorker.
    """
    with transaction.atomic():
        if not Worker.objects.select_for_update(no_key=True).filter(pk=worker_id).exists():
            raise standing.NotAWorker("Become a worker first: POST /api/v1/worker.")
        if not Availability.objects.filter(pk=worker_id).exists():
            return None
        return _ended(worker_id, clock.now())


def stop(*, worker_id: UUID, reason: Availability.Ended) -> None:
    """End a worker's availability for a reason of ours. The caller owns the transaction."""
    # The open offer first, as whoever accepts, declines or passes it on: never a ring of locks.
    offers.withdraw_from(worker_id=worker_id)
    now = clock.now()
    Availability.objects.filter(pk=worker_id, until__gt=now).update(until=now, ended_reason=reason)


def _ended(
    worker_id: UUID, now: datetime, *, specialties: Sequence[str] | None = None
) -> Availability:
    # The open offer first: its lock comes before the availability's.
    offers.withdraw_from(worker_id=worker_id)
    row = Availability.objects.select_for_update().filter(pk=worker_id).first()
    if row is None:
        row = Availability(worker_id=worker_id, since=now, idle_since=now, until=now)
    if specialties is not None:
        row.specialties = list(specialties)
    if row.until > now or row.ended_reason == "":
        row.until = min(row.until, now)
        row.ended_reason = Availability.Ended.ASKED
    row.save()
    return row


def is_on(row: Availability, now: datetime) -> bool:
    """Whether offers may come."""
    return row.until > now
