"""A requester's jobs over HTTP: drafted, quoted, launched, paused, ended; nobody else's business."""

from typing import Any
from uuid import uuid4

import pytest

from marketplace.models import Job
from marketplace.services import closing, jobs, opening
from tests.factories import callers
from tests.factories import marketplace as make
from tests.factories.callers import Caller
from tests.factories.marketplace import Requester

pytestmark = pytest.mark.django_db

DRAFT: dict[str, Any] = {
    "name": "Is it so?",
    "kind": "choices",
    "interface": {"options": ["yes", "no"]},
    "base_rate_micros": 18_000,
    "seconds_per_unit": 8,
    "sandbox": True,
}
BUDGET = 5_000_000
ACTIONS = ("quote", "launch", "budget", "pause", "resume", "cancel")


@pytest.fixture
def whose() -> Requester:
    return make.requester()


@pytest.fixture
def owner(whose: Requester) -> Caller:
    return callers.of(whose.user_id, whose.organization_id)


def body_of(action: str) -> dict[str, Any]:
    return {"launch": {"budget_micros": 1}, "budget": {"amount_micros": 1}}.get(action, {})


def test_a_draft_is_made_shown_and_listed(owner: Caller) -> None:
    made = owner.post("/jobs", DRAFT, key="one", expect=201).json()
    assert made["state"] == "draft"
    assert made["base_rate"] == {
        "amount_micros": 18_000,
        "currency": "XTS",
        "display": "0.0180 XTS",
    }
    assert made["interface"]["kind"] == "choices"
    assert made["quality"]["kmin"] == 2
    assert made["budget"] is None
    assert owner.get(f"/jobs/{made['id']}", expect=200).json() == made
    assert owner.get("/jobs", expect=200).json() == {"data": [made], "next": None}
    again = owner.post("/jobs", DRAFT, key="one", expect=201)
    assert again.json() == made
    assert Job.objects.count() == 1
    assert owner.post("/jobs", {**DRAFT, "name": "Other"}, key="one").status_code == 422


def test_every_field_of_a_draft_can_be_said(owner: Caller) -> None:
    whole = {
        **DRAFT,
        "instructions": "Read to the end.",
        "purpose": "work",
        "specialty": "text",
        "unit": "word_block",
        "difficulty": "1.25",
        "bonus_pct": 0.2,
        "acceptance": "review",
        "review_days": 3,
        "time_limit_seconds": 60,
        "undo_seconds": 0,
        "required_qualifications": [],
        "languages": ["en", "pt-BR"],
        "priority": 5,
        "allow_ahead": True,
        "auto_close": False,
        "quality": {"kmin": 1, "kmax": 3, "gold_share": 0.1},
    }
    made = owner.post("/jobs", whole, expect=201).json()
    for name in set(whole) - {
        "interface", "quality", "kind", "base_rate_micros", "seconds_per_unit", "difficulty",
        "bonus_pct",
    }:  # fmt: skip
        assert made[name] == whole[name], name
    assert (made["difficulty"], made["bonus_pct"], made["seconds_per_unit"]) == (
        "1.25",
        "0.2000",
        "8.000",
    )
    assert made["quality"]["kmax"] == 3


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"id": str(uuid4())}, "id"),
        ({"state": "live"}, "state"),
        ({"card_version": 1}, "card_version"),
        ({"name": None}, "name"),
        ({"name": 5}, "name"),
        ({"name": "a\u0000b"}, None),
        ({"kind": "juggling"}, "kind"),
        ({"interface": {"options": ["one"]}}, "interface.options"),
        ({"interface": []}, "interface"),
        ({"base_rate_micros": "18000"}, "base_rate_micros"),
        ({"base_rate_micros": 1.5}, "base_rate_micros"),
        ({"base_rate_micros": True}, "base_rate_micros"),
        ({"base_rate_micros": -1}, "base_rate_micros"),
        ({"base_rate_micros": 2**63}, None),
        ({"seconds_per_unit": 0}, "seconds_per_unit"),
        ({"seconds_per_unit": 1e999}, None),
        ({"sandbox": "true"}, "sandbox"),
        ({"sandbox": 1}, "sandbox"),
        ({"languages": "en"}, "languages"),
        ({"languages": {"0": "en"}}, "languages"),
        ({"required_qualifications": [str(uuid4())]}, "required_qualifications"),
        ({"required_qualifications": ["x"]}, "required_qualifications"),
        ({"quality": {"kmin": 9, "kmax": 2}}, "quality.kmin"),
        ({"quality": {"colour": 1}}, "quality.colour"),
        ({"specialty": "juggling"}, "specialty"),
    ],
)
def test_a_draft_that_cannot_be_is_refused_by_field(
    owner: Caller, change: dict[str, Any], named: str | None
) -> None:
    answer = owner.post("/jobs", {**DRAFT, **change})
    assert answer.status_code == 400
    if named is not None:
        assert [one for one in answer.json()["errors"] if one.startswith(named)]
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"null", b"[]", b"5", b'"x"', b"{", b"{}{}", b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00",
        b'{"name": "a", "name": "b"}', b'{"name": "\\ud800"}', b'{"base_rate_micros": NaN}',
        b'{"interface": ' + b"[" * 100_000, b'{"interface": ' + b'{"a":' * 900 + b"1" + b"}" * 901,
    ],
)  # fmt: skip
def test_bodies_that_are_none_are_refused(owner: Caller, raw: bytes) -> None:
    answer = owner.send("POST", "/jobs", raw, callers.JSON)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert not Job.objects.exists()


