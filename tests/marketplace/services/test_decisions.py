"""What a requester decides about a task: its answer, or another round."""

import pytest

from core import clock, errors
from marketplace.models import Job, Resolution, Task, WebhookDelivery
from marketplace.services import decisions, jobs, judgements
from payments.services import escrow
from tests.factories import delivery
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


def decided(*, escalated: bool = False, **fields: object) -> Task:
    job = make.live(1, **fields)  # type: ignore[arg-type]
    (task,) = make.work(job)
    make.conclude(task, escalated=escalated)
    return Task.objects.select_related("job").get(pk=task.pk)


def history(task: Task) -> list[tuple[str, bool, int]]:
    found = Resolution.objects.filter(task=task).order_by("id")
    return [(one.rule, one.is_current, one.round) for one in found]


# --- adjudication ----------------------------------------------------------------------------


def test_the_requester_decides_where_the_crowd_could_not() -> None:
    task = decided(escalated=True)
    endpoint = delivery.endpoint(task.job.organization_id)
    made = decisions.adjudicate(task=task, answer=make.NO, by=task.job.created_by_id)
    assert (made.value, made.rule, made.confidence) == (make.NO, "adjudicated", None)
    assert (made.answers, len(made.votes), made.is_escalated) == (2, 2, False)
    assert made.decided_by_id == task.job.created_by_id
    task.refresh_from_db()
    assert task.state == "resolved"
    assert history(task) == [("quorum", False, 1), ("adjudicated", True, 1)]
    (notice,) = WebhookDelivery.objects.filter(endpoint=endpoint)
    assert notice.event_type == "task.resolved"
    assert notice.payload["data"]["value"] == make.NO


def test_saying_it_again_changes_nothing_another_answer_is_refused() -> None:
    task = decided(escalated=True)
    by = task.job.created_by_id
    made = decisions.adjudicate(task=task, answer=make.NO, by=by)
    assert decisions.adjudicate(task=task, answer=make.NO, by=by) == made
    with pytest.raises(decisions.NotEscalated):
        decisions.adjudicate(task=task, answer=make.YES, by=by)


def test_only_an_escalated_task_and_only_with_an_answer_that_fits() -> None:
    resolved, escalated = decided(), decided(escalated=True)
    with pytest.raises(decisions.NotEscalated):
        decisions.adjudicate(task=resolved, answer=make.NO, by=resolved.job.created_by_id)
    with pytest.raises(errors.Invalid) as caught:
        decisions.adjudicate(
            task=escalated, answer={"choice": "maybe"}, by=escalated.job.created_by_id
        )
    assert list(caught.value.errors or {}) == ["answer.choice"]
    assert history(escalated) == [("quorum", True, 1)]


def test_a_job_that_is_over_can_still_be_decided_in() -> None:
    task = decided(escalated=True)
    Job.objects.filter(pk=task.job_id).update(state="closing", next_state="completed")
    assert decisions.adjudicate(task=task, answer=make.NO, by=task.job.created_by_id)


# --- another round ---------------------------------------------------------------------------


def test_a_new_round_asks_for_more_answers_and_keeps_the_old_result_as_history() -> None:
    task = decided()
    before = escrow.summary(task.job_id).lines["work"]
    tail = task.pos
    opened = decisions.reopen(task=task, by=task.job.created_by_id)
    assert (opened.state, opened.round) == ("open", 2)
    assert (opened.wanted, opened.taken, opened.remaining, opened.is_open) == (4, 2, 2, True)
    assert opened.pos > tail
    assert history(task) == [("quorum", False, 1)]
    line = escrow.summary(task.job_id).lines["work"]
    assert line == before + 2 * task.slot_reserve_micros


def test_a_round_may_be_decided_again_and_reopened_again() -> None:
    task = decided()
    by = task.job.created_by_id
    decisions.reopen(task=task, answers=1, by=by)
    make.conclude(task, votes=1, said=make.NO)
    assert history(task) == [("quorum", False, 1), ("quorum", True, 2)]
    assert decisions.reopen(task=task, answers=1, by=by).round == 3


