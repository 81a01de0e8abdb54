"""Due process after a rejection: the worker may contest it, and silence is for the worker.

While a rejection can be contested, or is, its pay waits on the job's ``contested`` line. Locks are
taken in the order assignment, contest, task, escrow.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from core import clock, errors, states
from marketplace.models import Job
from marketplace.services import rounds
from payments.services import earnings, escrow
from workers.models import Assignment, Contest, Worker

from . import reviews, settlement

#: Rows handled in one run, each in a transaction of its own.
BATCH = 200
STATEMENT_CAP = 4000


class NotRejected(errors.Conflict):
    """Only a rejection is contested; ``state`` is where the answer stands."""

    code = "not_rejected"


class WindowOver(errors.Conflict):
    """The time to contest is over."""

    code = "contest_window_over"


class AlreadyContested(errors.Conflict):
    """The rejection was contested before, with other words."""

    code = "already_contested"


class ContestOver(errors.Conflict):
    """The contest was decided already, by somebody or by silence; ``state`` says how."""

    code = "contest_over"


def of_worker(worker_id: UUID) -> QuerySet[Contest]:
    """A worker's own contests."""
    return Contest.objects.filter(assignment__worker_id=worker_id).select_related("assignment__job")


def open_for(organization_id: UUID | None) -> QuerySet[Contest]:
    """Contests that a requester still has to answer. None, no requester, has none."""
    jobs = Job.objects.of(organization_id)
    return Contest.objects.filter(
        state=Contest.State.OPEN, assignment__job__in=jobs
    ).select_related("assignment__job")


def contest(*, assignment_id: UUID, worker_id: UUID, statement: str) -> Contest:
    """Contest a rejection of one's own answer. The same words again change nothing.

    Raises NotFound, NotRejected, WindowOver or AlreadyContested.
    """
    with transaction.atomic():
        row = (
            Assignment.objects.select_for_update(no_key=True)
            .filter(pk=assignment_id, worker_id=worker_id)
            .first()
        )
        if row is None:
            raise errors.NotFound("There is no such assignment.")
        found = Contest.objects.filter(assignment=row).first()
        if found is not None:
            if found.statement != statement:
                raise AlreadyContested("You contested this rejection already.", state=found.state)
            return found
        if row.state != Assignment.State.REJECTED:
            raise NotRejected(f"This answer is {row.state}.", state=row.state)
        now = clock.now()
        if row.settled_at is not None or row.contest_until is None or row.contest_until <= now:
            raise WindowOver("The time to contest this rejection is over.")
        return Contest.objects.create(
            assignment=row,
            statement=statement,
            opened_at=now,
            answer_by=now + timedelta(days=settings.CONTEST_ANSWER_DAYS),
        )


def uphold(
    *, contest_id: UUID, organization_id: UUID | None, by: UUID, answer: str = ""
) -> Contest:
    """The requester agrees: the answer is accepted, counts again and is paid. Twice is as once.

    Raises NotFound, OwnWork, or ContestOver when it was decided otherwise.
    """
    return _decide(contest_id, organization_id, by, Contest.State.UPHELD, answer)


def deny(*, contest_id: UUID, organization_id: UUID | None, by: UUID, answer: str) -> Contest:
    """The requester insists, and says why; the reserved pay is free again. Twice is as once.

    Raises NotFound, OwnWork, or ContestOver when it was decided otherwise.
    """
    return _decide(contest_id, organization_id, by, Contest.State.DENIED, answer)


def _decide(
    contest_id: UUID, organization_id: UUID | None, by: UUID, state: Contest.State, answer: str
) -> Contest:
    with transaction.atomic():
        jobs = Job.objects.of(organization_id)
        assignment_id = (
            Contest.objects.filter(pk=contest_id, assignment__job__in=jobs)
            .values_list("assignment_id", flat=True)
            .first()
        )
        if assignment_id is None:
            raise errors.NotFound("There is no such contest.")
        row = Assignment.objects.select_for_update(no_key=True).get(pk=assignment_id)
        found = Contest.objects.select_for_update().get(pk=contest_id)
        if found.state == state:
            return found
        # Whoever comes after the time is answered by what silence means.
        if found.state == Contest.State.OPEN and found.answer_by <= clock.now():
            found.state = Contest.State.LAPSED
        if found.state != Contest.State.OPEN:
            raise ContestOver(f"This contest was {found.state}.", state=found.state)
        reviews.require_not_own(row, by)
        _end(found, row, state, by=by, answer=answer)
        return found