def test_a_plan_beyond_all_money_is_refused(owner: Caller) -> None:
    terms = {"base_rate_micros": 1_000_000_000, "seconds_per_unit": 86_400}
    job = owner.post("/jobs", {**DRAFT, **terms}, expect=201).json()["id"]
    plan = {"tasks": 100_000_000, "units_per_task": 86_400}
    refused = owner.post(f"/jobs/{job}/quote", plan, expect=400).json()
    assert refused["code"] == "job_too_large"
    owner.post(f"/jobs/{job}/quote", {"tasks": 10}, expect=200)


@pytest.mark.parametrize("units", [0, "0.0001", -1, 86_401])
def test_a_task_is_planned_with_units_that_a_task_may_have(owner: Caller, units: Any) -> None:
    job = owner.post("/jobs", DRAFT, expect=201).json()["id"]
    plan = {"tasks": 10, "units_per_task": units}
    refused = owner.post(f"/jobs/{job}/quote", plan, expect=400).json()
    assert list(refused["errors"]) == ["units_per_task"]


def test_a_whole_life(owner: Caller, whose: Requester) -> None:
    job = owner.post("/jobs", DRAFT, expect=201).json()["id"]
    quote = owner.post(f"/jobs/{job}/quote", {"tasks": 10}, expect=200).json()
    assert quote["tasks"] == 10
    owner.upload(f"/jobs/{job}/tasks", [{"data": {"n": n}} for n in range(10)], expect=200)
    now = owner.post(f"/jobs/{job}/quote", expect=200).json()
    # The plan reckons with gold; what was imported has none.
    assert (now["tasks"], now["units"], now["gold_share"]) == (10, quote["units"], "0")
    assert now["per_answer"] == quote["per_answer"]
    budget = quote["budget_suggested"]["amount_micros"]

    assert owner.post(f"/jobs/{job}/launch", {"budget_micros": budget}).json()["code"] == (
        "idempotency_key_required"
    )
    launched = owner.post(
        f"/jobs/{job}/launch", {"budget_micros": budget}, key="l", expect=200
    ).json()
    assert (launched["state"], launched["budget"]["balance"]["amount_micros"]) == ("live", budget)
    again = owner.post(f"/jobs/{job}/launch", {"budget_micros": budget}, key="l", expect=200)
    assert again.json() == launched
    assert owner.post(f"/jobs/{job}/launch", {"budget_micros": budget}, key="m").status_code == 409

    make.sweep_until_done(opening.open_parked)
    assert owner.get(f"/jobs/{job}").json()["progress"]["open"] == 10
    assert owner.post(f"/jobs/{job}/pause", expect=200).json()["state"] == "paused"
    assert owner.post(f"/jobs/{job}/pause", expect=200).json()["state"] == "paused"
    assert owner.post(f"/jobs/{job}/resume", expect=200).json()["state"] == "live"
    more = owner.post(f"/jobs/{job}/budget", {"amount_micros": 500}, key="b", expect=200).json()
    assert more["budget"]["balance"]["amount_micros"] == budget + 500
    same = owner.post(f"/jobs/{job}/budget", {"amount_micros": 500}, key="b", expect=200).json()
    assert same["budget"] == more["budget"]

    cancelled = owner.post(f"/jobs/{job}/cancel", {"reason": "Enough."}, expect=200).json()
    assert (cancelled["state"], cancelled["state_reason"]) == ("closing", "Enough.")
    make.sweep_until_done(closing.finish_closing)
    over = owner.get(f"/jobs/{job}").json()
    assert (over["state"], over["budget"]["balance"]["amount_micros"]) == ("cancelled", 0)
    assert over["closed_at"].endswith("Z")
    assert owner.post(f"/jobs/{job}/resume").json()["code"] == "illegal_state"


def test_a_running_job_changes_outside_its_terms_only(owner: Caller, whose: Requester) -> None:
    job = make.live(1, whose=whose).pk
    assert owner.patch(f"/jobs/{job}", {"priority": 4}, expect=200).json()["priority"] == 4
    answer = owner.patch(f"/jobs/{job}", {"base_rate_micros": 1, "name": "New"}, expect=409)
    assert (answer.json()["code"], list(answer.json()["errors"])) == (
        "job_not_draft",
        ["base_rate_micros"],
    )
    assert owner.patch(f"/jobs/{job}", {"id": "x"}).status_code == 400
    assert owner.patch(f"/jobs/{job}", [], expect=400)


