from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from core import clock, errors
from core.models import Membership
from marketplace.models import GoldAnswer, Qualification
from marketplace.services import jobs
from marketplace.services import qualifications as definitions
from tests.factories import marketplace as make
from tests.factories import workers as people
from workers.models import Attempt, ExamAnswer, Grant, SkillRecord
from workers.services import exams, qualifications, standing, submissions, suspensions

pytestmark = pytest.mark.django_db


def exam(
    questions: int = 3,
    *,
    asked: int | None = None,
    whose: make.Requester | None = None,
    **terms: Any,
) -> Qualification:
    """A qualification whose exam asks yes-questions; every right answer is yes."""
    whose = whose or make.requester()
    job = make.draft(whose, purpose="exam")
    make.add_gold(job, [people.YES] * questions)
    GoldAnswer.objects.filter(task__job=job).update(explanation="It says so.")
    jobs.launch(job=job, budget_micros=0, by=whose.user_id)
    return definitions.create(
        organization_id=whose.organization_id,
        name="Yes-sayer",
        exam_job_id=job.pk,
        questions=asked or questions,
        by=whose.user_id,
        **terms,
    )


def sit(who: people.Person, what: Qualification, answers: list[Any]) -> Attempt:
    attempt, _ = exams.start(qualification_id=what.pk, worker_id=who.id)
    for number, said in enumerate(answers, start=1):
        exams.answer(attempt_id=attempt.pk, worker_id=who.id, number=number, answer=said)
    attempt.refresh_from_db()
    return attempt


def holding(who: people.Person, what: Qualification) -> qualifications.Holding:
    rows = list(qualifications.listed(worker_id=who.id).filter(pk=what.pk))
    (found,) = qualifications.holdings(standing.read(who.id), rows)
    return found


def test_a_passed_exam_grants_and_opens_the_job() -> None:
    what = exam(valid_days=30)
    who = people.person()
    assert holding(who, what).state == "can_take"
    attempt = sit(who, what, [people.YES] * 3)
    assert (attempt.state, attempt.score) == ("passed", 1.0)
    found = holding(who, what)
    assert found.state == "have"
    assert found.grant is not None
    assert found.grant.expires_at == found.grant.granted_at + timedelta(days=30)
    job = make.live(1, required_qualifications=[])
    type(job).objects.filter(pk=job.pk).update(required_qualifications=[what.pk])
    people.claimed(job, who)
    with pytest.raises(qualifications.AlreadyHeld):
        exams.start(qualification_id=what.pk, worker_id=who.id)


def test_every_answer_is_graded_at_once_with_the_right_one_and_why() -> None:
    what = exam()
    who = people.person()
    attempt, _ = exams.start(qualification_id=what.pk, worker_id=who.id)
    first = exams.answer(attempt_id=attempt.pk, worker_id=who.id, number=1, answer=people.NO)
    assert first == exams.Feedback(1, 0.0, people.YES, "It says so.")
    seen = exams.progress(attempt_id=attempt.pk, worker_id=who.id)
    assert [one.number for one in seen.answered] == [1]
    assert seen.question is not None
    assert seen.question.number == 2
    # The exam is evidence of skill.
    record = SkillRecord.objects.get(worker_id=who.id, specialty="text")
    assert (record.gold_answers, record.hits) == (1, 0)


def test_who_fails_may_try_again_after_the_days_and_gets_other_questions_first() -> None:
    what = exam(6, asked=3, retry_days=2)
    who = people.person()
    attempt = sit(who, what, [people.YES, people.NO, people.NO])
    assert attempt.state == "failed"
    assert attempt.score == pytest.approx(1 / 3)
    found = holding(who, what)
    assert (found.state, found.reason) == ("locked", "retry_later")
    assert attempt.ended_at is not None
    assert found.available_at == attempt.ended_at + timedelta(days=2)
    with pytest.raises(qualifications.Locked) as told:
        exams.start(qualification_id=what.pk, worker_id=who.id)
    assert told.value.extra["reason"] == "retry_later"
    people.later(days=2, seconds=1)
    again = sit(who, what, [people.YES] * 3)
    assert again.state == "passed"
    asked = ExamAnswer.objects.filter(attempt__worker_id=who.id).values_list("task_id", flat=True)
    assert len(set(asked)) == 6


def test_a_question_answered_before_is_no_evidence_again() -> None:
    what = exam(2, retry_days=0)
    who = people.person()
    sit(who, what, [people.NO, people.NO])
    assert sit(who, what, [people.YES, people.YES]).state == "passed"
    assert SkillRecord.objects.get(worker_id=who.id).gold_answers == 2


