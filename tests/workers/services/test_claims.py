from __future__ import annotations

from datetime import timedelta

import pytest

from core import clock, errors
from core.models import Membership
from marketplace.models import Qualification, Task
from marketplace.services import jobs
from tests.factories import marketplace as make
from tests.factories import workers as people
from workers.models import Assignment, Grant, SkillRecord, Worker, WorkerJob
from workers.services import assignments, claims, hot, places, standing
from workers.services.claims import Nothing

pytestmark = pytest.mark.django_db


def test_a_claim_takes_a_slot_and_freezes_the_quote() -> None:
    job = make.live(3)
    who = people.person()
    got = people.claimed(job, who)
    task = Task.objects.get(pk=got["task_id"])
    assert (task.taken, task.remaining, task.is_open) == (1, 1, True)
    row = Assignment.objects.get(pk=got["id"])
    assert (row.state, row.role, row.lane) == ("claimed", "work", 0)
    assert row.expires_at - row.claimed_at == timedelta(seconds=900)
    # 8 seconds at the floor of 8 dollars an hour are 0.0178; the base rate is 0.0180.
    assert (row.guaranteed_micros, row.fee_micros) == (18_000, 3_600)
    assert row.reserve_micros == task.slot_reserve_micros


def test_asking_again_gives_the_same_claim() -> None:
    job = make.live(3)
    who = people.person()
    first, again = people.claimed(job, who), people.claimed(job, who)
    assert again["id"] == first["id"]
    assert Assignment.objects.count() == 1


def test_a_worker_gets_every_task_once_and_then_hears_that_nothing_is_left() -> None:
    job = make.live(5)
    who = people.person()
    seen = [people.answered(job, who).task_id for _ in range(5)]
    assert len(set(seen)) == 5
    nothing = people.claim(job, who)
    assert isinstance(nothing, Nothing)
    assert nothing.remaining is False
    # Asking while it rests costs nothing and says the same.
    assert people.claim(job, who) == Nothing(nothing.retry_after, False) or isinstance(
        people.claim(job, who), Nothing
    )


def test_what_others_hold_may_come_back() -> None:
    job = make.live(1, quality={"kmin": 1, "kmax": 1})
    first, second = people.person(), people.person()
    held = people.claimed(job, first)
    nothing = people.claim(job, second)
    assert isinstance(nothing, Nothing)
    assert nothing.remaining is True
    assignments.return_(assignment_id=held["id"], worker_id=first.id)
    people.later(seconds=11)
    assert people.claimed(job, second)["task_id"] == held["task_id"]
    # Who gave a task back does not get it again.
    assert isinstance(people.claim(job, first), Nothing)


def test_a_worker_far_ahead_walks_a_bounded_way_and_still_finds_the_rest() -> None:
    job = make.live(60)
    who = people.person()
    done = [people.answered(job, who).task_id for _ in range(60)]
    assert len(set(done)) == 60
    (new,) = make.add_tasks(job, 1, start=100)[-1:]
    make.opening.open_parked()
    people.later(seconds=11)
    for _ in range(10):
        got = people.claim(job, who)
        if isinstance(got, dict):
            break
        people.later(seconds=got.retry_after)
    assert isinstance(got, dict)
    assert got["task_id"] == new.pk


def test_an_unknown_or_unlaunched_job_is_absent_to_workers() -> None:
    who = people.person()
    for job in (make.draft(), make.draft(purpose="exam")):
        with pytest.raises(errors.NotFound):
            people.claim(job, who)


def test_who_is_no_worker_is_told_to_become_one() -> None:
    job = make.live(1)
    with pytest.raises(standing.NotAWorker):
        claims.claim(job_id=job.pk, worker_id=make.requester().user_id)


@pytest.mark.parametrize("step", [jobs.pause, jobs.cancel])
def test_a_job_that_is_not_live_takes_no_claims(step: object) -> None:
    job = make.live(2)
    who, late = people.person(), people.person()
    held = people.claimed(job, who)
    step(job=job, by=job.created_by_id)  # type: ignore[operator]
    # What is claimed stays claimed, for its worker alone.
    assert people.claimed(job, who)["id"] == held["id"]
    with pytest.raises(places.JobNotLive):
        people.claim(job, late)
    people.submit(who, held["id"])
    with pytest.raises(places.JobNotLive):
        people.claim(job, who)


