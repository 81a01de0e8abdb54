"""What a worker does with an offer: look at it, accept it, decline it."""

# ruff: noqa: S608 - put together from constants

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from core import clock, errors, states
from core.nudge import nudge
from workers import statements
from workers.models import Assignment, Availability, Offer

from . import assignments, hot, matching, passing, places
from .claims import Nothing

_TRIES = 4
#: Seconds between two questions of a worker for whom there may be something any moment, and of one
#: who is not available at all.
SOON, LATE = 2, 60


class OfferOver(errors.Conflict):
    """The offer lapsed, was declined, or was taken back; ``state`` says which."""

    code = "offer_over"


class ClaimOpen(errors.Conflict):
    """The worker holds another task of this job: one at a time."""

    code = "claim_open"


# What it would pay is only known where the worker has a place in the job with a rate that holds.
_CURRENT = f"""
SELECT o.id, o.job_id, o.task_id, o.offered_at, o.expires_at, core_now() AS server_time,
    j.name, j.instructions, j.specialty, j.time_limit_seconds, j.currency, j.unit, i.kind,
    i.version, p.units::text AS units, j.seconds_per_unit::text AS seconds_per_unit,
    ok.tier::text AS tier, ok.is_priced, q.guaranteed AS guaranteed_micros,
    {statements.BONUS} AS bonus_max_micros
FROM workers_offer o
JOIN marketplace_job j ON j.id = o.job_id
JOIN marketplace_interface i ON i.id = j.interface_id
JOIN marketplace_task p ON p.id = o.task_id
LEFT JOIN LATERAL (
    SELECT wj.unit_price, wj.floor_per_hour_micros, wj.tier, j.seconds_per_unit, j.bonus_pct,
        NOT wj.is_stale AND wj.card_version = j.card_version AS is_priced
    FROM workers_workerjob wj WHERE wj.job_id = o.job_id AND wj.worker_id = o.worker_id
) ok ON true
LEFT JOIN LATERAL (SELECT {statements.GUARANTEED} AS guaranteed) q ON true
WHERE o.worker_id = %(worker)s AND o.state = 'offered' AND o.expires_at > core_now()
"""

_LIKELY = f"""
SELECT v.until > core_now(), extract(epoch FROM core_now() - v.idle_since)::float8,
    EXISTS (
        SELECT 1 FROM marketplace_job j
        WHERE j.state = 'live' AND j.purpose = 'work' AND (%(play)s OR NOT j.sandbox)
          AND (v.specialties = '{{}}' OR j.specialty = ANY(v.specialties))
          AND {matching.HAS_OPEN}
    )
FROM workers_availability v WHERE v.worker_id = %(worker)s
"""


def current(*, worker_id: UUID) -> dict[str, Any] | Nothing:
    """The worker's open offer with its task and what it would pay them, or when to ask again.

    One statement, three without an offer. Nobody waits in here.
    """
    for _ in range(2):
        row = _current(worker_id)
        if row is None:
            break
        if row["is_priced"]:
            return row
        try:
            places.join(job_id=row["job_id"], worker_id=worker_id)
        except (places.JobNotLive, places.NotQualified):
            break  # the next sweep takes the offer back
    return _ask_again(worker_id)


def _current(worker_id: UUID) -> dict[str, Any] | None:
    with connection.cursor() as cursor:
        cursor.execute(_CURRENT, {"worker": worker_id})
        names = [column.name for column in cursor.description]
        found = cursor.fetchone()
    return None if found is None else dict(zip(names, found, strict=True))


