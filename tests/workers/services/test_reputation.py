"""What checks do to a worker's record, tier, share of checks and right to work on."""

from __future__ import annotations

import random
from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from marketplace.models import Job
from marketplace.quality import skill as skills
from tests.factories import marketplace as make
from tests.factories import workers as people
from workers import scoring
from workers.models import Assignment, SkillRecord, Worker, WorkerJob
from workers.services import claims, places, reputation
from workers.services.reputation import GradeFact

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_settled_means() -> None:
    reputation._settled.clear()


def facts(
    who: UUID,
    grades: Iterable[float],
    *,
    specialty: str = "text",
    n_classes: int | None = 2,
    floor: float | None = None,
) -> list[GradeFact]:
    return [GradeFact(who, specialty, grade, "choices", n_classes, floor) for grade in grades]


def check(who: UUID, *grades: float, **more: object) -> None:
    reputation.record_grades(facts(who, grades, **more), now=clock.now())  # type: ignore[arg-type]


def record(who: UUID, specialty: str = "text") -> SkillRecord:
    return SkillRecord.objects.get(worker_id=who, specialty=specialty)


def place(job: Job, who: people.Person) -> WorkerJob:
    return WorkerJob.objects.get(job=job, worker_id=who.id)


def test_checks_add_up_in_the_record() -> None:
    who = people.person().id
    check(who, 1.0, 0.0)
    check(who, 1.0)
    row = record(who)
    expected = skills.Evidence().after([1.0, 0.0, 1.0])
    assert (row.hits, row.n, row.squares) == pytest.approx(
        (expected.hits, expected.n, expected.squares)
    )
    assert row.gold_answers == 3
    found = reputation.skill(who, "text")
    assert found == skills.estimate(found.evidence, skills.PRIOR_MEAN)
    assert row.q_low == pytest.approx(found.low)


def test_specialties_are_apart() -> None:
    who = people.person().id
    check(who, 1.0)
    check(who, 0.25, specialty="transcription", n_classes=None)
    assert record(who).hits == 1
    assert record(who, "transcription").squares == 0.0625
    assert reputation.skill(who, "image").checks == 0


def test_nothing_to_enter_is_nothing_to_do() -> None:
    now = clock.now()
    with CaptureQueriesContext(connection) as caught:
        reputation.record_grades([], now=now)
    assert len(caught) == 0


def test_the_number_of_statements_does_not_depend_on_that_of_checks() -> None:
    those = [people.person().id for _ in range(12)]
    counts = []
    for many in (those[:1], those):
        batch = [fact for who in many for fact in facts(who, [1.0] * len(many))]
        now = clock.now()
        with CaptureQueriesContext(connection) as caught:
            reputation.record_grades(batch, now=now)
        with CaptureQueriesContext(connection) as read:
            reputation.facts({"text": set(many)})
        counts.append((len(caught), len(read)))
    assert counts == [(5, 2), (5, 2)]


# --- suspension ----------------------------------------------------------------------------------


def test_who_is_below_the_floor_beyond_doubt_is_suspended_with_the_reason() -> None:
    job = make.live(3)
    who = people.person()
    people.claimed(job, who)
    check(who.id, *[0.0] * 9)
    assert not record(who.id).is_suspended, "nine checks are too few"
    check(who.id, 0.0)
    row = record(who.id)
    assert row.is_suspended
    assert row.suspended_at is not None
    assert "10 of your answers" in row.suspended_reason
    assert "0% right" in row.suspended_reason
    assert "65% is needed" in row.suspended_reason
    with pytest.raises(places.NotQualified) as caught:
        places.join(job_id=job.pk, worker_id=who.id)
    assert caught.value.code == "suspended"


def test_a_suspended_worker_gets_no_further_claim_but_may_submit() -> None:
    job = make.live(3)
    who = people.person()
    got = people.claimed(job, who)
    check(who.id, *[0.0] * 12)
    people.submit(who, got["id"])
    with pytest.raises(places.NotQualified):
        claims.claim(job_id=job.pk, worker_id=who.id)
    other = make.live(1, specialty="image")
    people.claimed(other, who)


def test_only_people_lift_a_suspension() -> None:
    who = people.person().id
    check(who, *[0.0] * 12)
    at = record(who).suspended_at
    check(who, *[1.0] * 200)
    row = record(who)
    assert row.is_suspended
    assert row.suspended_at == at
    SkillRecord.objects.filter(pk=row.pk).update(is_suspended=False, suspended_at=None)
    check(who, 1.0)
    assert not record(who).is_suspended


def test_the_floor_is_that_of_the_kind_or_the_job() -> None:
    binary, four, hard = (people.person().id for _ in range(3))
    grades = [1.0] * 9 + [0.0] * 16
    check(binary, *grades)
    check(four, *grades, n_classes=4)
    check(hard, *grades, floor=0.3)
    assert record(binary).is_suspended
    assert not record(four).is_suspended
    assert not record(hard).is_suspended


def test_no_job_closes_a_specialty_to_those_who_are_good_enough_for_the_others() -> None:
    good, bad = (people.person().id for _ in range(2))
    check(good, *[1.0, 1.0, 1.0, 0.0] * 10, floor=0.95)
    assert not record(good).is_suspended, "three of four, where 65% is needed"
    check(bad, *[0.0] * 10, floor=0.95)
    assert record(bad).is_suspended
    assert "65% is needed" in record(bad).suspended_reason


# --- tier and share ------------------------------------------------------------------------------


