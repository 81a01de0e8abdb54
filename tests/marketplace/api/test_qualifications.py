"""Qualification definitions over HTTP."""

from typing import Any
from uuid import uuid4

import pytest

from marketplace.models import Qualification
from tests.factories import callers
from tests.factories import marketplace as make
from tests.factories.callers import Caller
from tests.factories.marketplace import Requester

pytestmark = pytest.mark.django_db

PLACE = "/qualification-definitions"


@pytest.fixture
def whose() -> Requester:
    return make.requester()


@pytest.fixture
def owner(whose: Requester) -> Caller:
    return callers.of(whose.user_id, whose.organization_id)


@pytest.fixture
def exam(owner: Caller) -> str:
    """An exam, from the first call to its launch."""
    job = owner.post(
        "/jobs",
        {
            "name": "Can you read?", "kind": "choices", "interface": {"options": ["yes", "no"]},
            "base_rate_micros": 0, "seconds_per_unit": 5, "purpose": "exam", "sandbox": True,
        },
        expect=201,
    ).json()["id"]  # fmt: skip
    questions = [{"external_id": f"q{n}", "data": {"n": n}, "answer": make.YES} for n in range(5)]
    owner.upload(f"/jobs/{job}/gold", questions, expect=200)
    owner.post(f"/jobs/{job}/launch", key="launch", expect=200)
    return str(job)


def body(exam: str, **fields: Any) -> dict[str, Any]:
    return {"name": "Reader", "exam_job": exam, **fields}


def test_one_is_defined_shown_changed_and_asked_for(owner: Caller, exam: str) -> None:
    given = body(exam, description="Reads.", pass_mark=0.75, questions=4, retry_days=2)
    made = owner.post(PLACE, given, key="q", expect=201).json()
    assert {name: made[name] for name in given} == given
    assert (made["is_market"], made["is_active"], made["valid_days"]) == (False, True, None)
    assert owner.post(PLACE, given, key="q", expect=201).json() == made
    assert owner.get(f"{PLACE}/{made['id']}", expect=200).json() == made

    changed = owner.patch(f"{PLACE}/{made['id']}", {"valid_days": 30}, expect=200).json()
    assert changed["valid_days"] == 30
    back = owner.patch(f"{PLACE}/{made['id']}", {"valid_days": None}, expect=200).json()
    assert back["valid_days"] is None

    job = {
        "name": "Work", "kind": "choices", "interface": {"options": ["yes", "no"]}, "sandbox": True,
        "base_rate_micros": 1, "seconds_per_unit": 1, "required_qualifications": [made["id"]],
    }  # fmt: skip
    drafted = owner.post("/jobs", job, expect=201).json()
    assert drafted["required_qualifications"] == [made["id"]]
    off = owner.patch(f"{PLACE}/{made['id']}", {"is_active": False}, expect=200).json()
    assert off["is_active"] is False
    refused = owner.post("/jobs", job, expect=400).json()
    assert list(refused["errors"]) == ["required_qualifications"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"exam_job": "abc"}, "exam_job"),
        ({"exam_job": str(uuid4())}, "exam_job"),
        ({"exam_job": None}, "exam_job"),
        ({"pass_mark": 1.5}, "pass_mark"),
        ({"pass_mark": True}, "pass_mark"),
        ({"questions": 0}, "questions"),
        ({"questions": 6}, "questions"),
        ({"questions": "5"}, "questions"),
        ({"retry_days": -1}, "retry_days"),
        ({"valid_days": 0}, "valid_days"),
        ({"colour": "red"}, "colour"),
        ({"organization": "x"}, "organization"),
    ],
)
def test_what_it_cannot_be(owner: Caller, exam: str, change: dict[str, Any], named: str) -> None:
    answer = owner.post(PLACE, body(exam, **change), expect=400).json()
    assert list(answer["errors"]) == [named]
    assert not Qualification.objects.exists()


def test_a_name_is_taken_once(owner: Caller, exam: str) -> None:
    owner.post(PLACE, body(exam), expect=201)
    assert owner.post(PLACE, body(exam), expect=409).json()["code"] == "name_taken"


def test_what_it_is_never_changes(owner: Caller, exam: str) -> None:
    pk = owner.post(PLACE, body(exam), expect=201).json()["id"]
    for change in ({"name": "Other"}, {"exam_job": exam}, {"specialty": "x"}, {"questions": 99}):
        assert owner.patch(f"{PLACE}/{pk}", change).status_code == 400, change


def test_lists_show_one_s_own_and_the_market_s(owner: Caller, exam: str) -> None:
    own = owner.post(PLACE, body(exam), expect=201).json()
    row = Qualification.objects.get(pk=own["id"])
    market = Qualification.objects.create(name="Adult", created_at=row.created_at)
    other = make.requester(credit_micros=0)
    stranger = callers.of(other.user_id, other.organization_id)
    assert {one["id"] for one in owner.pages(PLACE, limit=1)} == {own["id"], str(market.pk)}
    assert [one["id"] for one in stranger.pages(PLACE)] == [str(market.pk)]
    owner.patch(f"{PLACE}/{own['id']}", {"is_active": False}, expect=200)
    assert [one["id"] for one in owner.pages(f"{PLACE}?active=0")] == [own["id"]]
    assert [one["is_market"] for one in owner.pages(f"{PLACE}?active=1")] == [True]
    assert owner.get(f"{PLACE}?active=maybe").status_code == 400
    # The market's own are not one requester's to change.
    assert owner.patch(f"{PLACE}/{market.pk}", {"questions": 1}).status_code == 404


def test_who_may_define(owner: Caller, whose: Requester, exam: str) -> None:
    pk = owner.post(PLACE, body(exam), expect=201).json()["id"]
    viewer = callers.member(whose.organization_id, "viewer")
    other = make.requester(credit_micros=0)
    stranger = callers.of(other.user_id, other.organization_id)
    viewer.get(f"{PLACE}/{pk}", expect=200)
    assert viewer.post(PLACE, body(exam, name="B")).status_code == 403
    assert viewer.patch(f"{PLACE}/{pk}", {"questions": 1}).status_code == 403
    assert stranger.get(f"{PLACE}/{pk}").status_code == 404
    assert stranger.patch(f"{PLACE}/{pk}", {"questions": 1}).status_code == 404
    assert stranger.post(PLACE, body(exam, name="B")).status_code == 400
    assert callers.person().post(PLACE, body(exam)).status_code == 403
    assert Caller().get(PLACE).status_code == 401
