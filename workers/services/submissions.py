"""Submitting an answer: on time, again, late, and taking it back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from django.db import IntegrityError, transaction

from core import clock, errors, nudge, states
from marketplace.labeling import registry
from marketplace.labeling.base import AnswerError
from marketplace.models import Annotation, Interface, Task
from marketplace.services import slots
from workers.models import Assignment

from . import hot

_TRIES = 3


class AnswerInvalid(errors.Invalid):
    """The answer does not fit the job's interface; ``errors`` names the fields."""

    code = "answer_invalid"


class AlreadySubmitted(errors.Conflict):
    """Another answer was already submitted for this assignment."""

    code = "already_submitted"


class NotSubmittable(errors.Conflict):
    """The assignment was returned or is otherwise over."""

    code = "not_claimed"


class UndoTooLate(errors.Conflict):
    """The answer was judged already, or there is none to take back."""

    code = "undo_too_late"


@dataclass(frozen=True)
class Submitted:
    """What became of a submit: the assignment's state, and whether it was late."""

    assignment_id: UUID
    job_id: UUID
    state: str
    is_late: bool


# Interfaces are immutable rows, so a process may keep what it has read.
@lru_cache(maxsize=1000)
def interface_of(pk: UUID) -> tuple[str, int, dict[str, Any]]:
    """Kind, version and spec of an interface; one statement the first time, none after it."""
    row = Interface.objects.only("kind", "version", "spec").get(pk=pk)
    return row.kind, row.version, row.spec


def canonical(interface_id: UUID, answer: Any) -> tuple[str, bytes]:
    """The answer as canonical JSON text, and its SHA-256. Raises AnswerInvalid."""
    kind, _, spec = interface_of(interface_id)
    try:
        valid = registry.get(kind).validate(spec, answer)
    except AnswerError as error:
        found = {f"answer.{name}" if name else "answer": why for name, why in error.errors.items()}
        raise AnswerInvalid("The answer does not fit the task.", found) from error
    data = orjson.dumps(valid, option=orjson.OPT_SORT_KEYS)
    return data.decode(), hashlib.sha256(data).digest()


def submit(*, loaded: dict[str, Any], worker_id: UUID, answer: Any) -> Submitted:
    """Record an answer. ``loaded`` is the assignment as ``hot.load_for_submit`` read it.

    The same answer again gives the same result again; another answer raises AlreadySubmitted. Work
    that comes after the claim expired is recorded and named late; it counts when a slot is free.
    Raises NotFound, AnswerInvalid, AlreadySubmitted or NotSubmittable.
    """
    pk = loaded["id"]
    if pk is None:
        raise errors.NotFound("There is no such assignment.")
    text, digest = canonical(loaded["interface_id"], answer)
    if loaded["state"] == Assignment.State.CLAIMED:
        done = hot.submit(
            assignment_id=pk,
            worker_id=worker_id,
            interface_id=loaded["interface_id"],
            answer=text,
            answer_hash=digest,
            undo_seconds=loaded["undo_seconds"],
        )
        if done is not None:
            return _recorded(loaded, done)
    return _submit_slowly(loaded, text, digest)


def _recorded(loaded: dict[str, Any], done: dict[str, Any]) -> Submitted:
    if not loaded["undo_seconds"]:
        nudge.nudge("workers.judge")
    return Submitted(
        loaded["id"], loaded["job_id"], Assignment.State.SUBMITTED, bool(done["is_late"])
    )


def _submit_slowly(loaded: dict[str, Any], text: str, digest: bytes) -> Submitted:
    """A repeat, a late answer, or a change of state between the two statements."""
    pk = loaded["id"]
    with transaction.atomic():
        row = Assignment.objects.select_for_update().get(pk=pk)
        if row.answer_hash is not None:
            if bytes(row.answer_hash) != digest:
                raise AlreadySubmitted("Another answer was submitted for this task already.")
            return Submitted(pk, row.job_id, row.state, row.is_late)
        if row.state == Assignment.State.CLAIMED:
            # An undo came between; the claim is live under our lock now.
            done = hot.submit(
                assignment_id=pk,
                worker_id=row.worker_id,
                interface_id=loaded["interface_id"],
                answer=text,
                answer_hash=digest,
                undo_seconds=loaded["undo_seconds"],
            )
            assert done is not None
            return _recorded(loaded, done)
        if row.state != Assignment.State.EXPIRED:
            raise NotSubmittable(f"This assignment is {row.state}; claim the task again.")
        return _submit_late(row, loaded["interface_id"], text, digest)


def _submit_late(row: Assignment, interface_id: UUID, text: str, digest: bytes) -> Submitted:
    now = clock.now()
    facts = {"answer_hash": digest, "is_late": True, "submitted_at": now}
    counts = row.role == Assignment.Role.WORK and slots.take_late(row.task_id)
    Annotation.objects.create(
        task_id=row.task_id,
        interface_id=interface_id,
        assignment_ref=row.pk,
        author_ref=row.worker_id,
        answer=orjson.loads(text),
        is_late=True,
        round=Task.objects.values_list("round", flat=True).get(pk=row.task_id),
        created_at=now,
    )
    if counts:
        states.move(row, Assignment.State.SUBMITTED, judge_after=now, **facts)
    else:
        # Kept and shown to the requester as late; it does not count and is not paid.
        Assignment.objects.filter(pk=row.pk).update(**facts)
    return Submitted(row.pk, row.job_id, row.state, True)


def undo(*, assignment_id: UUID, worker_id: UUID) -> Assignment:
    """Take an answer back before it is judged: the same claim, lease and quote, the answer as draft.

    A claim made since then becomes the one claimed ahead. Raises NotFound or UndoTooLate.
    """
    for _ in range(_TRIES):
        try:
            with transaction.atomic():
                return _undo(assignment_id, worker_id)
        except IntegrityError:
            continue  # a claim of this worker took the place meanwhile; look again
    raise UndoTooLate("Finish or return one of your open tasks of this job first.")


def _undo(assignment_id: UUID, worker_id: UUID) -> Assignment:
    row = (
        Assignment.objects.select_for_update().filter(pk=assignment_id, worker_id=worker_id).first()
    )
    if row is None:
        raise errors.NotFound("There is no such assignment.")
    if row.state == Assignment.State.CLAIMED:
        return row
    if (
        row.state != Assignment.State.SUBMITTED
        or row.judged_at is not None
        or row.judge_after is None
        or row.judge_after <= clock.now()
    ):
        raise UndoTooLate("This answer can no longer be taken back.")
    live = Assignment.objects.filter(
        job_id=row.job_id, worker_id=worker_id, state=Assignment.State.CLAIMED
    ).values_list("lane", flat=True)
    lanes = set(live)
    if len(lanes) > 1:
        raise UndoTooLate("Finish or return one of your open tasks of this job first.")
    said = Annotation.objects.select_for_update().get(assignment_ref=row.pk)
    states.move(
        row,
        Assignment.State.CLAIMED,
        lane=1 if 0 in lanes else 0,
        draft=said.answer,
        draft_version=row.draft_version + 1,
        submitted_at=None,
        judge_after=None,
        answer_hash=None,
        is_late=False,
    )
    said.delete()
    return row
