"""Review with due process over HTTP: accept, reject with a reason, contest, decide, silence."""

from __future__ import annotations

import pytest
from django.conf import settings

from core import audit
from marketplace.models import Job
from payments.services import earnings
from tests.factories import callers, reviewing
from tests.factories import marketplace as make
from tests.factories import workers as people
from workers.models import Assignment, WorkerJob
from workers.services import contests, places

pytestmark = pytest.mark.django_db


@pytest.fixture
def job() -> Job:
    return reviewing.reviewed_job(6)


@pytest.fixture
def manager(job: Job) -> callers.Caller:
    return callers.member(job.organization_id, "manager")


def submitted(job: Job, count: int = 1) -> tuple[people.Person, callers.Caller, list[str]]:
    """A worker with answers that await review."""
    who = people.person()
    places.join(job_id=job.pk, worker_id=who.id)
    WorkerJob.objects.filter(worker_id=who.id).update(gold_share=0)
    ids = [str(reviewing.to_review(job, who).pk) for _ in range(count)]
    return who, callers.Caller(who.token), ids


def assert_sound() -> None:
    assert {one.id: one.sample for one in audit.run_all() if not one.ok} == {}


def test_a_requester_reviews_answers(job, manager):
    who, worker, (first, second, third) = submitted(job, 3)
    waiting = manager.pages("/reviews", limit=2)
    assert [one["id"] for one in waiting] == [third, second, first]
    one = waiting[0]
    assert (one["state"], one["is_decided"], one["answer"]) == ("submitted", False, people.YES)
    assert one["task"]["external_id"].startswith("t")
    assert one["pay"]["currency"] == "USD"
    assert one["review_until"] > one["submitted_at"]
    assert str(who.id) not in str(waiting)

    accepted = manager.post(f"/reviews/{first}/accept", expect=200).json()
    assert accepted["is_decided"] is True
    manager.post(f"/reviews/{first}/accept", expect=200)
    refused = {"reason": "clearly_wrong", "evidence": "Line one says no."}
    rejected = manager.post(f"/reviews/{second}/reject", refused, expect=200).json()
    assert rejected["rejection"]["reason"] == "clearly_wrong"
    bulk = {"assignments": [first, second, third]}
    assert manager.post("/reviews/accept", bulk, expect=200).json() == {"accepted": [third]}
    people.settle_all()
    assert manager.get("/reviews", expect=200).json()["data"] == []
    listed = manager.get("/reviews?state=rejected", expect=200).json()["data"]
    assert [one["id"] for one in listed] == [second]
    assert manager.get(f"/reviews?job={make.live(1).pk}", expect=200).json()["data"] == []
    assert earnings.buckets(who.id)
    assert Assignment.objects.filter(worker_id=who.id, state="accepted").count() == 2

    seen = worker.get(f"/assignments/{second}", expect=200).json()
    assert seen["rejection"]["evidence"] == "Line one says no."
    assert_sound()


def test_a_rejection_is_contested_and_upheld(job, manager):
    who, worker, (pk,) = submitted(job)
    manager.post(
        f"/reviews/{pk}/reject", {"reason": "incomplete", "evidence": "Half of it."}, expect=200
    )
    said = {"statement": "The second half is in line two."}
    contest = worker.post(f"/assignments/{pk}/contest", said, expect=201).json()
    assert (contest["state"], contest["submitted"]) == ("open", people.YES)
    assert worker.post(f"/assignments/{pk}/contest", said, expect=201).json()["id"] == contest["id"]
    assert worker.post(f"/assignments/{pk}/contest", {"statement": "!"}, expect=409).json()[
        "code"
    ] == ("already_contested")
    assert [one["id"] for one in worker.get("/contests", expect=200).json()["data"]] == [
        contest["id"]
    ]
    (open_one,) = manager.get("/contests", expect=200).json()["data"]
    assert open_one["statement"] == said["statement"]

    ended = manager.post(
        f"/contests/{contest['id']}/uphold", {"answer": "So it is."}, expect=200
    ).json()
    assert (ended["state"], ended["answer"]) == ("upheld", "So it is.")
    assert manager.get("/contests", expect=200).json()["data"] == []
    told = manager.post(f"/contests/{contest['id']}/deny", {"answer": "No."}, expect=409).json()
    assert (told["code"], told["state"]) == ("contest_over", "upheld")
    assert worker.get(f"/assignments/{pk}", expect=200).json()["state"] == "accepted"
    assert Assignment.objects.get(pk=pk).worker_id == who.id
    assert_sound()