def test_a_budget_too_small_or_not_in_the_wallet_is_said(owner: Caller, whose: Requester) -> None:
    job = make.draft(whose)
    make.add_tasks(job, 1)
    small = owner.post(f"/jobs/{job.pk}/launch", {"budget_micros": 1}, key="a", expect=400).json()
    assert small["code"] == "budget_too_small"
    assert small["minimum_micros"] > 1
    large = owner.post(
        f"/jobs/{job.pk}/launch", {"budget_micros": 10**14}, key="b", expect=409
    ).json()
    assert large["code"] == "insufficient_funds"
    for bad in (-1, 1.5, "5", True, None, 10**16):
        answer = owner.post(f"/jobs/{job.pk}/launch", {"budget_micros": bad}, key="c")
        assert answer.status_code == 400, bad
    assert Job.objects.get(pk=job.pk).state == "draft"


def test_other_people_s_jobs_are_as_if_absent(owner: Caller) -> None:
    theirs = make.live(1).pk
    for pk in (theirs, uuid4()):
        assert owner.get(f"/jobs/{pk}").status_code == 404
        assert owner.patch(f"/jobs/{pk}", {"name": "Mine"}).status_code == 404
        for action in ACTIONS:
            answer = owner.post(f"/jobs/{pk}/{action}", body_of(action), key=f"{pk}{action}")
            assert answer.status_code == 404, action
    assert owner.get("/jobs").json()["data"] == []
    assert Job.objects.get(pk=theirs).state == "live"


def test_who_may_do_what(owner: Caller, whose: Requester) -> None:
    job = make.live(1, whose=whose).pk
    viewer = callers.member(whose.organization_id, "viewer")
    manager = callers.member(whose.organization_id, "manager")
    narrow = callers.of(whose.user_id, whose.organization_id, ["jobs:read"])
    worker = callers.person()
    for reader in (owner, viewer, manager, narrow):
        reader.get("/jobs", expect=200)
        reader.get(f"/jobs/{job}", expect=200)
        reader.post(f"/jobs/{job}/quote", expect=200)
    for stranger, status in ((worker, 403), (Caller(), 401), (Caller("pw_" + "x" * 40), 401)):
        assert stranger.get("/jobs").status_code == status
        assert stranger.get(f"/jobs/{job}").status_code == status
    for cannot in (viewer, narrow, worker):
        assert cannot.post("/jobs", DRAFT).status_code == 403
        assert cannot.patch(f"/jobs/{job}", {"name": "New"}).status_code == 403
        for action in set(ACTIONS) - {"quote"}:
            answer = cannot.post(f"/jobs/{job}/{action}", body_of(action), key=f"k{action}")
            assert answer.status_code == 403, action
    assert Job.objects.get(pk=job).state == "live"
    manager.post(f"/jobs/{job}/pause", expect=200)


def test_lists_are_paged_and_filtered(owner: Caller, whose: Requester) -> None:
    drafts = [str(make.draft(whose).pk) for _ in range(5)]
    live = str(make.live(1, whose=whose).pk)
    make.draft()
    assert [one["id"] for one in owner.pages("/jobs")] == [live, *reversed(drafts)]
    assert [one["id"] for one in owner.pages("/jobs?state=live")] == [live]
    for query in (
        "state=asleep", "colour=red", "state=live&state=draft", "limit=0", "limit=201", "limit=x",
        "limit=-1", "after=abc", "after=%00", "after=" + "x" * 400, "ordering=name", "format=api",
        "limit=٣", "organization_id=1", "name__startswith=a",
    ):  # fmt: skip
        assert owner.get(f"/jobs?{query}").status_code == 400, query


@pytest.mark.parametrize("path", ["/jobs/abc", "/jobs/1", "/jobs/%00", "/jobs/../x", "/jobs/"])
def test_ids_that_are_none(owner: Caller, path: str) -> None:
    assert owner.get(path).status_code == 404


def test_listing_takes_the_same_statements_for_any_number(
    owner: Caller, whose: Requester, django_assert_max_num_queries: Any
) -> None:
    for _ in range(3):
        make.live(1, whose=whose, budget_micros=BUDGET)
    with django_assert_max_num_queries(3):
        assert len(owner.get("/jobs").json()["data"]) == 3
    for _ in range(12):
        make.live(1, whose=whose, budget_micros=BUDGET)
    with django_assert_max_num_queries(3):
        found = owner.get("/jobs").json()["data"]
    assert len(found) == 15
    assert all(one["budget"]["balance"]["amount_micros"] == BUDGET for one in found)
    with django_assert_max_num_queries(4):
        owner.get(f"/jobs/{found[0]['id']}", expect=200)


def test_a_suspended_job_says_why(owner: Caller, whose: Requester) -> None:
    job = make.live(1, whose=whose)
    jobs.suspend(job=job, reason="Asks for passwords.", by=whose.user_id)
    shown = owner.get(f"/jobs/{job.pk}").json()
    assert (shown["state"], shown["state_reason"]) == ("suspended", "Asks for passwords.")
    for action in ("pause", "resume", "cancel"):
        assert owner.post(f"/jobs/{job.pk}/{action}").status_code == 409
