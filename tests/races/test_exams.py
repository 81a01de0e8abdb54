"""Attempts at exams from several windows at once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import workers as people
from tests.races.test_claims import no_failures, together
from tests.workers.services.test_exams import exam
from workers.models import Attempt, ExamAnswer, Grant, SkillRecord
from workers.services import exams

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def test_one_attempt_begins_however_often_it_is_asked_for() -> None:
    what = exam(4, asked=2)
    who = people.person()
    began = together(8, lambda _: exams.start(qualification_id=what.pk, worker_id=who.id))
    no_failures(began)
    assert len({attempt.pk for attempt, _ in began}) == 1
    assert [is_new for _, is_new in began].count(True) == 1
    assert (Attempt.objects.count(), ExamAnswer.objects.count()) == (1, 2)


def test_answers_from_everywhere_are_graded_once_and_grant_once() -> None:
    what = exam(2)
    who = people.person()
    attempt, _ = exams.start(qualification_id=what.pk, worker_id=who.id)

    def say(number: int, said: Any) -> Any:
        return exams.answer(attempt_id=attempt.pk, worker_id=who.id, number=number, answer=said)

    for number in (1, 2):
        given = together(8, lambda _, number=number: say(number, people.YES))
        no_failures(given)
        assert len(set(map(repr, given))) == 1
    assert Grant.objects.count() == 1
    assert SkillRecord.objects.get(worker_id=who.id).gold_answers == 2


def test_of_two_different_answers_one_is_kept() -> None:
    what = exam(1)
    who = people.person()
    attempt, _ = exams.start(qualification_id=what.pk, worker_id=who.id)
    said = [people.YES, people.NO]
    given = together(
        6,
        lambda number: exams.answer(
            attempt_id=attempt.pk, worker_id=who.id, number=1, answer=said[number % 2]
        ),
    )
    kept = ExamAnswer.objects.get().answer
    for number, one in enumerate(given):
        assert isinstance(one, exams.AlreadyAnswered) != (said[number % 2] == kept)
    assert Grant.objects.count() == (kept == people.YES)


def test_several_people_sit_the_same_exam_at_once() -> None:
    what = exam(3)
    crowd = [people.person() for _ in range(8)]

    def sit(number: int) -> str:
        who = crowd[number]
        attempt, _ = exams.start(qualification_id=what.pk, worker_id=who.id)
        for question in (1, 2, 3):
            exams.answer(
                attempt_id=attempt.pk, worker_id=who.id, number=question, answer=people.YES
            )
        attempt.refresh_from_db()
        return str(attempt.state)

    assert together(8, sit) == ["passed"] * 8
    assert Grant.objects.count() == 8
