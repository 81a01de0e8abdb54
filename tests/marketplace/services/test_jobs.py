"""The life of a job, every edge of it, and what it keeps for ever once it was launched."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from core import errors, states
from core.services import accounts
from marketplace.models import Interface, Job, Task, WebhookDelivery
from marketplace.services import closing, definitions, jobs
from payments.services import escrow, rates, wallets
from tests.factories import delivery
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


def wallet(job: Job) -> int:
    return wallets.balance(organization_id=job.organization_id, currency=job.currency)


# --- drafts ----------------------------------------------------------------------------------


def test_a_draft_has_an_interface_figures_and_the_present_card() -> None:
    job = make.draft()
    assert (job.state, job.currency, job.launched_at) == ("draft", "XTS", None)
    assert (job.interface.kind, job.interface.version) == ("choices", 1)
    assert job.card_version == rates.current("XTS").version
    assert job.stats.total_tasks == 0


def test_real_money_is_what_a_job_is_paid_in_unless_it_plays() -> None:
    assert make.draft(sandbox=False).currency == "USD"


def test_a_specialty_must_have_a_price() -> None:
    with pytest.raises(errors.Invalid) as caught:
        make.draft(specialty="juggling")
    assert list(caught.value.errors or {}) == ["specialty"]


def test_a_draft_changes_field_by_field() -> None:
    job = make.draft()
    changed = jobs.update_draft(
        job=job, fields={"name": "Is it really so?", "priority": 3}, by=job.created_by_id
    )
    assert (changed.name, changed.priority, changed.base_rate_micros) == (
        "Is it really so?",
        3,
        18_000,
    )
    assert changed.interface_id == job.interface_id
    with pytest.raises(errors.Invalid):
        jobs.update_draft(job=job, fields={"priority": 99}, by=job.created_by_id)


def test_every_editable_field_of_a_draft_can_be_sent_back_as_it_is() -> None:
    job = make.draft()
    fields = {name: getattr(job, name) for name in jobs.EDITABLE}
    assert jobs.update_draft(job=job, fields=fields, by=job.created_by_id).pk == job.pk
    assert set(jobs.EDITABLE) == set(definitions._RULES)


def test_a_changed_interface_is_a_new_version_the_old_one_stays() -> None:
    job = make.draft()
    old = job.interface_id
    changed = jobs.update_draft(
        job=job, fields={"interface": {"options": ["a", "b", "c"]}}, by=job.created_by_id
    )
    assert (changed.interface.version, changed.interface.spec["options"][0]["value"]) == (2, "a")
    assert Interface.objects.get(pk=old).spec["options"][0]["value"] == "yes"


def test_known_answers_hold_the_interface_they_were_given_for() -> None:
    job = make.draft()
    make.add_gold(job, [make.YES])
    with pytest.raises(jobs.NotADraft):
        jobs.update_draft(
            job=job, fields={"interface": {"options": ["a", "b"]}}, by=job.created_by_id
        )


def test_measured_tasks_hold_the_unit() -> None:
    job = make.draft()
    make.add_tasks(job, 1)
    with pytest.raises(jobs.NotADraft):
        jobs.update_draft(job=job, fields={"unit": "word_block"}, by=job.created_by_id)


@pytest.mark.parametrize(
    "fill", [make.add_tasks, lambda job, n: make.add_gold(job, [make.YES] * n)]
)
def test_tasks_hold_the_purpose_they_were_made_for(fill: Callable[[Job, int], Any]) -> None:
    job = make.draft()
    job = jobs.update_draft(job=job, fields={"purpose": "exam"}, by=job.created_by_id)
    job = jobs.update_draft(job=job, fields={"purpose": "work"}, by=job.created_by_id)
    fill(job, 1)
    with pytest.raises(jobs.NotADraft):
        jobs.update_draft(job=job, fields={"purpose": "exam"}, by=job.created_by_id)
    jobs.update_draft(job=job, fields={"purpose": "work"}, by=job.created_by_id)


# --- launch ----------------------------------------------------------------------------------


def test_a_launch_moves_the_budget_out_of_the_wallet() -> None:
    whose = make.requester(credit_micros=5_000_000)
    endpoint = delivery.endpoint(whose.organization_id)
    job = make.draft(whose)
    make.add_tasks(job, 1)
    job = jobs.launch(job=job, budget_micros=3_000_000, by=whose.user_id)
    assert job.state == "live"
    assert job.launched_at is not None
    assert (wallet(job), escrow.free(job.pk)) == (2_000_000, 3_000_000)
    (told,) = WebhookDelivery.objects.filter(endpoint=endpoint)
    assert (told.event_type, told.payload["data"]["job"]) == ("job.launched", str(job.pk))


def test_a_launch_that_the_wallet_does_not_cover_changes_nothing() -> None:
    whose = make.requester(credit_micros=1_000_000)
    job = make.draft(whose)
    make.add_tasks(job, 1)
    with pytest.raises(errors.Problem) as caught:
        jobs.launch(job=job, budget_micros=1_000_001, by=whose.user_id)
    assert caught.value.code == "insufficient_funds"
    job.refresh_from_db()
    assert (job.state, job.launched_at, wallet(job)) == ("draft", None, 1_000_000)


def test_a_budget_that_opens_no_task_is_refused_and_says_what_would() -> None:
    job = make.draft()
    (task,) = make.add_tasks(job, 1)
    least = task.slot_reserve_micros * job.kmin
    with pytest.raises(jobs.BudgetTooSmall) as caught:
        jobs.launch(job=job, budget_micros=least - 1, by=job.created_by_id)
    assert caught.value.extra["minimum_micros"] == least
    assert jobs.launch(job=job, budget_micros=least, by=job.created_by_id).state == "live"


def test_a_job_may_be_launched_before_its_tasks_come() -> None:
    job = jobs.launch(job=make.draft(), budget_micros=0, by=make.requester().user_id)
    assert make.add_tasks(job, 2)[0].state == "parked"


def test_only_a_draft_is_launched() -> None:
    job = make.live(1)
    with pytest.raises(jobs.IllegalState) as caught:
        jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    assert caught.value.extra["state"] == "live"


def test_an_exam_needs_questions_and_no_money() -> None:
    whose = make.requester(credit_micros=0)
    empty = make.draft(whose, purpose="exam")
    with pytest.raises(errors.Invalid):
        jobs.launch(job=empty, budget_micros=0, by=whose.user_id)
    exam = make.exam(whose)
    assert exam.state == "live"
    with pytest.raises(jobs.IllegalState):
        jobs.extend_budget(job=exam, amount_micros=1, key="k", by=whose.user_id)


# --- what a launched job keeps ---------------------------------------------------------------


def test_a_running_job_s_terms_are_fixed_the_rest_may_change() -> None:
    job = make.live(1)
    by = job.created_by_id
    changed = jobs.update_draft(
        job=job, fields={"name": "New", "priority": 5, "auto_close": True}, by=by
    )
    assert (changed.name, changed.priority, changed.auto_close) == ("New", 5, True)
    for name in sorted(set(jobs.EDITABLE) - set(jobs.EDITABLE_LATER)):
        with pytest.raises(jobs.NotADraft) as caught:
            jobs.update_draft(job=job, fields={name: getattr(job, name)}, by=by)
        assert name in (caught.value.errors or {})
    for name in ("interface", "kind", "quality"):
        with pytest.raises(jobs.NotADraft):
            jobs.update_draft(job=job, fields={name: {}}, by=by)
    with pytest.raises(errors.Invalid):
        jobs.update_draft(job=job, fields={"priority": "high"}, by=by)


def test_a_job_that_is_over_changes_no_more() -> None:
    job = jobs.cancel(job=make.draft(), by=make.requester(credit_micros=0).user_id)
    with pytest.raises((jobs.IllegalState, jobs.NotADraft)):
        jobs.update_draft(job=job, fields={"name": "New"}, by=job.created_by_id)


@pytest.mark.parametrize("column", Job.FROZEN)
def test_the_database_keeps_what_prices_depend_on(column: str) -> None:
    job = make.live(1)
    other = make.draft(sandbox=False, unit="word_block", specialty="transcription", purpose="exam")
    values: dict[str, Any] = {
        "organization_id": other.organization_id,
        "interface_id": other.interface_id,
        "currency": "USD",
        "sandbox": False,
        "launched_at": job.created_at + timedelta(days=1),
        "purpose": "exam",
        "specialty": "transcription",
        "unit": "word_block",
        "card_version": 999,
    }
    value = values.get(column, 0.25 if column == "bonus_pct" else 1.25)
    if column == "base_rate_micros":
        value = 1
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(**{column: value})


def test_an_interface_never_changes() -> None:
    job = make.draft()
    rows = Interface.objects.filter(pk=job.interface_id)
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(kind="transcript")


# --- pause, resume, budget, cancel, suspend --------------------------------------------------


def test_pausing_and_resuming_twice_is_as_once() -> None:
    job = make.live(1)
    by = job.created_by_id
    for act, state in ((jobs.pause, "paused"), (jobs.resume, "live")):
        for _ in range(2):
            job = act(job=job, by=by)
            assert job.state == state


def test_more_budget_comes_once_for_a_key() -> None:
    job = make.live(1, budget_micros=1_000_000)
    jobs.extend_budget(job=job, amount_micros=500_000, key="more", by=job.created_by_id)
    # A repeat that is answered from memory does not come here: saying yes again would be a lie.
    with pytest.raises(jobs.KeyUsed):
        jobs.extend_budget(job=job, amount_micros=500_000, key="more", by=job.created_by_id)
    assert escrow.summary(job.pk).balance == 1_500_000


def test_the_keys_of_two_people_are_two() -> None:
    job = make.live(1, budget_micros=1_000_000)
    other = accounts.create_user(email="other@example.org", password=None)
    for by in (job.created_by_id, other.pk):
        jobs.extend_budget(job=job, amount_micros=500_000, key="more", by=by)
    assert escrow.summary(job.pk).balance == 2_000_000


def test_a_cancelled_draft_is_over_at_once() -> None:
    job = make.draft()
    for _ in range(2):
        job = jobs.cancel(job=job, reason="A mistake.", by=job.created_by_id)
        assert (job.state, job.state_reason) == ("cancelled", "A mistake.")
    assert job.closed_at is not None


def test_a_cancelled_running_job_closes_first() -> None:
    job = make.live(1)
    for _ in range(2):
        job = jobs.cancel(job=job, by=job.created_by_id)
        assert (job.state, job.next_state) == ("closing", "cancelled")
    make.sweep_until_done(closing.finish_closing)
    assert jobs.cancel(job=job, by=job.created_by_id).state == "cancelled"


@pytest.mark.parametrize("before", ["live", "paused"])
def test_a_suspension_says_why_and_ends_where_it_began(before: str) -> None:
    job = make.live(1)
    by = job.created_by_id
    if before == "paused":
        jobs.pause(job=job, by=by)
    with pytest.raises(errors.Invalid):
        jobs.suspend(job=job, reason="  ", by=by)
    for _ in range(2):
        job = jobs.suspend(job=job, reason="Asks for passwords.", by=by)
        assert (job.state, job.state_reason, job.next_state) == (
            "suspended",
            "Asks for passwords.",
            before,
        )
    assert jobs.extend_budget(job=job, amount_micros=1, key="k", by=by).state == "suspended"
    job = jobs.unsuspend(job=job, by=by)
    assert (job.state, job.state_reason, job.next_state) == (before, "", "")


ACTS: dict[str, Callable[[Job], Job]] = {
    "launch": lambda job: jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id),
    "pause": lambda job: jobs.pause(job=job, by=job.created_by_id),
    "resume": lambda job: jobs.resume(job=job, by=job.created_by_id),
    "cancel": lambda job: jobs.cancel(job=job, by=job.created_by_id),
    "suspend": lambda job: jobs.suspend(job=job, reason="Why.", by=job.created_by_id),
    "unsuspend": lambda job: jobs.unsuspend(job=job, by=job.created_by_id),
    "budget": lambda job: jobs.extend_budget(
        job=job, amount_micros=1, key="k", by=job.created_by_id
    ),
}
#: By state: what may be done in it, and where that leads.
TABLE = {
    "draft": {"launch": "live", "cancel": "cancelled"},
    "live": {
        "pause": "paused", "resume": "live", "cancel": "closing", "suspend": "suspended",
        "budget": "live",
    },
    "paused": {
        "pause": "paused", "resume": "live", "cancel": "closing", "suspend": "suspended",
        "budget": "paused",
    },
    "suspended": {"suspend": "suspended", "unsuspend": "live", "budget": "suspended"},
    "closing": {"cancel": "closing"},
    "cancelled": {"cancel": "cancelled"},
    "completed": {},
}  # fmt: skip


def job_in(state: str) -> Job:
    job = make.draft()
    make.add_tasks(job, 1)
    if state == "draft":
        return job
    job = ACTS["launch"](job)
    if state in ("paused", "suspended"):
        return ACTS["pause" if state == "paused" else "suspend"](job)
    if state == "completed":
        closing.begin(job=job, next_state="completed")
        make.sweep_until_done(closing.finish_closing)
        return Job.objects.get(pk=job.pk)
    if state in ("closing", "cancelled"):
        job = ACTS["cancel"](job)
    if state == "cancelled":
        make.sweep_until_done(closing.finish_closing)
    return Job.objects.get(pk=job.pk)


@pytest.mark.parametrize("state", sorted(TABLE))
def test_what_may_be_done_in_each_state(state: str) -> None:
    for name, act in ACTS.items():
        job = job_in(state)
        assert job.state == state
        if name in TABLE[state]:
            assert act(job).state == TABLE[state][name], name
            continue
        with pytest.raises(errors.Conflict):
            act(job)
        assert Job.objects.get(pk=job.pk).state == state


@pytest.mark.parametrize("state", sorted(Job.TRANSITIONS))
def test_the_database_refuses_every_other_edge(state: str) -> None:
    row = Job.objects.filter(pk=job_in(state).pk)
    for after in set(Job.TRANSITIONS) - set(Job.TRANSITIONS[state]) - {state}:
        with pytest.raises(IntegrityError), transaction.atomic():
            row.update(state=after)
        with pytest.raises(states.IllegalTransition):
            states.move(row.get(), after)


@pytest.mark.parametrize("state", sorted(Task.TRANSITIONS))
def test_the_same_for_tasks(state: str) -> None:
    job = make.draft()
    (task,) = make.add_tasks(job, 1)
    path = {"parked": [], "open": ["open"], "resolved": ["open", "resolved"],
            "escalated": ["open", "escalated"], "cancelled": ["cancelled"]}  # fmt: skip
    row = Task.objects.filter(pk=task.pk)
    for step in path[state]:
        row.update(state=step)
    for after in set(Task.TRANSITIONS) - set(Task.TRANSITIONS[state]) - {state}:
        with pytest.raises(IntegrityError), transaction.atomic():
            row.update(state=after)


def test_jobs_are_found_by_their_owner_only() -> None:
    job = make.draft()
    assert list(Job.objects.of(job.organization_id)) == [job]
    assert list(Job.objects.of(make.requester(credit_micros=0).organization_id)) == []
    assert list(Job.objects.of(None)) == []