def test_a_new_tier_prices_the_place_again_at_the_next_claim() -> None:
    job = make.live(5)
    who = people.person()
    people.answered(job, who)
    check(who.id, *[1.0] * 9)
    assert not place(job, who).is_stale, "without ten checks there is no tier"
    check(who.id, *[1.0] * 5)
    assert place(job, who).is_stale
    got = people.claimed(job, who)
    found = place(job, who)
    tier = scoring.tier_of(reputation.skill(who.id, "text"), "text")
    assert tier.level > 0
    assert not found.is_stale
    assert found.tier > 1
    assert found.tier_lower_bound == tier.lower_bound
    assert Decimal(str(got["tier"])) == found.tier


def test_checks_that_change_nothing_leave_the_place_alone() -> None:
    job = make.live(5)
    who = people.person()
    people.answered(job, who)
    for _ in range(3):
        check(who.id, 1.0)
        assert not place(job, who).is_stale


def test_places_in_other_specialties_and_of_others_are_left_alone() -> None:
    job, other = make.live(5), make.live(5, specialty="image")
    who, neighbour = people.person(), people.person()
    for one, whom in ((job, who), (other, who), (job, neighbour)):
        people.claimed(one, whom)
    check(who.id, *[1.0] * 30)
    assert place(job, who).is_stale
    assert not place(other, who).is_stale
    assert not place(job, neighbour).is_stale


def test_the_new_and_the_doubtful_are_checked_more() -> None:
    job = make.live(5)
    who, weak = people.person(), people.person()
    assert reputation.gold_share(who.id, job) == Decimal("0.100")
    people.claimed(job, who)
    assert place(job, who).gold_share == Decimal("0.100")
    check(who.id, *[1.0] * 20)
    assert place(job, who).is_stale
    assert reputation.gold_share(who.id, job) == Decimal("0.050")
    check(weak.id, *([1.0, 1.0, 0.0] * 8))
    assert not record(weak.id).is_suspended
    assert reputation.gold_share(weak.id, job) == Decimal("0.200")


def test_a_job_decides_how_much_is_checked_at_least() -> None:
    much, none = make.live(1, quality={"gold_share": 0.3}), make.live(1, quality={"gold_share": 0})
    who = people.person().id
    assert reputation.gold_share(who, much) == Decimal("0.300")
    assert reputation.gold_share(who, none) == 0


def test_the_weak_are_measured_by_the_jobs_own_floor() -> None:
    strict = make.live(1, quality={"ban_floor": 0.85})
    lenient = make.live(1, quality={"ban_floor": 0.2})
    who = people.person().id
    check(who, *([1.0] * 8 + [0.0] * 2) * 3, floor=0.2)
    assert reputation.gold_share(who, strict) == Decimal("0.200")
    assert reputation.gold_share(who, lenient) == Decimal("0.050")


# --- facts ---------------------------------------------------------------------------------------


def test_what_the_judging_is_told() -> None:
    good, new, banned, account = (people.person().id for _ in range(4))
    check(good, *[1.0] * 8)
    check(banned, *[0.0] * 12)
    Worker.objects.filter(pk=account).update(is_suspended=True, suspended_reason="fraud")
    found = reputation.facts({"text": {good, new, banned, account}, "image": {good}})
    assert set(found) == {("text", one) for one in (good, new, banned, account)} | {("image", good)}
    assert found["text", good].checks == 8
    assert found["text", good].skill == pytest.approx(reputation.skill(good, "text").q)
    assert (found["text", new].skill, found["text", new].checks) == (skills.PRIOR_MEAN, 0)
    assert found["text", banned].is_suspended
    assert found["text", account].is_suspended
    assert found["image", good].checks == 0
    assert reputation.facts({}) == {}


def test_the_pool_replaces_the_usual_mean_when_it_is_known() -> None:
    chance = random.Random(3)
    those = [people.person().id for _ in range(8)]
    for who in those:
        check(who, *[float(chance.random() < 0.9) for _ in range(24)])
    new = people.person().id
    assert reputation.skill(new, "text").q == skills.PRIOR_MEAN
    check(those[0], *[1.0] * 10)
    assert 0.8 < reputation.skill(new, "text").q < 1
    assert reputation.skill(new, "image").q == skills.PRIOR_MEAN


def test_a_mean_of_very_many_checks_is_not_read_each_time() -> None:
    who = people.person().id
    check(who, 1.0)
    SkillRecord.objects.filter(worker_id=who).update(
        hits=270, n=280, gold_answers=reputation.SETTLED
    )
    reputation.facts({"text": {who}})
    with CaptureQueriesContext(connection) as caught:
        reputation.facts({"text": {who}})
    assert len(caught) == 1


# --- through the judging -------------------------------------------------------------------------


def test_gold_among_the_work_makes_the_record() -> None:
    job = make.live(2, undo_seconds=0)
    make.add_gold(job, [make.YES, make.NO])
    who = people.person()
    for name in ("g1", "g2", "t0"):
        got = people.claimed(job, who, hints=[name])
        people.submit(who, got["id"], people.YES)
        people.judge_all()
        places.refill_gold()
    row = record(who.id)
    assert (row.gold_answers, row.squares) == (2, pytest.approx(skills.DECAY, abs=0.01))
    grades = Assignment.objects.filter(worker_id=who.id).values_list("role", "grade")
    assert sorted(grades, key=str) == [("gold", 0.0), ("gold", 1.0), ("work", None)]
