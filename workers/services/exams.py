"""Exams: one attempt at a time, each answer graded at once, a grant or a date to try again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

from core import clock, errors, states
from marketplace.labeling import registry
from marketplace.models import GoldAnswer, Qualification
from workers.models import Attempt, ExamAnswer, Grant

from . import qualifications, reputation, submissions


class AttemptOver(errors.Conflict):
    """The attempt has ended."""

    code = "attempt_over"


class NotNext(errors.Conflict):
    """Questions are answered in their order; ``next`` is the one that is asked now."""

    code = "not_next"


class AlreadyAnswered(errors.Conflict):
    """The question was answered otherwise already; an answer stays."""

    code = "already_answered"


@dataclass(frozen=True)
class Feedback:
    """What a graded answer shows: the grade in [0, 1], the right answer and why it is right."""

    number: int
    grade: float
    right_answer: Any
    explanation: str


@dataclass(frozen=True)
class Progress:
    """An attempt as its worker sees it. ``question`` is the one asked now, None at the end."""

    attempt: Attempt
    answered: Sequence[Feedback]
    question: ExamAnswer | None
    grant: Grant | None
    retry_at: datetime | None


# Questions that this worker never answered come first: the right answers of the others were shown.
_PICK = """
SELECT t.id FROM marketplace_task t
LEFT JOIN LATERAL (
    SELECT count(*) AS n FROM workers_examanswer e JOIN workers_attempt a ON a.id = e.attempt_id
    WHERE e.task_id = t.id AND a.worker_id = %(worker)s AND e.answered_at IS NOT NULL
) seen ON true
WHERE t.job_id = %(job)s AND t.role = 'exam' AND t.state = 'open'
ORDER BY seen.n, random() LIMIT %(count)s
"""


def start(*, qualification_id: UUID, worker_id: UUID) -> tuple[Attempt, bool]:
    """Begin an attempt, or go on with the one that is open; whether it began now.

    A worker's starts run one after the other. Raises NotFound, NotAWorker, AlreadyHeld or Locked.
    """
    with transaction.atomic():
        qualifications.lock_worker(worker_id)
        row = (
            Qualification.objects.select_related("exam_job")
            .filter(pk=qualification_id, is_active=True)
            .first()
        )
        if row is None:
            raise errors.NotFound("There is no such qualification.")
        attempt = Attempt.objects.filter(
            worker_id=worker_id, qualification=row, state=Attempt.State.OPEN
        ).first()
        if attempt is not None:
            return attempt, False
        qualifications.require_can_take(row, worker_id)
        with connection.cursor() as cursor:
            cursor.execute(
                _PICK, {"worker": worker_id, "job": row.exam_job_id, "count": row.questions}
            )
            tasks = [pk for (pk,) in cursor.fetchall()]
        if not tasks:
            raise qualifications.Locked("The exam has no questions now.", reason="exam_closed")
        attempt = Attempt.objects.create(
            worker_id=worker_id,
            qualification=row,
            started_at=clock.now(),
            questions=len(tasks),
        )
        ExamAnswer.objects.bulk_create(
            ExamAnswer(attempt=attempt, task_id=pk, number=number)
            for number, pk in enumerate(tasks, start=1)
        )
        return attempt, True


def answer(*, attempt_id: UUID, worker_id: UUID, number: int, answer: Any) -> Feedback:
    """Grade one answer; the last one decides the attempt. The grade counts as evidence of skill the
    first time that this worker answers the question.

    The same answer again gives the same feedback. Raises NotFound, AnswerInvalid, AlreadyAnswered,
    NotNext or AttemptOver.
    """
    with transaction.atomic():
        attempt = _locked(attempt_id, worker_id)
        rows = list(ExamAnswer.objects.filter(attempt=attempt).order_by("number"))
        row = next((one for one in rows if one.number == number), None)
        if row is None:
            raise errors.NotFound("There is no such question in this attempt.")
        exam = attempt.qualification.exam_job
        assert exam is not None, "an attempt has an exam"
        text, _ = submissions.canonical(exam.interface_id, answer)
        said = orjson.loads(text)
        known = GoldAnswer.objects.get(pk=row.task_id)
        if row.answered_at is not None:
            if row.answer != said:
                raise AlreadyAnswered("Another answer was given to this question already.")
            return _feedback(row, known)
        _require_next(attempt, rows, number)
        kind, _, spec = submissions.interface_of(exam.interface_id)
        labels = registry.get(kind)
        now = clock.now()
        is_first = not ExamAnswer.objects.filter(
            task_id=row.task_id, attempt__worker_id=worker_id, answered_at__isnull=False
        ).exists()
        row.answer = said
        row.grade = labels.grade(spec, said, known.answer)
        row.answered_at = now
        row.save(update_fields=["answer", "grade", "answered_at"])
        if is_first:  # before the grant: places are locked before the worker, as everywhere
            fact = reputation.GradeFact(
                worker_id=worker_id,
                specialty=exam.specialty,
                grade=row.grade,
                kind=kind,
                n_classes=labels.n_classes(spec),
                floor=exam.quality.get("ban_floor"),
            )
            reputation.record_grades([fact], now=now)
        if all(one.answered_at is not None for one in rows):
            _finish(attempt, rows, now)
        return _feedback(row, known)


def _require_next(attempt: Attempt, rows: Sequence[ExamAnswer], number: int) -> None:
    if attempt.state != Attempt.State.OPEN:
        raise AttemptOver(f"This attempt is {attempt.state}.")
    asked = next(one.number for one in rows if one.answered_at is None)
    if number != asked:
        raise NotNext(f"Question {asked} is asked now.", next=asked)


def _finish(attempt: Attempt, rows: Sequence[ExamAnswer], now: datetime) -> None:
    score = sum(one.grade or 0.0 for one in rows) / len(rows)
    wanted = attempt.qualification
    passed = score >= wanted.pass_mark - 1e-9
    state = Attempt.State.PASSED if passed else Attempt.State.FAILED
    states.move(attempt, state, ended_at=now, score=score)
    if passed:
        qualifications.grant(
            qualification=wanted, worker_id=attempt.worker_id, score=score, by=None, now=now
        )


def abandon(*, attempt_id: UUID, worker_id: UUID) -> Attempt:
    """Give an attempt up; it counts as failed for the date of the next. Twice is as once.

    Raises NotFound or AttemptOver.
    """
    with transaction.atomic():
        attempt = _locked(attempt_id, worker_id)
        if attempt.state == Attempt.State.ABANDONED:
            return attempt
        if attempt.state != Attempt.State.OPEN:
            raise AttemptOver(f"This attempt is {attempt.state}.")
        states.move(attempt, Attempt.State.ABANDONED, ended_at=clock.now())
        return attempt


def progress(*, attempt_id: UUID, worker_id: UUID) -> Progress:
    """An attempt of this worker: feedback so far, the question asked now, how it ended.

    Raises NotFound.
    """
    attempt = (
        Attempt.objects.select_related("qualification__exam_job")
        .filter(pk=attempt_id, worker_id=worker_id)
        .first()
    )
    if attempt is None:
        raise errors.NotFound("There is no such attempt.")
    rows = list(
        ExamAnswer.objects.filter(attempt=attempt).select_related("task").order_by("number")
    )
    known = GoldAnswer.objects.in_bulk([one.task_id for one in rows if one.answered_at])
    is_open = attempt.state == Attempt.State.OPEN
    wanted = attempt.qualification
    return Progress(
        attempt=attempt,
        answered=[_feedback(one, known[one.task_id]) for one in rows if one.answered_at],
        question=next((one for one in rows if is_open and one.answered_at is None), None),
        grant=_earned(attempt),
        retry_at=qualifications.retry_at(wanted, attempt),
    )


def _earned(attempt: Attempt) -> Grant | None:
    if attempt.ended_at is None or attempt.state != Attempt.State.PASSED:
        return None
    return Grant.objects.filter(
        worker_id=attempt.worker_id,
        qualification_id=attempt.qualification_id,
        granted_at=attempt.ended_at,
    ).first()


def _locked(attempt_id: UUID, worker_id: UUID) -> Attempt:
    found = (
        Attempt.objects.select_for_update(of=("self",))
        .select_related("qualification__exam_job")
        .filter(pk=attempt_id, worker_id=worker_id)
        .first()
    )
    if found is None:
        raise errors.NotFound("There is no such attempt.")
    return found


def _feedback(row: ExamAnswer, known: GoldAnswer) -> Feedback:
    assert row.grade is not None, "an answered question has its grade"
    return Feedback(row.number, row.grade, known.answer, known.explanation)
