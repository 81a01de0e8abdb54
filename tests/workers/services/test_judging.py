from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import audit
from marketplace.models import Annotation, Job, Resolution, Task
from marketplace.services import jobs
from payments.services import earnings, escrow
from tests.factories import marketplace as make
from tests.factories import workers as people
from workers.models import Assignment, SkillRecord, Worker
from workers.services import judging, settlement

pytestmark = pytest.mark.django_db


def sound() -> None:
    assert [one for one in audit.run_all() if not one.ok] == []


def crowd(job: Job, answers: list[Any]) -> list[people.Person]:
    """One worker for each answer; they answer in turn."""
    those = [people.person() for _ in answers]
    for who, said in zip(those, answers, strict=True):
        people.answered(job, who, said)
    people.later(seconds=6)
    return those


def test_two_who_agree_decide_a_task_and_are_paid_at_once() -> None:
    job = make.live(1)
    those = crowd(job, [people.YES, people.YES])
    assert judging.judge_batch() == 2
    assert judging.judge_batch() == 0
    (task,) = make.work(job)
    assert task.state == "resolved"
    found = Resolution.objects.get(task=task)
    assert (found.value, found.answers) == (people.YES, 2)
    assert settlement.sweep() == 2
    assert settlement.sweep() == 0
    for who in those:
        assert earnings.buckets(who.id, "XTS").pending == 18_000
        assert Worker.objects.get(pk=who.id).accepted_count == 1
    summary = escrow.summary(job.pk)
    assert (summary.spent_micros, summary.fees_micros) == (36_000, 7_200)
    assert summary.lines["work"] == 0
    sound()


def test_pay_never_waits_for_the_others() -> None:
    job = make.live(1)
    (who,) = crowd(job, [people.NO])
    people.judge_all()
    people.settle_all()
    assert Assignment.objects.get().state == "accepted"
    assert make.work(job)[0].state == "open"
    assert earnings.buckets(who.id, "XTS").pending == 18_000


def test_disagreement_asks_for_one_more_and_pays_everybody() -> None:
    job = make.live(1)
    crowd(job, [people.YES, people.NO])
    people.judge_all()
    (task,) = make.work(job)
    assert (task.state, task.wanted, task.remaining) == ("open", 3, 1)
    crowd(job, [people.YES])
    people.judge_all()
    people.settle_all()
    assert Assignment.objects.filter(state="accepted").count() == 3
    sound()


def with_gold(**fields: Any) -> Job:
    job = make.draft(**fields)
    make.add_tasks(job, 4)
    make.add_gold(job, [people.YES] * 4)
    jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    make.opening.open_parked()
    return job


def test_gold_is_graded_counts_as_skill_and_is_paid_like_work() -> None:
    job = with_gold()
    who = people.person()
    for hint, said in (("g1", people.YES), ("g2", people.NO)):
        got = people.claimed(job, who, hints=[hint])
        people.submit(who, got["id"], said)
    people.later(seconds=6)
    people.judge_all()
    grades = list(Assignment.objects.order_by("task__pos").values_list("grade", flat=True))
    assert grades == [1.0, 0.0]
    record = SkillRecord.objects.get(worker_id=who.id)
    assert (record.gold_answers, record.specialty) == (2, "text")
    assert not Resolution.objects.exists()
    people.settle_all()
    # A wrong answer costs standing, not the pay that was quoted.
    assert earnings.buckets(who.id, "XTS").pending == 36_000
    sound()


def test_an_answer_is_not_judged_before_its_undo_has_passed() -> None:
    job = make.live(1, undo_seconds=30)
    people.answered(job, people.person())
    assert judging.judge_batch() == 0
    people.later(seconds=29)
    assert (judging.judge_batch(), judging.oldest_due()) == (0, None)
    people.later(seconds=11)
    assert judging.oldest_due() == pytest.approx(10, abs=5)
    assert judging.judge_batch() == 1