def test_more_answers_than_the_job_s_overlap_raise_the_task_s_own() -> None:
    task = decided(quality={"kmin": 2, "kmax": 2})
    opened = decisions.reopen(task=task, answers=3, by=task.job.created_by_id)
    assert (opened.wanted, opened.max_overlap) == (5, 5)


@pytest.mark.parametrize("answers", [0, -1, 11, 10**6])
def test_so_many_answers_cannot_be_asked_for(answers: int) -> None:
    task = decided()
    with pytest.raises(errors.Invalid):
        decisions.reopen(task=task, answers=answers, by=task.job.created_by_id)


def test_a_task_never_has_more_answers_than_fifty() -> None:
    task = decided()
    Task.objects.filter(pk=task.pk).update(wanted=45, taken=45, max_overlap=45)
    with pytest.raises(errors.Invalid):
        decisions.reopen(task=task, answers=6, by=task.job.created_by_id)
    assert decisions.reopen(task=task, answers=5, by=task.job.created_by_id).max_overlap == 50


def test_without_budget_nothing_changes() -> None:
    task = decided()
    assert escrow.reserve(job_id=task.job_id, line="gold", amount_micros=escrow.free(task.job_id))
    with pytest.raises(decisions.BudgetShort) as caught:
        decisions.reopen(task=task, answers=1, by=task.job.created_by_id)
    assert caught.value.extra["needed_micros"] == task.slot_reserve_micros
    task.refresh_from_db()
    assert (task.state, task.round) == ("resolved", 1)
    assert history(task) == [("quorum", True, 1)]


def test_asking_twice_is_refused_the_second_time() -> None:
    task = decided()
    decisions.reopen(task=task, by=task.job.created_by_id)
    with pytest.raises(decisions.NotResolved) as caught:
        decisions.reopen(task=task, by=task.job.created_by_id)
    assert caught.value.extra["state"] == "open"


def test_only_while_the_job_runs() -> None:
    task = decided()
    by = task.job.created_by_id
    job = jobs.pause(job=task.job, by=by)
    assert decisions.reopen(task=task, by=by).state == "open"
    other = decided()
    jobs.cancel(job=other.job, by=by)
    with pytest.raises(decisions.JobNotRunning):
        decisions.reopen(task=other, by=by)
    assert job.state == "paused"


def test_gold_has_no_rounds() -> None:
    job = make.live(1)
    (gold,) = make.add_gold(job, [make.YES])
    with pytest.raises(decisions.NotResolved):
        decisions.reopen(task=gold, by=job.created_by_id)


def judge(task: Task, *said: object) -> str:
    """Fresh people's answers, judged as a batch as the plane above does."""
    ids = [make.answer(Task.objects.get(pk=task.pk), one).pk for one in said]
    now = clock.now()
    touched = judgements.admit(ids, now=now).tasks
    (outcome,) = judgements.resolve(touched, {}, now=now)
    return outcome.outcome


def test_a_new_round_is_judged_over_all_the_answers() -> None:
    job = make.live(1, quality={"kmin": 2, "kmax": 2, "audit_share": 0})
    (task,) = make.work(job)
    assert judge(task, make.YES, make.YES) == "accept"
    decisions.reopen(task=task, answers=2, by=job.created_by_id)
    assert judge(task, make.YES, make.YES) == "accept"
    current = Resolution.objects.get(task=task, is_current=True)
    assert (current.value, current.round, current.answers, len(current.votes)) == (
        make.YES,
        2,
        4,
        4,
    )
    assert [number for _, _, number in history(task)] == [1, 2]


def test_a_new_round_that_contradicts_the_old_one_leaves_it_to_the_requester() -> None:
    job = make.live(1, quality={"kmin": 2, "kmax": 2, "audit_share": 0})
    (task,) = make.work(job)
    judge(task, make.YES, make.YES)
    decisions.reopen(task=task, answers=2, by=job.created_by_id)
    assert judge(task, make.NO, make.NO) == "escalate"
    made = decisions.adjudicate(task=task, answer=make.NO, by=job.created_by_id)
    assert (made.value, made.round, made.answers) == (make.NO, 2, 4)