def test_members_of_the_requester_get_no_task_of_its_jobs() -> None:
    whose = make.requester()
    job = make.live(1, whose=whose)
    who = people.person()
    people.claimed(job, who)
    joins = people.person()
    Membership.objects.create(
        user_id=joins.id,
        organization_id=whose.organization_id,
        role="viewer",
        created_at=clock.now(),
    )
    with pytest.raises(places.NotQualified) as told:
        people.claim(job, joins)
    assert told.value.code == "own_job"


def test_a_member_who_joins_later_is_refused_by_the_claim_itself() -> None:
    whose = make.requester()
    job = make.live(3, whose=whose)
    who = people.person()
    people.answered(job, who)
    Membership.objects.create(
        user_id=who.id, organization_id=whose.organization_id, role="owner", created_at=clock.now()
    )
    with pytest.raises(places.NotQualified) as told:
        people.claim(job, who)
    assert told.value.code == "own_job"


def qualification(name: str = "German") -> Qualification:
    return Qualification.objects.create(name=name, created_at=clock.now())


def test_a_qualification_is_asked_for_at_every_claim() -> None:
    wanted = qualification()
    job = make.live(4, required_qualifications=[wanted.pk])
    who = people.person()
    with pytest.raises(places.NotQualified) as told:
        people.claim(job, who)
    assert told.value.extra["missing"] == [{"id": str(wanted.pk), "name": "German"}]
    grant = Grant.objects.create(
        worker_id=who.id,
        qualification=wanted,
        granted_at=clock.now(),
        expires_at=clock.now() + timedelta(hours=1),
    )
    people.answered(job, who)
    people.later(hours=2)
    with pytest.raises(places.NotQualified):
        people.claim(job, who)
    grant.expires_at = None
    grant.save()
    people.answered(job, who)
    grant.revoked_at, grant.revoked_reason = clock.now(), "a mistake"
    grant.save()
    with pytest.raises(places.NotQualified):
        people.claim(job, who)


def test_a_suspended_worker_is_told_why_and_may_work_again_afterwards() -> None:
    job = make.live(4)
    who = people.person()
    people.answered(job, who)
    record, _ = SkillRecord.objects.update_or_create(
        worker_id=who.id,
        specialty="text",
        defaults={
            "is_suspended": True,
            "suspended_at": clock.now(),
            "suspended_reason": "too many checks were wrong",
            "updated_at": clock.now(),
        },
    )
    with pytest.raises(places.NotQualified) as told:
        people.claim(job, who)
    assert told.value.code == "suspended"
    assert "too many checks were wrong" in told.value.detail
    record.is_suspended, record.suspended_at = False, None
    record.save()
    people.answered(job, who)

    Worker.objects.filter(pk=who.id).update(is_suspended=True, suspended_reason="fraud")
    with pytest.raises(places.NotQualified) as told:
        people.claim(job, who)
    assert told.value.code == "suspended"


def test_a_new_rate_is_used_from_the_next_claim_on() -> None:
    job = make.live(4)
    who = people.person()
    people.answered(job, who)
    WorkerJob.objects.filter(worker_id=who.id).update(is_stale=True, unit_price=1)
    got = people.claimed(job, who)
    assert got["guaranteed_micros"] == 18_000
    assert WorkerJob.objects.get(worker_id=who.id).is_stale is False


def test_one_task_ahead_where_the_job_allows_it() -> None:
    job = make.live(5, allow_ahead=True)
    who = people.person()
    first = people.claimed(job, who)
    ahead = people.claimed(job, who, ahead=True)
    assert ahead["id"] != first["id"]
    assert people.claimed(job, who, ahead=True)["id"] == ahead["id"]
    assert people.claimed(job, who)["id"] == first["id"]
    rows = {row.pk: row for row in Assignment.objects.all()}
    assert rows[ahead["id"]].lane == 1
    # The lease ahead is the time limit and what is left of the one before it.
    assert rows[ahead["id"]].expires_at - rows[first["id"]].expires_at >= timedelta(seconds=890)
    people.submit(who, first["id"])
    assert people.claimed(job, who)["id"] == ahead["id"]
    third = people.claimed(job, who, ahead=True)
    assert (third["lane"], third["id"] != ahead["id"]) == (0, True)


def test_no_task_ahead_where_the_job_does_not() -> None:
    job = make.live(5)
    who = people.person()
    assert people.claimed(job, who)["id"] == people.claimed(job, who, ahead=True)["id"]


def test_an_overdue_claim_makes_room_for_a_new_one() -> None:
    job = make.live(3, time_limit_seconds=60)
    who = people.person()
    old = people.claimed(job, who)
    people.later(seconds=61)
    new = people.claimed(job, who)
    assert new["id"] != old["id"]
    assert Assignment.objects.get(pk=old["id"]).state == "expired"
    task = Task.objects.get(pk=old["task_id"])
    assert (task.taken, task.remaining) == (0, 2)


