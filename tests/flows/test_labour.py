"""A worker's whole story over HTTP: sign up for work, pass an exam, claim, answer, be paid."""

from __future__ import annotations

from typing import Any

import pytest

from core import audit
from core.services import accounts
from marketplace.models import GoldAnswer, Job, Task
from marketplace.services import jobs
from marketplace.services import qualifications as definitions
from tests.factories import callers
from tests.factories import marketplace as make
from tests.factories import workers as people
from tests.factories.callers import Caller
from workers.models import Assignment
from workers.services import assignments, pace

pytestmark = pytest.mark.django_db

YES, NO = people.YES, people.NO


def exam(whose: make.Requester, questions: int = 2) -> str:
    job = make.draft(whose, purpose="exam", instructions="Say yes.")
    make.add_gold(job, [YES] * questions)
    GoldAnswer.objects.filter(task__job=job).update(explanation="It says so.")
    jobs.launch(job=job, budget_micros=0, by=whose.user_id)
    made = definitions.create(
        organization_id=whose.organization_id,
        name="Reads carefully",
        exam_job_id=job.pk,
        questions=questions,
        retry_days=1,
        by=whose.user_id,
    )
    return str(made.pk)


@pytest.mark.slow
def test_a_worker_s_story() -> None:
    whose = make.requester()
    wanted = exam(whose)
    job = make.live(6, whose=whose, required_qualifications=[wanted], instructions="Is it so?")
    worker = newcomer()
    refused(worker, job, wanted)
    qualified(worker, wanted)
    worked(worker, job)
    paid(worker, job)
    assert [one.id for one in audit.run_all() if not one.ok] == []


def newcomer() -> Caller:
    user = accounts.create_user(email="new@example.org", password=None)
    worker = callers.of(user.pk, None)
    told = worker.get("/worker", expect=403).json()
    assert told["code"] == "not_a_worker"
    profile = {"languages": ["en"], "specialties": ["text"], "country": "PT"}
    made = worker.post("/worker", profile, expect=201).json()
    assert worker.post("/worker", profile, expect=201).json() == made
    assert worker.post("/worker", {"country": "DE"}, expect=409).json()["code"] == (
        "already_a_worker"
    )
    (skill,) = made["skills"]
    assert (skill["tier"], skill["checks"]) == ("1.00", 0)
    changed = worker.patch("/worker", {"languages": ["en", "pt"]}, expect=200).json()
    assert changed["languages"] == ["en", "pt"]
    assert changed["country"] == "PT"
    return worker


def refused(worker: Caller, job: Job, wanted: str) -> None:
    (listing,) = worker.get("/feed?sandbox=true", expect=200).json()["data"]
    assert listing["id"] == str(job.pk)
    assert listing["reward"]["guaranteed"]["amount_micros"] == 18_000
    assert listing["hourly"]["amount_micros"] == 8_100_000
    assert listing["is_measured"] is False
    assert listing["access"]["state"] == "can_take"
    assert [one["id"] for one in listing["access"]["missing"]] == [wanted]
    assert worker.get("/feed", expect=200).json()["data"] == []
    problem = worker.post(f"/jobs/{job.pk}/claim", expect=403).json()
    assert problem["code"] == "not_qualified"
    assert problem["missing"] == [{"id": wanted, "name": "Reads carefully"}]