def _ask_again(worker_id: UUID) -> Nothing:
    """Soon while work is likely, later the longer there was none; well before an offer lapses."""
    with connection.cursor() as cursor:
        cursor.execute(_LIKELY, {"worker": worker_id, "play": settings.OFFER_PLAY_MONEY})
        found = cursor.fetchone()
    if found is None or not found[0]:
        return Nothing(retry_after=LATE, remaining=False)
    _, idle_seconds, is_likely = found
    longest = max(1, settings.OFFER_SECONDS // 3)
    wait = SOON if is_likely else max(SOON, int(idle_seconds / 10))
    return Nothing(retry_after=min(wait, longest), remaining=is_likely)


def accept(*, offer_id: UUID, worker_id: UUID) -> dict[str, Any]:
    """Turn an offer into a claim: its row as ``hot.claim`` gives it, with the quote frozen now and
    the time limit running from now. Accepting twice gives the same claim.

    Raises NotFound, OfferOver, ClaimOpen, or what a claim raises (JobNotLive, NotQualified).
    """
    with transaction.atomic():
        row = _own(offer_id, worker_id)
        if row.state == Offer.State.ACCEPTED:
            return _again(row)
        _require_open(row)
        claim = _assign(row)
        if claim is not None:
            states.move(
                row,
                Offer.State.ACCEPTED,
                ended_at=clock.now(),
                assignment_id=claim["id"],
            )
            _answered(worker_id)
            return claim
        _end(row, Offer.State.WITHDRAWN)
    raise OfferOver("This task can no longer be given to you.", state=Offer.State.WITHDRAWN)


def decline(*, offer_id: UUID, worker_id: UUID) -> Offer:
    """Leave a task to the next worker, at once and without penalty. Twice is as once.

    Raises NotFound or OfferOver.
    """
    with transaction.atomic():
        row = _own(offer_id, worker_id)
        if row.state == Offer.State.DECLINED:
            return row
        if row.state != Offer.State.OFFERED:
            raise _over(row)
        _end(row, Offer.State.DECLINED)
        _answered(worker_id)
    nudge("workers.dispatch")
    return row


def withdraw_from(*, worker_id: UUID) -> None:
    """Take a worker's open offer back, if there is one. The caller owns the transaction."""
    row = (
        Offer.objects.select_for_update()
        .filter(worker_id=worker_id, state=Offer.State.OFFERED)
        .first()
    )
    if row is not None:
        _end(row, Offer.State.WITHDRAWN)


def _own(offer_id: UUID, worker_id: UUID) -> Offer:
    row = Offer.objects.select_for_update().filter(pk=offer_id, worker_id=worker_id).first()
    if row is None:
        raise errors.NotFound("There is no such offer.")
    return row


def _require_open(row: Offer) -> None:
    if row.state != Offer.State.OFFERED or row.expires_at <= clock.now():
        raise _over(row)


def _over(row: Offer) -> OfferOver:
    state = Offer.State.LAPSED if row.state == Offer.State.OFFERED else row.state
    return OfferOver(f"This offer is {state}.", state=state)


def _again(row: Offer) -> dict[str, Any]:
    assert row.assignment_id is not None, "a constraint says so"
    claim = hot.claimed(assignment_id=row.assignment_id, worker_id=row.worker_id)
    if claim is None:
        raise OfferOver("You accepted this offer, and the claim is over.", state=row.state)
    return claim


def _assign(row: Offer) -> dict[str, Any] | None:
    """The new claim; None when this worker can never have the task any more.

    Raises ClaimOpen, JobNotLive or NotQualified: the offer stays as it is then.
    """
    for _ in range(_TRIES):
        if Assignment.objects.filter(task_id=row.task_id, worker_id=row.worker_id).exists():
            return None  # claimed by this worker meanwhile, without the offer
        try:
            with transaction.atomic():
                found = hot.assign(job_id=row.job_id, worker_id=row.worker_id, task_id=row.task_id)
        except IntegrityError:
            continue  # a claim of the same worker committed while this one waited
        if found is not None and found["id"] is not None:
            return found
        match None if found is None else found["verdict"]:
            case "go" | "resting":
                return None  # gold, and no credit left for it
            case "held":
                raise ClaimOpen("Submit or return your open task of this job first.")
            case "overdue":
                assignments.expire_own(job_id=row.job_id, worker_id=row.worker_id)
            case _:  # no place yet, a rate out of date, or something against it: say what
                places.join(job_id=row.job_id, worker_id=row.worker_id)
    raise ClaimOpen("Another claim of yours in this job is running. Accept again.")


def _end(row: Offer, state: Offer.State) -> None:
    """End an open, locked offer without a claim: the worker is free, the slot passes on."""
    now = clock.now()
    states.move(row, state, ended_at=now)
    free: dict[str, Any] = {"is_busy": False}
    if state == Offer.State.DECLINED:
        free["idle_since"] = now  # they had their turn
    Availability.objects.filter(pk=row.worker_id).update(**free)
    passing.pass_on([passing.Ended(row.job_id, row.task_id)])


def _answered(worker_id: UUID) -> None:
    """Whoever answers is there."""
    Availability.objects.filter(pk=worker_id).update(lapsed_in_a_row=0)