def test_gold_is_mixed_in_and_looks_like_any_task() -> None:
    job = make.draft(quality={"gold_share": 0.5})
    make.add_tasks(job, 40)
    make.add_gold(job, [people.YES] * 6)
    jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    make.opening.open_parked()
    who = people.person()
    roles = []
    for _ in range(30):
        roles.append(people.answered(job, who).role)
        places.refill_gold()
        people.later(seconds=3)
    # Each known answer at most once, and never more than are reserved for.
    assert 1 <= roles.count("gold") <= 6
    assert set(roles) == {"gold", "work"}
    gold = Assignment.objects.filter(role="gold")
    assert gold.values("task").distinct().count() == gold.count()


def test_hints_choose_the_task_in_play_money_only() -> None:
    job = make.live(5)
    who = people.person()
    assert people.claimed(job, who, hints=["t3"])["data"] == '{"text": "number 3"}'
    other = people.person()
    nothing = people.claim(job, other, hints=["nowhere"])
    assert nothing == Nothing(1, False)
    with pytest.raises(errors.NotFound):
        claims.require_sandbox(job_id=who.id)
    with pytest.raises(claims.HintsRefused):
        claims.require_sandbox(job_id=people.paying().pk)


def test_hints_find_gold_and_tell_a_task_that_is_taken_from_one_that_is_gone() -> None:
    job = make.draft(quality={"kmin": 1, "kmax": 1})
    make.add_tasks(job, 2)
    make.add_gold(job, [people.YES])
    jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    make.opening.open_parked()
    one, two = people.person(), people.person()
    gold = people.claimed(job, one, hints=["g1"])
    assert Assignment.objects.get(pk=gold["id"]).role == "gold"
    people.submit(one, gold["id"])
    held = people.claimed(job, one, hints=["t0"])
    waits = people.claim(job, two, hints=["t0"])
    assert waits == Nothing(1, True)
    people.submit(one, held["id"])
    people.later(seconds=6)
    people.judge_all()
    assert people.claim(job, two, hints=["t0"]) == Nothing(1, False)


def test_the_best_job_is_chosen_over_all() -> None:
    dull = people.paying(2, base_rate_micros=20_000)
    urgent = people.paying(1, priority=5)
    make.live(1)  # play money is never chosen
    spoken = people.paying(1, languages=["de"], priority=9)
    people.paying(1, required_qualifications=[qualification().pk], priority=8)
    who = people.person(languages=["en"])
    got = claims.claim_any(worker_id=who.id, specialties=None)
    assert isinstance(got, dict)
    assert (got["job_id"], got["currency"]) == (urgent.pk, "USD")
    people.submit(who, got["id"])
    got = claims.claim_any(worker_id=who.id, specialties=["text"])
    assert isinstance(got, dict)
    assert got["job_id"] == dull.pk
    assert claims.claim_any(worker_id=who.id, specialties=["image"]) == Nothing(5, False)
    german = people.person(languages=["de"])
    got = claims.claim_any(worker_id=german.id, specialties=None)
    assert isinstance(got, dict)
    assert got["job_id"] == spoken.pk


def test_asking_over_all_jobs_twice_gives_one_claim() -> None:
    first = people.paying(2)
    who = people.person()
    held = claims.claim_any(worker_id=who.id, specialties=None)
    assert isinstance(held, dict)
    people.paying(2, priority=5)  # better, but it came later
    for specialties in (None, ["text"]):
        again = claims.claim_any(worker_id=who.id, specialties=specialties)
        assert isinstance(again, dict)
        assert again["id"] == held["id"]
    # Other work than what is held was asked for; nobody held a claim of it.
    spoken = people.paying(1, specialty="transcription")
    other = claims.claim_any(worker_id=who.id, specialties=["transcription"])
    assert isinstance(other, dict)
    assert other["job_id"] == spoken.pk
    # What is held is given in a job that takes no new claims, too.
    jobs.pause(job=first, by=first.created_by_id)
    again = claims.claim_any(worker_id=who.id, specialties=["text"])
    assert isinstance(again, dict)
    assert again["id"] == held["id"]
    people.later(seconds=901)
    new = claims.claim_any(worker_id=who.id, specialties=["text"])
    assert isinstance(new, dict)
    assert new["job_id"] != first.pk


def test_the_statement_says_nothing_without_a_place() -> None:
    job = make.live(1)
    assert hot.claim(job_id=job.pk, worker_id=people.person().id) == []