def qualified(worker: Caller, wanted: str) -> None:
    (shown,) = worker.pages("/qualifications")
    assert (shown["id"], shown["state"], shown["attempt"]) == (wanted, "can_take", None)
    attempt = worker.post(f"/qualifications/{wanted}/attempts", expect=201).json()
    again = worker.post(f"/qualifications/{wanted}/attempts", expect=201).json()
    assert again == attempt
    assert attempt["question"]["instructions"] == "Say yes."
    assert attempt["question"]["task"]["interface"]["kind"] == "choices"
    path = f"/attempts/{attempt['id']}"
    wrong = worker.post(f"{path}/answers", {"question": 1, "answer": NO}, expect=200).json()
    assert wrong["feedback"] == {
        "question": 1,
        "grade": 0.0,
        "right_answer": YES,
        "explanation": "It says so.",
    }
    ended = worker.post(f"{path}/answers", {"question": 2, "answer": YES}, expect=200).json()
    assert ended["attempt"]["state"] == "failed"
    assert ended["attempt"]["question"] is None
    locked = worker.get(f"/qualifications/{wanted}", expect=200).json()
    assert (locked["state"], locked["reason"]) == ("locked", "retry_later")
    assert locked["available_at"] == ended["attempt"]["retry_at"]
    assert worker.post(f"/qualifications/{wanted}/attempts", expect=403).json()["reason"] == (
        "retry_later"
    )

    people.later(days=1, seconds=1)
    attempt = worker.post(f"/qualifications/{wanted}/attempts", expect=201).json()
    for number in (1, 2):
        body = {"question": number, "answer": YES}
        ended = worker.post(f"/attempts/{attempt['id']}/answers", body, expect=200).json()
    assert ended["attempt"]["state"] == "passed"
    assert worker.get(f"/attempts/{attempt['id']}", expect=200).json() == ended["attempt"]
    assert worker.get(f"/qualifications/{wanted}").json()["state"] == "have"
    assert worker.get("/feed?sandbox=true").json()["data"][0]["access"]["state"] == "have"


def worked(worker: Caller, job: Job) -> None:
    shown = worker.get(f"/feed/{job.pk}", expect=200).json()
    assert (shown["instructions"], shown["state"]) == ("Is it so?", "live")

    # Claimed, reloaded, extended, drafted.
    claim = worker.post(f"/jobs/{job.pk}/claim", expect=201).json()
    assert worker.post(f"/jobs/{job.pk}/claim", {}, expect=201).json()["id"] == claim["id"]
    assert claim["task"]["data"]["text"].startswith("number")
    assert claim["quote"]["guaranteed"]["display"] == "0.0180 XTS"
    assert claim["quote"]["explanation"] == (
        "1 item x XTS 0.0180/item x 1.0 your quality (no tier yet) = XTS 0.0180; "
        "minimum for about 8 s is XTS 0.0178."
    )
    path = f"/assignments/{claim['id']}"
    people.later(seconds=100)
    assert worker.post(f"{path}/extend", expect=200).json()["extensions"] == 1
    saved = worker.call("PUT", f"{path}/draft", {"version": 0, "draft": NO}, expect=200).json()
    assert saved["draft_version"] == 1
    conflict = worker.call("PUT", f"{path}/draft", {"version": 7, "draft": YES}, expect=409).json()
    assert (conflict["code"], conflict["draft"]) == ("draft_conflict", NO)

    # Seen again among one's own.
    (listed,) = worker.pages("/assignments?state=claimed")
    assert (listed["id"], listed["task"]) == (claim["id"], claim["task"]["id"])
    full = worker.get(path, expect=200).json()
    assert full["task"] == claim["task"]
    assert full["quote"] == claim["quote"]
    assert (full["draft"], full["instructions"], full["answer"]) == (NO, "Is it so?", None)

    # Answered, thought better of, answered again, and on to the next.
    done = worker.post(f"{path}/submit", {"answer": NO}, expect=200).json()
    assert (done["state"], done["quote"]) == ("submitted", claim["quote"])
    assert worker.post(f"{path}/undo", expect=200).json()["state"] == "claimed"
    assert worker.post(f"/jobs/{job.pk}/claim").json()["draft"] == NO
    done = worker.post(f"{path}/submit?next=1", {"answer": YES}, expect=200).json()
    assert worker.get(path).json()["answer"] == YES
    assert worker.post(f"{path}/submit", {"answer": NO}, expect=409).json()["code"] == (
        "already_submitted"
    )

    # One given back, the rest done to the end.
    following = done["next"]
    assert following["id"] != claim["id"]
    worker.post(f"/assignments/{following['id']}/return", expect=200)
    count = 1
    while True:
        answer = worker.post(f"/jobs/{job.pk}/claim")
        if answer.status_code == 204:
            break
        worker.post(f"/assignments/{answer.json()['id']}/submit", {"answer": YES}, expect=200)
        count += 1
    assert count == 5
    assert int(answer.headers["Retry-After"]) >= 1
    # The one given back is no longer for this worker, and nobody else is at anything.
    assert answer.headers["X-Remaining"] == "none"
    states = [one["state"] for one in worker.pages("/assignments")]
    assert sorted(states) == ["returned", *["submitted"] * 5]


