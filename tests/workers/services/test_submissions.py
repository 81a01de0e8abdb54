from __future__ import annotations

from datetime import timedelta

import pytest

from core import errors
from marketplace.models import Annotation, Task
from marketplace.services import jobs
from tests.factories import marketplace as make
from tests.factories import workers as people
from workers.models import Assignment
from workers.services import assignments, submissions

pytestmark = pytest.mark.django_db


def test_an_answer_is_recorded_with_its_author_and_waits_for_the_undo_to_pass() -> None:
    job = make.live(1)
    who = people.person()
    row = people.answered(job, who)
    said = Annotation.objects.get(assignment_ref=row.pk)
    assert (said.author_ref, said.answer, said.is_counted) == (who.id, people.YES, False)
    assert (said.task_id, said.interface_id, said.round) == (row.task_id, job.interface_id, 1)
    assert row.state == "submitted"
    assert row.judge_after is not None
    assert row.submitted_at is not None
    assert row.judge_after - row.submitted_at == timedelta(seconds=5)


def test_the_same_answer_again_is_the_same_result_and_another_is_refused() -> None:
    job = make.live(1)
    who = people.person()
    row = people.answered(job, who)
    again = people.submit(who, row.pk)
    assert (again.state, again.is_late) == ("submitted", False)
    with pytest.raises(submissions.AlreadySubmitted):
        people.submit(who, row.pk, people.NO)
    people.later(seconds=6)
    people.judge_all()
    people.settle_all()
    # Whatever became of it meanwhile, the same answer hears how it stands.
    assert people.submit(who, row.pk).state == "accepted"
    assert Annotation.objects.count() == 1


@pytest.mark.parametrize(
    "answer", [None, [], {}, "yes", {"choice": "perhaps"}, {"choice": "yes", "more": 1}]
)
def test_an_answer_that_does_not_fit_changes_nothing(answer: object) -> None:
    job = make.live(1)
    who = people.person()
    got = people.claimed(job, who)
    with pytest.raises(submissions.AnswerInvalid) as told:
        people.submit(who, got["id"], answer)
    assert all(name.partition(".")[0] == "answer" for name in told.value.errors or {})
    assert Assignment.objects.get(pk=got["id"]).state == "claimed"
    assert not Annotation.objects.exists()


def test_the_assignment_of_another_worker_is_absent() -> None:
    job = make.live(1)
    got = people.claimed(job, people.person())
    with pytest.raises(errors.NotFound):
        people.submit(people.person(), got["id"])


def test_a_returned_task_is_not_submitted() -> None:
    job = make.live(1)
    who = people.person()
    got = people.claimed(job, who)
    assignments.return_(assignment_id=got["id"], worker_id=who.id)
    with pytest.raises(submissions.NotSubmittable):
        people.submit(who, got["id"])


def test_overdue_but_not_ended_is_late_and_keeps_its_slot() -> None:
    job = make.live(1, time_limit_seconds=60)
    who = people.person()
    got = people.claimed(job, who)
    people.later(seconds=61)
    assert people.submit(who, got["id"]) == submissions.Submitted(
        got["id"], job.pk, "submitted", True
    )
    assert Task.objects.get(pk=got["task_id"]).taken == 1


def expired(job: object, who: people.Person) -> Assignment:
    got = people.claimed(job, who)  # type: ignore[arg-type]
    people.later(seconds=901)
    assert assignments.expire() >= 1
    return Assignment.objects.get(pk=got["id"])


def test_late_work_counts_when_a_slot_is_free() -> None:
    job = make.live(1)
    who = people.person()
    row = expired(job, who)
    done = people.submit(who, row.pk)
    assert (done.state, done.is_late) == ("submitted", True)
    task = Task.objects.get(pk=row.task_id)
    assert (task.taken, task.remaining) == (1, 1)
    people.judge_all()
    people.settle_all()
    row.refresh_from_db()
    assert (row.state, row.is_late) == ("accepted", True)


