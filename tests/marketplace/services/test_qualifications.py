"""Qualifications that requesters define, and the exams that earn them."""

from typing import Any
from uuid import uuid4

import pytest

from core import errors
from marketplace.models import Job, Qualification
from marketplace.services import jobs, qualifications
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


def define(exam: Job, **fields: Any) -> Qualification:
    return qualifications.create(
        **{
            "organization_id": exam.organization_id,
            "name": "Careful reader",
            "exam_job_id": exam.pk,
            "by": exam.created_by_id,
            **fields,
        }
    )


def test_an_exam_earns_a_qualification() -> None:
    exam = make.exam(specialty="text")
    made = define(exam, description="Reads to the end.", pass_mark=0.75, questions=3, valid_days=90)
    assert (made.name, made.specialty, made.exam_job_id) == ("Careful reader", "text", exam.pk)
    assert (made.pass_mark, made.questions, made.retry_days, made.valid_days) == (0.75, 3, 1, 90)
    assert made.is_active is True


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "  "),
        ("name", "x" * 101),
        ("name", "a\nb"),
        ("description", "x" * 2001),
        ("specialty", "x" * 33),
        ("pass_mark", -0.1),
        ("pass_mark", 1.1),
        ("pass_mark", float("nan")),
        ("questions", 0),
        ("questions", 6),  # the exam has five
        ("questions", 101),
        ("retry_days", -1),
        ("retry_days", 3651),
        ("valid_days", 0),
        ("valid_days", 3651),
    ],
)
def test_what_it_cannot_be_is_named(field: str, value: Any) -> None:
    exam = make.exam()
    with pytest.raises(errors.Invalid) as caught:
        define(exam, **{field: value})
    assert list(caught.value.errors or {}) == [field]
    assert not Qualification.objects.exists()


def test_the_exam_is_a_launched_one_of_one_s_own() -> None:
    whose = make.requester()
    drafted = make.draft(whose, purpose="exam")
    work = make.live(1, whose=whose)
    theirs = make.exam()
    over = jobs.cancel(job=make.exam(whose), by=whose.user_id)
    for job_id in (drafted.pk, work.pk, theirs.pk, over.pk, uuid4()):
        with pytest.raises(errors.Invalid) as caught:
            qualifications.create(
                organization_id=whose.organization_id,
                name="Q",
                exam_job_id=job_id,
                by=whose.user_id,
            )
        assert "exam_job" in (caught.value.errors or {})


def test_a_name_is_used_once_in_an_organization() -> None:
    exam = make.exam()
    define(exam)
    with pytest.raises(qualifications.NameTaken):
        define(exam, name=" Careful reader ")
    assert define(make.exam()).name == "Careful reader"


def test_an_organization_has_so_many_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qualifications, "CAP", 1)
    exam = make.exam()
    define(exam)
    with pytest.raises(qualifications.TooManyQualifications):
        define(exam, name="Another")


def test_terms_change_for_what_comes_what_it_is_does_not() -> None:
    made = define(make.exam())
    changed = qualifications.change(
        qualification=made,
        fields={"pass_mark": 0.9, "questions": 2, "valid_days": 30, "description": "New."},
        by=uuid4(),
    )
    assert (changed.pass_mark, changed.questions, changed.valid_days) == (0.9, 2, 30)
    assert (
        qualifications.change(
            qualification=made, fields={"valid_days": None}, by=uuid4()
        ).valid_days
        is None
    )
    for fields in ({"name": "x"}, {"specialty": "x"}, {"exam_job": "x"}, {"questions": 99}):
        with pytest.raises(errors.Invalid):
            qualifications.change(qualification=made, fields=fields, by=uuid4())
    made.refresh_from_db()
    assert (made.name, made.questions) == ("Careful reader", 2)


def test_jobs_ask_for_their_own_requester_s_and_for_the_market_s() -> None:
    whose = make.requester()
    own = define(make.exam(whose))
    market = Qualification.objects.create(name="Adult", created_at=own.created_at)
    wanted = [str(own.pk), str(market.pk)]
    assert make.draft(whose, required_qualifications=wanted).required_qualifications == [
        own.pk,
        market.pk,
    ]
    theirs = define(make.exam())
    for pk in (theirs.pk, uuid4()):
        with pytest.raises(errors.Invalid) as caught:
            make.draft(whose, required_qualifications=[str(pk)])
        assert list(caught.value.errors or {}) == ["required_qualifications"]


def test_one_that_is_switched_off_is_asked_for_by_no_new_job() -> None:
    whose = make.requester()
    own = define(make.exam(whose))
    running = make.live(1, whose=whose, required_qualifications=[str(own.pk)])
    drafted = make.draft(whose, required_qualifications=[str(own.pk)])
    make.add_tasks(drafted, 1)
    qualifications.change(qualification=own, fields={"is_active": False}, by=whose.user_id)
    with pytest.raises(errors.Invalid):
        make.draft(whose, required_qualifications=[str(own.pk)])
    with pytest.raises(errors.Invalid):
        jobs.launch(job=drafted, budget_micros=make.ENOUGH, by=whose.user_id)
    assert Job.objects.get(pk=drafted.pk).state == "draft"
    assert Job.objects.get(pk=running.pk).required_qualifications == [own.pk]
    qualifications.change(qualification=own, fields={"is_active": True}, by=whose.user_id)
    assert jobs.launch(job=drafted, budget_micros=make.ENOUGH, by=whose.user_id).state == "live"


def test_one_whose_exam_is_over_can_be_switched_off_not_on() -> None:
    whose = make.requester()
    exam = make.exam(whose)
    own = define(exam)
    jobs.cancel(job=exam, by=whose.user_id)
    qualifications.change(qualification=own, fields={"is_active": False}, by=whose.user_id)
    with pytest.raises(errors.Invalid):
        qualifications.change(qualification=own, fields={"is_active": True}, by=whose.user_id)