def paid(worker: Caller, job: Job) -> None:
    people.later(seconds=6)
    people.judge_all()
    people.settle_all()
    pace.measure()
    accepted = worker.pages("/assignments?state=accepted")
    assert len(accepted) == 5
    assert all(one["accepted_at"] and one["undo_until"] is None for one in accepted)
    assert worker.get("/worker").json()["accepted"] == 5
    earned = worker.get("/earnings?currency=XTS").json()
    assert "90000" in str(earned)
    (listing,) = worker.get("/feed?sandbox=true").json()["data"]
    assert (listing["is_measured"], listing["sample"]) == (True, 5)


def test_nothing_tells_a_check_from_work() -> None:
    job = make.draft()
    make.add_tasks(job, 1)
    make.add_gold(job, [YES])
    jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    make.opening.open_parked()
    who = people.person()
    worker = people.api(who)
    seen: dict[str, Any] = {}
    for hint in ("t0", "g1"):
        claim = worker.post(f"/jobs/{job.pk}/claim", {"hints": [hint]}, expect=201).json()
        done = worker.post(f"/assignments/{claim['id']}/submit", {"answer": YES}).json()
        seen[hint] = (claim, done, claim["id"])
    people.later(seconds=6)
    people.judge_all()
    people.settle_all()

    def shape(value: Any) -> Any:
        """What a body is made of, without what differs from task to task."""
        if isinstance(value, dict):
            return {name: shape(one) for name, one in value.items()}
        return type(value).__name__

    bodies = {}
    for hint, (claim, done, pk) in seen.items():
        full = worker.get(f"/assignments/{pk}", expect=200).json()
        assert full["state"] == "accepted"
        bodies[hint] = [shape(claim), shape(done), shape(full)]
        assert "gold" not in str(shape(full))
    assert bodies["t0"] == bodies["g1"]


def test_the_list_of_claims_belongs_to_one_worker() -> None:
    job = make.live(3)
    one, two = people.person(), people.person()
    got = people.claimed(job, one)
    assert people.api(two).pages("/assignments") == []
    for method, path, body in (
        ("GET", "", None),
        ("POST", "/submit", {"answer": YES}),
        ("POST", "/undo", {}),
        ("POST", "/return", {}),
        ("POST", "/extend", {}),
        ("PUT", "/draft", {"version": 0, "draft": {}}),
    ):
        people.api(two).call(method, f"/assignments/{got['id']}{path}", body, expect=404)
    assert len(people.api(one).pages(f"/assignments?job={job.pk}")) == 1
    assert people.api(one).pages(f"/assignments?job={one.id}") == []


def test_late_work_is_told_to_be_late() -> None:
    job = make.live(1, time_limit_seconds=60)
    who = people.person()
    worker = people.api(who)
    claim = worker.post(f"/jobs/{job.pk}/claim", expect=201).json()
    people.later(seconds=61)
    assignments.expire()
    assert worker.get(f"/assignments/{claim['id']}").json()["state"] == "expired"
    done = worker.post(f"/assignments/{claim['id']}/submit", {"answer": YES}, expect=200).json()
    assert (done["state"], done["is_late"]) == ("submitted", True)