def test_the_same_answer_again_is_the_same_and_another_is_refused() -> None:
    what = exam(2)
    who = people.person()
    attempt, _ = exams.start(qualification_id=what.pk, worker_id=who.id)

    def say(number: int, said: Any) -> exams.Feedback:
        return exams.answer(attempt_id=attempt.pk, worker_id=who.id, number=number, answer=said)

    assert say(1, people.YES) == say(1, people.YES)
    with pytest.raises(exams.AlreadyAnswered):
        say(1, people.NO)
    with pytest.raises(submissions.AnswerInvalid):
        say(2, {"choice": "perhaps"})
    say(2, people.YES)
    assert say(2, people.YES).grade == 1.0
    assert Grant.objects.count() == 1
    assert SkillRecord.objects.get(worker_id=who.id).gold_answers == 2


def test_questions_come_in_their_order_and_to_their_worker_only() -> None:
    what = exam(3)
    who = people.person()
    attempt, _ = exams.start(qualification_id=what.pk, worker_id=who.id)
    with pytest.raises(exams.NotNext) as told:
        exams.answer(attempt_id=attempt.pk, worker_id=who.id, number=2, answer=people.YES)
    assert told.value.extra == {"next": 1}
    with pytest.raises(errors.NotFound):
        exams.answer(attempt_id=attempt.pk, worker_id=who.id, number=9, answer=people.YES)
    with pytest.raises(errors.NotFound):
        exams.answer(
            attempt_id=attempt.pk, worker_id=people.person().id, number=1, answer=people.YES
        )


def test_an_open_attempt_is_gone_on_with() -> None:
    what = exam()
    who = people.person()
    first, began = exams.start(qualification_id=what.pk, worker_id=who.id)
    again, anew = exams.start(qualification_id=what.pk, worker_id=who.id)
    assert (first.pk, began, anew) == (again.pk, True, False)
    found = holding(who, what)
    assert found.attempt is not None
    assert found.attempt.pk == first.pk
    with pytest.raises(IntegrityError), transaction.atomic():
        Attempt.objects.create(
            worker_id=who.id, qualification=what, started_at=clock.now(), questions=1
        )


def test_giving_up_counts_as_failed_for_the_date() -> None:
    what = exam()
    who = people.person()
    attempt, _ = exams.start(qualification_id=what.pk, worker_id=who.id)
    for _ in range(2):
        assert exams.abandon(attempt_id=attempt.pk, worker_id=who.id).state == "abandoned"
    assert holding(who, what).reason == "retry_later"
    with pytest.raises(exams.AttemptOver):
        exams.answer(attempt_id=attempt.pk, worker_id=who.id, number=1, answer=people.YES)


def test_an_answered_question_stays_in_the_database_as_it_was() -> None:
    what = exam(1)
    who = people.person()
    sit(who, what, [people.NO])
    with pytest.raises(IntegrityError), transaction.atomic():
        ExamAnswer.objects.update(grade=1.0)
    with pytest.raises(IntegrityError), transaction.atomic():
        ExamAnswer.objects.all().delete()


def test_an_expired_grant_can_be_earned_anew() -> None:
    what = exam(1, valid_days=10)
    who = people.person()
    sit(who, what, [people.YES])
    people.later(days=11)
    assert holding(who, what).state == "can_take"
    assert sit(who, what, [people.YES]).state == "passed"
    old, new = Grant.objects.order_by("granted_at")
    assert (old.revoked_reason, new.revoked_at) == ("renewed", None)


def test_why_an_exam_is_locked() -> None:
    whose = make.requester()
    what = exam(whose=whose)
    job = what.exam_job
    assert job is not None

    member = people.person()
    Membership.objects.create(
        user_id=member.id,
        organization_id=whose.organization_id,
        role="viewer",
        created_at=clock.now(),
    )
    assert holding(member, what).reason == "own"

    who = people.person()
    jobs.pause(job=job, by=whose.user_id)
    assert holding(who, what).reason == "exam_closed"
    with pytest.raises(qualifications.Locked):
        exams.start(qualification_id=what.pk, worker_id=who.id)
    jobs.resume(job=job, by=whose.user_id)

    by_hand = Qualification.objects.create(name="Trusted", created_at=clock.now())
    assert holding(who, by_hand).reason == "no_exam"
    given = qualifications.grant(
        qualification=by_hand, worker_id=who.id, score=None, by=whose.user_id
    )
    assert holding(who, by_hand).state == "have"
    with pytest.raises(errors.Invalid):
        qualifications.revoke(grant_id=given.pk, reason=" ", by=whose.user_id)
    for _ in range(2):
        qualifications.revoke(grant_id=given.pk, reason="given by mistake", by=whose.user_id)
    assert holding(who, by_hand).reason == "revoked"
    assert "given by mistake" in holding(who, by_hand).detail

    suspensions.suspend(worker_id=who.id, reason="fraud", by=whose.user_id)
    assert holding(who, what).reason == "suspended"


def test_what_is_switched_off_is_gone_unless_it_is_held() -> None:
    what = exam(1)
    holder, other = people.person(), people.person()
    sit(holder, what, [people.YES])
    Qualification.objects.update(is_active=False)
    assert holding(holder, what).state == "have"
    assert not qualifications.listed(worker_id=other.id).exists()
    with pytest.raises(errors.NotFound):
        exams.start(qualification_id=what.pk, worker_id=other.id)