def test_the_number_of_statements_does_not_depend_on_the_number_of_answers() -> None:
    job = make.live(40)
    counts = []
    for more in (2, 30):
        who, other = people.person(), people.person()
        for one in (who, other):
            for _ in range(more):
                people.answered(job, one)
        people.later(seconds=6)
        with CaptureQueriesContext(connection) as sent:
            assert judging.judge_batch() == 2 * more
        judged = len(sent)
        with CaptureQueriesContext(connection) as sent:
            assert settlement.sweep() == 2 * more
        counts.append((judged, len(sent)))
    # Agreed tasks and those that need one more answer have statements of their own; either may be
    # absent, so the bound is a number: far fewer than one for each of the sixty answers.
    assert max(judged for judged, _ in counts) <= 30, counts
    assert counts[0][1] == counts[1][1], counts


def test_a_suspended_worker_is_paid_with_a_note_and_has_no_say() -> None:
    job = make.live(1)
    spammer, honest = people.person(), people.person()
    people.answered(job, spammer, people.NO)
    people.answered(job, honest, people.YES)
    Worker.objects.filter(pk=spammer.id).update(is_suspended=True, suspended_reason="a trial")
    people.later(seconds=6)
    people.judge_all()
    people.settle_all()
    assert Assignment.objects.filter(state="accepted").count() == 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT risk_notes FROM payments_earning WHERE worker_id = %s", [spammer.id])
        assert cursor.fetchone()[0] == ["worker suspended"]


def test_the_hold_is_shorter_for_the_proven() -> None:
    job = make.live(2)
    new, proven = people.person(), people.person()
    Worker.objects.filter(pk=proven.id).update(accepted_count=settlement.PROVEN_AFTER)
    for who in (new, proven):
        people.answered(job, who)
    people.later(seconds=6)
    people.judge_all()
    people.settle_all()
    with connection.cursor() as cursor:
        cursor.execute("SELECT worker_id, available_at - created_at FROM payments_earning")
        holds = dict(cursor.fetchall())
    assert holds == {new.id: timedelta(days=7), proven.id: timedelta(days=3)}


def test_silence_accepts_at_the_end_of_the_review() -> None:
    job = make.live(1, acceptance="review", review_days=2)
    crowd(job, [people.YES, people.YES])
    people.judge_all()
    assert make.work(job)[0].state == "resolved"
    assert settlement.sweep() == 0
    people.later(days=2)
    assert settlement.sweep() == 2


def test_gold_of_a_reviewed_job_is_paid_no_sooner_than_work_that_nobody_reviews() -> None:
    job = with_gold(acceptance="review", review_days=2)
    who = people.person()
    for hint in ("g1", "t1"):
        people.submit(who, people.claimed(job, who, hints=[hint])["id"])
    people.later(seconds=6)
    people.judge_all()
    gold, work = Assignment.objects.order_by("role")
    assert (gold.role, work.role) == ("gold", "work")
    assert gold.settle_after == gold.submitted_at + timedelta(days=2)
    assert work.settle_after == work.submitted_at + timedelta(days=2)
    assert gold.grade is not None
    assert settlement.sweep() == 0
    sound()
    jobs.cancel(job=job, by=job.created_by_id)
    people.later(days=2)
    assert settlement.sweep() == 2
    sound()


def test_the_receipt_keeps_the_whole_quote() -> None:
    job = make.live(1, bonus_pct=0.25, difficulty=1.2)
    crowd(job, [people.YES])
    people.judge_all()
    people.settle_all()
    row = Assignment.objects.get()
    quote = settlement.quote_of(row, job)
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote, amount_micros FROM payments_earning")
        kept, paid = cursor.fetchone()
    kept = kept if isinstance(kept, dict) else __import__("json").loads(kept)
    assert kept == quote
    assert paid == row.guaranteed_micros == quote["guaranteed_micros"]
    assert quote["tier"] == "1.00"


def test_an_answer_to_a_task_that_was_cancelled_meanwhile_is_paid() -> None:
    from marketplace.services import closing

    job = make.live(2)
    who = people.person()
    got = people.claimed(job, who)
    jobs.cancel(job=job, by=job.created_by_id)
    closing.finish_closing()
    people.submit(who, got["id"])
    people.later(seconds=6)
    people.judge_all()
    people.settle_all()
    assert earnings.buckets(who.id, "XTS").pending == 18_000
    assert Task.objects.get(pk=got["task_id"]).state == "cancelled"
    make.sweep_until_done(closing.finish_closing)
    assert Job.objects.get(pk=job.pk).state == "cancelled"
    assert Annotation.objects.get().is_counted
    sound()