def test_a_claim_over_all_jobs_and_what_it_is_not() -> None:
    make.live(1)
    job = people.paying(1)
    who = people.person()
    worker = people.api(who)
    claim = worker.post("/claim", expect=201).json()
    assert claim["job"] == str(job.pk)
    worker.post("/claim", {"specialties": []}, expect=201)
    empty = worker.post("/claim", {"specialties": ["image"]}, expect=204)
    assert empty.headers["X-Remaining"] == "none"
    worker.post("/claim", {"hints": ["t0"]}, expect=400)
    refused = worker.post(f"/jobs/{job.pk}/claim", {"hints": ["t0"]}, expect=403).json()
    assert refused["code"] == "hints_refused"


def test_media_come_with_links_that_show_them() -> None:
    job = make.live(1)
    (task,) = make.work(job)
    task.media = {
        "picture": {"id": str(task.pk), "content_type": "image/png"},
        "page": {"url": "https://example.org/"},
    }
    task.save()
    who = people.person()
    worker = people.api(who)
    claim = worker.post(f"/jobs/{job.pk}/claim", expect=201).json()
    media = claim["task"]["media"]
    assert f"/api/v1/media/{task.pk}/file?signature=" in media["picture"]["url"]
    assert media["page"] == {"url": "https://example.org/"}
    assert set(worker.get(f"/assignments/{claim['id']}").json()["task"]["media"]) == set(media)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/worker", {"languages": "en"}),
        ("/worker", {"languages": [5]}),
        ("/worker", {"country": 5}),
        ("/worker", {"nickname": "x"}),
        ("/jobs/{job}/claim", {"ahead": "yes"}),
        ("/jobs/{job}/claim", {"hints": []}),
        ("/jobs/{job}/claim", {"hints": ["x" * 201]}),
        ("/jobs/{job}/claim", {"hints": "t0"}),
        ("/claim", {"specialties": [None]}),
        ("/attempts/{job}/answers", {"question": 0, "answer": YES}),
        ("/attempts/{job}/answers", {"question": 1}),
    ],
)
def test_what_does_not_fit_is_refused(path: str, body: Any) -> None:
    job = make.live(1)
    worker = people.api(people.person())
    worker.post(path.format(job=job.pk), body, expect=400)
    assert not Assignment.objects.exists()


def test_unknown_parameters_are_refused() -> None:
    worker = people.api(people.person())
    for path in ("/feed?sort=pay", "/assignments?state=nothing", "/assignments?job=5",
                 "/feed?sandbox=1", "/qualifications?state=have", "/assignments?limit=0"):  # fmt: skip
        worker.get(path, expect=400)


def test_what_workers_see_tells_no_check_from_work() -> None:
    """Ids tell when rows were made: a worker sees names that tell nothing."""
    job = make.draft()
    make.add_tasks(job, 3)
    make.add_gold(job, [people.YES])
    jobs.launch(job=job, budget_micros=make.ENOUGH, by=job.created_by_id)
    make.opening.open_parked()
    who = people.person()
    claim = people.api(who).post(f"/jobs/{job.pk}/claim", expect=201).json()
    own = {str(pk) for pk in Task.objects.filter(job=job).values_list("pk", flat=True)}
    assert len(own) == 4
    assert claim["task"]["id"] not in own
    (listed,) = people.api(who).pages("/assignments")
    assert listed["task"] == claim["task"]["id"]


def test_an_answer_is_acknowledged_though_no_next_task_can_be_given() -> None:
    job = make.live(2)
    who = people.person()
    api = people.api(who)
    claim = api.post(f"/jobs/{job.pk}/claim", expect=201).json()
    jobs.pause(job=job, by=job.created_by_id)
    for _ in range(2):
        done = api.post(
            f"/assignments/{claim['id']}/submit?next=1", {"answer": people.YES}, expect=200
        ).json()
        assert (done["state"], done["next"]) == ("submitted", None)
        assert done["next_refused"] == "job_not_live"
