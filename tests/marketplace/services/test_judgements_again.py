"""Judging again: rejected answers, further rounds, what the requester decided."""

from __future__ import annotations

import pytest

from core import clock
from marketplace.models import Annotation, Job, Resolution
from marketplace.quality.consensus import AuthorFacts
from marketplace.services import decisions, judgements
from payments.services import escrow
from tests.factories import marketplace as make

from .test_judgements import GOOD, current, fresh, judge, live, say

pytestmark = pytest.mark.django_db


def exclude(answer: Annotation) -> list[judgements.TaskOutcome]:
    Annotation.objects.filter(pk=answer.pk).update(is_excluded=True)
    return judgements.resolve([answer.task_id], {}, now=clock.now())


def test_without_a_rejected_answer_another_is_asked_for() -> None:
    job = live(1)
    (task,) = make.work(job)
    answers = say(task, make.YES, make.YES)
    judge(answers)
    (found,) = exclude(answers[0])
    assert found.outcome == "more"
    task = fresh(task)
    assert (task.state, task.wanted, task.remaining) == ("open", 3, 1)
    assert not Resolution.objects.filter(task=task, is_current=True).exists()
    (found,) = judge(say(task, make.YES))
    assert (found.outcome, found.answers) == ("accept", 2)
    assert Resolution.objects.filter(task=task).count() == 2


def test_a_rejected_answer_can_be_replaced_when_the_overlap_is_used_up() -> None:
    job = live(1, quality={"kmin": 1, "kmax": 1})
    (task,) = make.work(job)
    answers = say(task, make.YES)
    (found,) = judge(answers)
    assert (found.outcome, current(task).rule) == ("accept", "single")
    (found,) = exclude(answers[0])
    assert found.outcome == "more"
    task = fresh(task)
    assert (task.wanted, task.max_overlap, task.remaining) == (2, 2, 1)
    (found,) = judge(say(task, make.NO))
    assert (found.outcome, found.value) == ("accept", make.NO)


def test_a_decision_that_stands_without_the_rejected_answer_is_written_again() -> None:
    job = live(1, quality={"kmin": 3})
    (task,) = make.work(job)
    answers = say(task, make.YES, make.YES, make.YES)
    facts = {(job.specialty, one.author_ref): GOOD for one in answers}
    judge(answers, facts)
    Annotation.objects.filter(pk=answers[0].pk).update(is_excluded=True)
    Job.objects.filter(pk=job.pk).update(state="paused")
    (found,) = judgements.resolve([task.pk], facts, now=clock.now())
    assert found.outcome == "more", "three are wanted"
    (found,) = judge(say(task, make.YES), facts)
    assert (found.outcome, found.answers) == ("accept", 3)


def test_what_the_requester_decided_stays() -> None:
    job = live(1, quality={"kmin": 2, "kmax": 2})
    (task,) = make.work(job)
    answers = say(task, make.YES, make.NO)
    judge(answers)
    decisions.adjudicate(task=fresh(task), answer=make.NO, by=job.created_by_id)
    (found,) = exclude(answers[1])
    assert found.outcome == "wait"
    assert (current(task).value, current(task).rule) == (make.NO, "adjudicated")


def test_another_round_is_judged_over_all_answers() -> None:
    job = live(1)
    (task,) = make.work(job)
    judge(say(task, make.YES, make.YES))
    decisions.reopen(task=fresh(task), answers=1, by=job.created_by_id)
    (found,) = judge(say(task, make.NO))
    assert found.outcome == "more", "two to one, and the overlap has room"
    (found,) = judge(say(task, make.YES))
    assert (found.outcome, found.answers) == ("accept", 4)
    assert current(task).round == 2


def test_a_round_ends_where_its_room_ends() -> None:
    job = live(1, quality={"kmin": 2, "kmax": 2})
    (task,) = make.work(job)
    judge(say(task, make.YES, make.YES))
    decisions.reopen(task=fresh(task), answers=2, by=job.created_by_id)
    (found,) = judge(say(task, make.NO, make.NO))
    assert (found.outcome, found.answers) == ("escalate", 4)
    assert fresh(task).max_overlap == 4


def test_an_escalated_task_is_concluded_again_without_a_rejected_answer() -> None:
    job = live(1, quality={"kmax": 3})
    (task,) = make.work(job)
    first = say(task, make.YES, make.NO)
    judge(first)
    last = say(task, make.YES)
    facts = {(job.specialty, one.author_ref): AuthorFacts(0.75, 9) for one in [*first, *last]}
    (found,) = judge(last, facts)
    assert found.outcome == "escalate"
    Annotation.objects.filter(pk=first[1].pk).update(is_excluded=True)
    (found,) = judgements.resolve([task.pk], facts, now=clock.now())
    assert (found.outcome, found.value, found.answers) == ("accept", make.YES, 2)
    assert fresh(task).state == "resolved"
    assert [one.is_escalated for one in Resolution.objects.filter(task=task).order_by("id")] == [
        True,
        False,
    ]


def test_a_parked_task_is_decided_when_more_is_known_of_its_people() -> None:
    job = live(1)
    (task,) = make.work(job)
    free = escrow.summary(job.pk).free
    assert escrow.reserve(job_id=job.pk, line="gold", amount_micros=free)
    answers = say(task, make.YES, make.NO)
    (found,) = judge(answers)
    assert found.outcome == "parked"
    facts = {
        (job.specialty, answers[0].author_ref): GOOD,
        (job.specialty, answers[1].author_ref): AuthorFacts(0.5, 40),
    }
    (found,) = judgements.resolve([task.pk], facts, now=clock.now())
    assert (found.outcome, found.value) == ("accept", make.YES)
    assert fresh(task).state == "resolved"