def test_a_contest_is_denied_with_a_reason(job, manager):
    _, worker, (pk,) = submitted(job)
    row = reviewing.reject(Assignment.objects.get(pk=pk))
    contest = worker.post(
        f"/assignments/{row.pk}/contest", {"statement": "It is right."}, expect=201
    ).json()
    manager.post(f"/contests/{contest['id']}/deny", {}, expect=400)
    manager.post(f"/contests/{contest['id']}/deny", {"answer": "It is not."}, expect=200)
    (mine,) = worker.get("/contests", expect=200).json()["data"]
    assert (mine["state"], mine["answer"]) == ("denied", "It is not.")
    assert_sound()


def test_silence_is_for_the_worker_each_time(job):
    _, worker, (accepted, contested, given_up) = submitted(job, 3)
    for pk in (contested, given_up):
        reviewing.reject(Assignment.objects.get(pk=pk))
    worker.post(f"/assignments/{contested}/contest", {"statement": "It is right."}, expect=201)
    people.later(days=max(job.review_days, settings.CONTEST_DAYS, settings.CONTEST_ANSWER_DAYS))
    people.later(seconds=5)
    over = worker.post(f"/assignments/{given_up}/contest", {"statement": "Me too."}, expect=409)
    assert over.json()["code"] == "contest_window_over"
    people.settle_all()
    assert contests.sweep() == 2
    states = {
        pk: worker.get(f"/assignments/{pk}", expect=200).json()["state"]
        for pk in (accepted, contested, given_up)
    }
    assert list(states.values()) == ["accepted", "accepted", "rejected"]
    assert_sound()


def test_who_may_only_look_decides_nothing_and_strangers_see_nothing(job, manager):
    _, worker, (pk,) = submitted(job)
    viewer = callers.member(job.organization_id, "viewer")
    assert len(viewer.get("/reviews", expect=200).json()["data"]) == 1
    refused = {"reason": "clearly_wrong", "evidence": "x"}
    for path, body in (("accept", {}), ("reject", refused)):
        assert viewer.post(f"/reviews/{pk}/{path}", body).status_code == 403
        assert worker.post(f"/reviews/{pk}/{path}", body).status_code == 403
    stranger = callers.member(make.requester().organization_id, "owner")
    assert stranger.get("/reviews", expect=200).json()["data"] == []
    for path, body in (("accept", {}), ("reject", refused)):
        stranger.post(f"/reviews/{pk}/{path}", body, expect=404)
    bulk = {"assignments": [pk]}
    assert stranger.post("/reviews/accept", bulk, expect=200).json() == {"accepted": []}
    row = reviewing.reject(Assignment.objects.get(pk=pk))
    other = callers.Caller(people.person().token)
    other.post(f"/assignments/{row.pk}/contest", {"statement": "x"}, expect=404)
    contest = reviewing.contest(row)
    assert stranger.get("/contests", expect=200).json()["data"] == []
    assert other.get("/contests", expect=200).json()["data"] == []
    stranger.post(f"/contests/{contest.pk}/uphold", expect=404)
    viewer.post(f"/contests/{contest.pk}/uphold", expect=403)
    assert len(manager.get("/contests", expect=200).json()["data"]) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": "disagrees", "evidence": "x"}, "reason"),
        ({"reason": "clearly_wrong"}, "evidence"),
        ({"reason": "clearly_wrong", "evidence": " "}, "evidence"),
        ({"reason": "clearly_wrong", "evidence": "x", "note": "y"}, "note"),
    ],
)
def test_a_rejection_without_a_reason_is_none(job, manager, body, field):
    _, _, (pk,) = submitted(job)
    told = manager.post(f"/reviews/{pk}/reject", body, expect=400).json()
    assert field in told["errors"]
    assert Assignment.objects.get(pk=pk).state == "submitted"