def test_late_work_without_a_slot_takes_another_one_while_the_overlap_allows() -> None:
    job = make.live(1, quality={"kmin": 1, "kmax": 2})
    late, other = people.person(), people.person()
    row = expired(job, late)
    people.claimed(job, other)
    assert people.submit(late, row.pk).state == "submitted"
    task = Task.objects.get(pk=row.task_id)
    assert (task.wanted, task.taken, task.remaining) == (2, 2, 0)


def test_late_work_that_nobody_waits_for_is_kept_and_named() -> None:
    job = make.live(1, quality={"kmin": 1, "kmax": 1})
    late, other = people.person(), people.person()
    row = expired(job, late)
    people.answered(job, other)
    done = people.submit(late, row.pk)
    assert (done.state, done.is_late) == ("expired", True)
    said = Annotation.objects.get(assignment_ref=row.pk)
    assert (said.is_late, said.is_counted) == (True, False)
    # Again and otherwise: as for any answer.
    assert people.submit(late, row.pk).state == "expired"
    with pytest.raises(submissions.AlreadySubmitted):
        people.submit(late, row.pk, people.NO)
    task = Task.objects.get(pk=row.task_id)
    assert task.taken == 1


def test_late_gold_is_kept_only() -> None:
    job = make.draft()
    make.add_tasks(job, 1)
    make.add_gold(job, [people.YES])
    jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    make.opening.open_parked()
    who = people.person()
    got = people.claimed(job, who, hints=["g1"])
    people.later(seconds=901)
    assignments.expire()
    assert people.submit(who, got["id"]).state == "expired"


def test_undo_gives_claim_lease_and_quote_back_with_the_answer_as_draft() -> None:
    job = make.live(2)
    who = people.person()
    row = people.answered(job, who, people.NO)
    back = submissions.undo(assignment_id=row.pk, worker_id=who.id)
    row.refresh_from_db()
    assert (row.state, row.draft, row.draft_version) == ("claimed", people.NO, 1)
    assert (row.expires_at, row.guaranteed_micros) == (back.expires_at, 18_000)
    assert not Annotation.objects.exists()
    assert people.claimed(job, who)["id"] == row.pk
    # Undone already: the same again.
    assert submissions.undo(assignment_id=row.pk, worker_id=who.id).state == "claimed"
    assert people.submit(who, row.pk, people.YES).state == "submitted"


def test_undo_beside_the_next_claim_makes_one_of_them_the_one_ahead() -> None:
    job = make.live(3)
    who = people.person()
    first = people.answered(job, who)
    second = people.claimed(job, who)
    undone = submissions.undo(assignment_id=first.pk, worker_id=who.id)
    assert {undone.lane, second["lane"]} == {0, 1}
    people.submit(who, first.pk)
    people.submit(who, second["id"])
    assert Annotation.objects.count() == 2


def test_no_third_open_task_comes_out_of_an_undo() -> None:
    job = make.live(4, allow_ahead=True)
    who = people.person()
    first = people.answered(job, who)
    people.claimed(job, who)
    people.claimed(job, who, ahead=True)
    with pytest.raises(submissions.UndoTooLate):
        submissions.undo(assignment_id=first.pk, worker_id=who.id)


def test_undo_comes_too_late_after_its_time_and_after_the_judgement() -> None:
    job = make.live(2)
    who = people.person()
    row = people.answered(job, who)
    people.later(seconds=6)
    with pytest.raises(submissions.UndoTooLate):
        submissions.undo(assignment_id=row.pk, worker_id=who.id)
    people.judge_all()
    with pytest.raises(submissions.UndoTooLate):
        submissions.undo(assignment_id=row.pk, worker_id=who.id)
    with pytest.raises(errors.NotFound):
        submissions.undo(assignment_id=row.pk, worker_id=people.person().id)


def test_an_undone_answer_is_not_judged() -> None:
    job = make.live(1)
    who = people.person()
    row = people.answered(job, who)
    submissions.undo(assignment_id=row.pk, worker_id=who.id)
    people.later(seconds=6)
    assert people.judge_all() == 0
