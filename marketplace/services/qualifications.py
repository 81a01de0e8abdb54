"""What a requester asks of workers: qualifications, and the exams that earn them.

Who holds one and who tries for it is the labour plane's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from core import clock, errors
from core.models import Organization
from marketplace.models import Job, Qualification, Task

NAME_CAP = 100
DESCRIPTION_CAP = 2000
SPECIALTY_CAP = 32
QUESTIONS_CAP = 100
DAYS_CAP = 3650
#: How many an organization may have, switched off or not.
CAP = 200
#: What stays as it was made: those who passed passed this, under this name.
FIXED = ("name", "specialty", "exam_job")


class NameTaken(errors.Conflict):
    """The organization has a qualification of that name; names are kept for ever."""

    code = "name_taken"


class TooManyQualifications(errors.Conflict):
    """The organization has as many qualifications as it may have."""

    code = "too_many_qualifications"


def create(
    *,
    organization_id: UUID,
    name: str,
    exam_job_id: UUID,
    description: str = "",
    specialty: str | None = None,
    pass_mark: float = 0.8,
    questions: int = 5,
    retry_days: int = 1,
    valid_days: int | None = None,
    by: UUID,
) -> Qualification:
    """Define a qualification that an exam of this organization earns.

    ``exam_job_id`` is a live job of purpose ``exam`` with at least ``questions`` questions;
    ``specialty`` is that job's when none is given. ``pass_mark`` is a share in [0, 1] of the mean
    grade; who fails may try again after ``retry_days``; without ``valid_days`` it never expires.

    Raises:
        Invalid: naming each field that cannot be as it is.
        NameTaken, TooManyQualifications.
    """
    with transaction.atomic():
        # The organization's row is the queue of those who add at the same time.
        Organization.objects.select_for_update(no_key=True).get(pk=organization_id)
        exam = _exam(organization_id, exam_job_id)
        row = Qualification(
            organization_id=organization_id,
            name=name.strip(),
            description=description,
            specialty=exam.specialty if specialty is None and exam else specialty or "",
            exam_job=exam,
            pass_mark=pass_mark,
            questions=questions,
            retry_days=retry_days,
            valid_days=valid_days,
            created_at=clock.now(),
        )
        _check(row)
        if Qualification.objects.filter(organization_id=organization_id).count() >= CAP:
            raise TooManyQualifications(f"An organization has at most {CAP} qualifications.")
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as problem:
            raise NameTaken("You have a qualification of that name already.") from problem
        return row


def change(*, qualification: Qualification, fields: Mapping[str, Any], by: UUID) -> Qualification:
    """Change what is given: ``description``, ``pass_mark``, ``questions``, ``retry_days``,
    ``valid_days`` or ``is_active``.

    It counts for attempts begun and grants made from now on. One that is not active can neither be
    tried for nor asked for by a job that is drafted; who holds it keeps it, and jobs that ask for it
    go on asking. Raises Invalid.
    """
    fixed = {name: ["Fixed since it was made."] for name in fields if name in FIXED}
    if fixed:
        raise errors.Invalid("The qualification cannot be changed like that.", errors=fixed)
    with transaction.atomic():
        row = (
            Qualification.objects.select_for_update(no_key=True, of=("self",))
            .select_related("exam_job")
            .get(pk=qualification.pk)
        )
        for name, value in fields.items():
            setattr(row, name, value)
        _check(row)
        row.save(update_fields=list(fields))
        return row


def usable(*, organization_id: UUID, ids: Iterable[UUID]) -> set[UUID]:
    """Which of these a job of the organization may ask for: its own and the market's, active."""
    found = Qualification.objects.filter(pk__in=list(ids), is_active=True)
    own = found.filter(organization=None) | found.filter(organization_id=organization_id)
    return set(own.values_list("pk", flat=True))


def _exam(organization_id: UUID, job_id: UUID) -> Job | None:
    return Job.objects.of(organization_id).filter(pk=job_id, purpose=Job.Purpose.EXAM).first()


def _check(row: Qualification) -> None:
    problems: dict[str, list[str]] = {}
    if not 0 < len(row.name) <= NAME_CAP or not row.name.isprintable():
        problems["name"] = [f"One line of 1 to {NAME_CAP} characters."]
    if len(row.description) > DESCRIPTION_CAP:
        problems["description"] = [f"At most {DESCRIPTION_CAP} characters."]
    if not 0 <= row.pass_mark <= 1:
        problems["pass_mark"] = ["A share from 0 to 1."]
    if not 1 <= row.questions <= QUESTIONS_CAP:
        problems["questions"] = [f"From 1 to {QUESTIONS_CAP}."]
    if not 0 <= row.retry_days <= DAYS_CAP:
        problems["retry_days"] = [f"From 0 to {DAYS_CAP}."]
    if row.valid_days is not None and not 1 <= row.valid_days <= DAYS_CAP:
        problems["valid_days"] = [f"From 1 to {DAYS_CAP}, or null."]
    if row.exam_job is None:
        problems["exam_job"] = ["There is no such exam."]
    else:
        _check_exam(row, row.exam_job, problems)
    if problems:
        raise errors.Invalid("The qualification cannot be like that.", errors=problems)


def _check_exam(row: Qualification, exam: Job, problems: dict[str, list[str]]) -> None:
    if not 0 < len(row.specialty) <= SPECIALTY_CAP:
        problems["specialty"] = [f"Text of 1 to {SPECIALTY_CAP} characters."]
    if not row.is_active:
        return
    if exam.state != Job.State.LIVE:
        problems["exam_job"] = [f"The exam is {exam.state}; launch it first."]
    asked = Task.objects.filter(job=exam, role=Task.Role.EXAM).count()
    if row.questions > asked:
        problems.setdefault("questions", [f"The exam has {asked} questions."])