def _end(
    found: Contest, row: Assignment, state: Contest.State, *, by: UUID | None, answer: str = ""
) -> None:
    """End an open contest, both rows locked."""
    states.move(found, state, ended_at=clock.now(), ended_by=by, answer=answer)
    if state == Contest.State.DENIED:
        _release(row)
    else:
        _pay(row)


def _pay(row: Assignment) -> None:
    """A rejection that does not stand: the answer counts again and is paid what was reserved."""
    now = clock.now()
    reviews.count_again(row, now=now)
    job = Job.objects.get(pk=row.job_id)
    worker = Worker.objects.get(pk=row.worker_id)
    paid = settlement.accepted_work(row, job, worker, line=reviews.CONTESTED)
    earnings.credit([paid], now=now)
    states.move(row, Assignment.State.ACCEPTED, settled_at=now)
    settlement.count_accepted([row])


def _release(row: Assignment) -> None:
    """A rejection that stands: its reserve is free again, and that was all."""
    escrow.unreserve(job_id=row.job_id, line=reviews.CONTESTED, amount_micros=row.reserve_micros)
    row.settled_at = clock.now()
    row.save(update_fields=["settled_at"])


def sweep(*, limit: int = BATCH) -> int:
    """Sweep: uphold what the requester left unanswered, free what nobody contested in time.

    Returns how many rows were handled, each in a transaction of its own; one that somebody else has
    locked waits for the next run, and one that breaks keeps no other waiting.
    """
    return rounds.play(
        [
            *((job_id, _turn(pk, _lapse)) for pk, job_id in _unanswered(limit)),
            *((job_id, _turn(pk, _let_stand)) for pk, job_id in _uncontested(limit)),
        ]
    )


def _turn(pk: UUID, act: Callable[[Assignment], bool]) -> Callable[[UUID], int]:
    def turn(_job_id: UUID) -> int:
        with transaction.atomic():
            row = (
                Assignment.objects.select_for_update(no_key=True, skip_locked=True)
                .filter(pk=pk, state=Assignment.State.REJECTED, settled_at=None)
                .first()
            )
            return int(row is not None and act(row))

    turn.__name__ = f"{act.__name__} {pk}"  # the log of a turn that breaks says which row it was
    return turn


def _unanswered(limit: int) -> list[tuple[UUID, UUID]]:
    """Assignments whose contest nobody answered in time, with their jobs."""
    due = Contest.objects.filter(state=Contest.State.OPEN, answer_by__lte=clock.now())
    rows = due.order_by("answer_by").values_list("assignment_id", "assignment__job_id")
    return list(rows[:limit])


def _uncontested(limit: int) -> list[tuple[UUID, UUID]]:
    """Rejected assignments that nobody contested in time, with their jobs."""
    due = Assignment.objects.filter(
        ~Exists(Contest.objects.filter(assignment_id=OuterRef("pk"))),
        state=Assignment.State.REJECTED,
        settled_at=None,
        contest_until__lte=clock.now(),
    )
    return list(due.order_by("contest_until").values_list("pk", "job_id")[:limit])


def _lapse(row: Assignment) -> bool:
    found = Contest.objects.select_for_update().get(assignment=row)
    if found.state != Contest.State.OPEN or found.answer_by > clock.now():
        return False
    _end(found, row, Contest.State.LAPSED, by=None)
    return True


def _let_stand(row: Assignment) -> bool:
    if Contest.objects.filter(assignment=row).exists():
        return False
    _release(row)
    return True


def oldest_due() -> float | None:
    """Age in seconds of the oldest contest that silence should have decided, or None."""
    now = clock.now()
    first = (
        Contest.objects.filter(state=Contest.State.OPEN, answer_by__lte=now)
        .order_by("answer_by")
        .values_list("answer_by", flat=True)
        .first()
    )
    return None if first is None else (now - first).total_seconds()
