"""Judging: answers are counted, graded against known ones, and tasks decided from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.ids import new_id
from marketplace.models import Annotation, Job, Resolution, Task, WebhookDelivery
from marketplace.quality import calibration
from marketplace.quality.consensus import AuthorFacts
from marketplace.services import judgements, opening
from payments.services import escrow
from tests.factories import delivery
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db

GOOD = AuthorFacts(skill=0.97, checks=40)
SUSPENDED = AuthorFacts(skill=0.2, checks=40, is_suspended=True)


def live(count: int = 1, *, quality: dict[str, Any] | None = None, **fields: Any) -> Job:
    """A live job none of whose tasks is audited by chance."""
    return make.live(count, quality={"audit_share": 0, **(quality or {})}, **fields)


def tempered(p: float, temperature: float = calibration.USUAL) -> float:
    return calibration.tempered(p, temperature)


def fresh(task: Task) -> Task:
    return Task.objects.select_related("job").get(pk=task.pk)


def say(
    task: Task, *answers: dict[str, Any], authors: list[UUID] | None = None
) -> list[Annotation]:
    people = authors or [new_id() for _ in answers]
    return [
        make.answer(fresh(task), said, author=author)
        for said, author in zip(answers, people, strict=True)
    ]


def judge(
    answers: list[Annotation], facts: Mapping[tuple[str, UUID], AuthorFacts] | None = None
) -> list[judgements.TaskOutcome]:
    admitted = judgements.admit([one.pk for one in answers], now=clock.now())
    return judgements.resolve(admitted.tasks, facts or {}, now=clock.now())


def current(task: Task) -> Resolution:
    return Resolution.objects.get(task=task, is_current=True)


def test_two_who_agree_resolve_a_task() -> None:
    job = live(1)
    (task,) = make.work(job)
    endpoint = delivery.endpoint(job.organization_id)
    answers = say(task, make.YES, make.YES)
    (found,) = judge(answers)
    assert (found.outcome, found.value, found.answers) == ("accept", make.YES, 2)
    task.refresh_from_db()
    assert (task.state, task.wanted, task.remaining, task.is_open) == ("resolved", 2, 0, False)
    made = current(task)
    assert (made.value, made.rule, made.confidence, made.round) == (make.YES, "quorum", None, 1)
    assert [vote["annotation"] for vote in made.votes] == [str(one.pk) for one in answers]
    assert all(vote["weight"] > 0 for vote in made.votes)
    (notice,) = WebhookDelivery.objects.filter(endpoint=endpoint)
    assert notice.event_type == "task.resolved"
    assert notice.payload["data"]["value"] == make.YES


def test_a_task_waits_until_all_asked_for_have_answered() -> None:
    job = live(1)
    (task,) = make.work(job)
    (found,) = judge(say(task, make.YES))
    assert (found.outcome, found.answers) == ("wait", 1)
    assert fresh(task).state == "open"
    (found,) = judge(say(task, make.YES))
    assert found.outcome == "accept"


def test_an_answer_is_counted_once() -> None:
    job = live(1)
    (task,) = make.work(job)
    answers = say(task, make.YES, make.YES)
    judge(answers)
    again = judgements.admit([one.pk for one in answers], now=clock.now())
    assert again == judgements.Admitted()
    (found,) = judgements.resolve([task.pk], {}, now=clock.now())
    assert found.outcome == "wait"
    assert Resolution.objects.filter(task=task).count() == 1


def test_two_who_differ_ask_for_one_more_whose_pay_is_reserved() -> None:
    job = live(1)
    (task,) = make.work(job)
    before = escrow.summary(job.pk).lines["work"]
    (found,) = judge(say(task, make.YES, make.NO))
    assert found.outcome == "more"
    task = fresh(task)
    assert (task.state, task.wanted, task.taken, task.remaining) == ("open", 3, 2, 1)
    assert task.is_open
    assert escrow.summary(job.pk).lines["work"] == before + task.slot_reserve_micros
    (found,) = judge(say(task, make.NO))
    assert found.outcome == "more", "two to one is no lead of two"
    (found,) = judge(say(task, make.NO))
    assert (found.outcome, found.value, found.answers) == ("accept", make.NO, 4)


def test_undecided_at_the_end_of_the_overlap_is_escalated() -> None:
    job = live(1, quality={"kmax": 3})
    (task,) = make.work(job)
    endpoint = delivery.endpoint(job.organization_id)
    judge(say(task, make.YES, make.NO))
    (found,) = judge(say(task, make.YES))
    assert (found.outcome, found.value) == ("escalate", make.YES)
    assert fresh(task).state == "escalated"
    assert current(task).is_escalated
    (notice,) = WebhookDelivery.objects.filter(endpoint=endpoint)
    assert notice.event_type == "task.escalated"


def test_skills_decide_and_say_how_sure() -> None:
    job = live(1)
    (task,) = make.work(job)
    answers = say(task, make.YES, make.YES)
    facts = {(job.specialty, one.author_ref): GOOD for one in answers}
    (found,) = judge(answers, facts)
    assert found.outcome == "accept"
    sure = 0.97**2 / (0.97**2 + 0.03**2)
    assert found.confidence == pytest.approx(tempered(sure), abs=1e-4)
    assert current(task).rule == "posterior"


def test_a_suspended_author_has_no_say() -> None:
    job = live(1)
    (task,) = make.work(job)
    answers = say(task, make.YES, make.YES)
    facts = {(job.specialty, answers[0].author_ref): SUSPENDED}
    (found,) = judge(answers, facts)
    assert found.outcome == "more"
    answers = say(task, make.YES)
    judge(answers, facts)
    assert [vote["weight"] > 0 for vote in current(task).votes] == [False, True, True]


def test_an_audited_task_gets_a_third_answer() -> None:
    job = live(1)
    (task,) = make.work(job)
    Task.objects.filter(pk=task.pk).update(is_audit=True)
    (found,) = judge(say(task, make.YES, make.YES))
    assert found.outcome == "more"


def test_without_budget_the_task_is_parked_and_goes_on_when_there_is_some() -> None:
    job = live(1)
    (task,) = make.work(job)
    free = escrow.summary(job.pk).free
    assert escrow.reserve(job_id=job.pk, line="gold", amount_micros=free)
    (found,) = judge(say(task, make.YES, make.NO))
    assert found.outcome == "parked"
    task = fresh(task)
    assert (task.state, task.wanted, task.remaining, task.is_open) == ("parked", 2, 0, False)
    escrow.unreserve(job_id=job.pk, line="gold", amount_micros=free)
    opening.open_parked()
    task = fresh(task)
    assert (task.state, task.wanted, task.remaining) == ("open", 3, 1)
    answers = say(task, make.YES)
    judge(answers, {(job.specialty, answers[0].author_ref): GOOD})
    assert fresh(task).state == "resolved"


def test_a_job_that_ends_asks_nobody_any_more() -> None:
    job = live(1)
    (task,) = make.work(job)
    answers = say(task, make.YES, make.NO)
    Job.objects.filter(pk=job.pk).update(state="closing", next_state="completed")
    (found,) = judge(answers)
    assert (found.outcome, found.value) == ("escalate", make.YES)


def test_a_cancelled_task_stays_cancelled() -> None:
    job = live(1)
    (task,) = make.work(job)
    answers = say(task, make.YES, make.YES)
    Task.objects.filter(pk=task.pk).update(state="cancelled")
    (found,) = judge(answers)
    assert found.outcome == "wait"
    assert not Resolution.objects.filter(task=task).exists()
    assert Annotation.objects.filter(task=task, is_counted=True).count() == 2


# --- known answers -------------------------------------------------------------------------------


def test_answers_to_gold_are_graded() -> None:
    job = make.draft(quality={"ban_floor": 0.4})
    (gold, _) = make.add_gold(job, [make.YES, make.NO])
    right, wrong = make.answer(gold, make.YES), make.answer(gold, make.NO)
    admitted = judgements.admit([right.pk, wrong.pk], now=clock.now())
    assert admitted.tasks == set()
    assert admitted.authors == {}
    found = {one.annotation_id: one for one in admitted.gold}
    assert found[right.pk].grade == 1
    assert found[wrong.pk].grade == 0
    assert (found[right.pk].kind, found[right.pk].n_classes) == ("choices", 2)
    assert found[right.pk].floor == 0.4
    assert (found[right.pk].author_ref, found[right.pk].specialty) == (right.author_ref, "text")


def test_the_usual_floor_depends_on_the_classes() -> None:
    job = make.draft()
    (gold,) = make.add_gold(job, [make.YES])
    answer = make.answer(gold, make.YES)
    (found,) = judgements.admit([answer.pk], now=clock.now()).gold
    assert found.floor == 0.65


def test_known_answers_say_which_classes_are_common() -> None:
    job = live(1)
    make.add_gold(job, [make.YES] * 60)
    (task,) = make.work(job)
    answers = say(task, make.YES, make.YES)
    fair = AuthorFacts(skill=0.8, checks=20)
    (found,) = judge(answers, {(job.specialty, one.author_ref): fair for one in answers})
    # Four to one beforehand, and four to one for each of the two: 64 to 1.
    assert found.confidence == pytest.approx(tempered(64 / 65), abs=1e-4)


def test_what_is_stated_is_tempered_by_what_came_of_it_on_known_tasks() -> None:
    """People are taken to be right nine times in ten, and together they were wrong half the time."""
    job = live(2)
    gold = make.add_gold(job, [make.YES, make.NO] * 12)
    those = [new_id() for _ in range(4)]
    known = [make.answer(one, make.YES, author=who) for one in gold for who in those]
    judge(known)
    fair = AuthorFacts(skill=0.9, checks=40)
    facts = {(job.specialty, who): fair for who in those}
    first, second = make.work(job)
    answers = say(first, make.YES, make.YES, authors=those[:2])
    admitted = judgements.admit([one.pk for one in answers], now=clock.now())
    assert admitted.authors == {job.specialty: set(those)}, "and those who answered the known"
    (found,) = judgements.resolve(admitted.tasks, facts, now=clock.now())
    assert found.outcome == "accept"
    assert found.confidence is not None
    assert found.confidence < tempered(0.81 / 0.82, 0.5)
    (again,) = judge(say(second, make.YES, make.YES, authors=those[2:]), facts)
    assert again.confidence == found.confidence, "measured a moment ago"


def test_authors_are_told_by_specialty() -> None:
    job = live(2)
    first, second = make.work(job)
    who = new_id()
    answers = [*say(first, make.YES, authors=[who]), *say(second, make.NO, authors=[who])]
    admitted = judgements.admit([one.pk for one in answers], now=clock.now())
    assert admitted.authors == {"text": {who}}
    assert admitted.tasks == {first.pk, second.pk}


# --- many at a time ------------------------------------------------------------------------------


def statements(tasks: int) -> int:
    job = live(tasks)
    answers = [one for task in make.work(job) for one in say(task, make.YES, make.YES)]
    with CaptureQueriesContext(connection) as caught:
        judge(answers)
    assert not Task.objects.filter(job=job).exclude(state="resolved").exists()
    return len(caught)


def test_the_number_of_statements_does_not_depend_on_that_of_answers() -> None:
    assert statements(2) == statements(20)


def test_transcripts_are_compared() -> None:
    job = live(1, kind="transcript", interface={}, specialty="transcription")
    assert job.max_overlap == 7
    (task,) = make.work(job)
    answers = say(task, {"text": "So it is."}, {"text": "so it is"})
    (found,) = judge(answers)
    assert (found.outcome, found.value) == ("accept", {"text": "So it is."})
    assert current(task).rule == "agreement"
