"""Known answers and predictions over HTTP."""

from typing import Any

import pytest

from marketplace.models import GoldAnswer, Prediction
from tests.factories import callers
from tests.factories import marketplace as make
from tests.factories.callers import CSV, Caller
from tests.factories.marketplace import Requester

pytestmark = pytest.mark.django_db


@pytest.fixture
def whose() -> Requester:
    return make.requester()


@pytest.fixture
def owner(whose: Requester) -> Caller:
    return callers.of(whose.user_id, whose.organization_id)


@pytest.fixture
def job(whose: Requester) -> str:
    return str(make.draft(whose).pk)


def known(count: int) -> list[dict[str, Any]]:
    return [
        {"external_id": f"g{n}", "data": {"n": n}, "answer": make.YES, "explanation": "So."}
        for n in range(count)
    ]


def test_gold_is_uploaded_listed_and_repeatable(owner: Caller, job: str) -> None:
    assert owner.upload(f"/jobs/{job}/gold", known(3), expect=200).json()["created"] == 3
    again = owner.upload(f"/jobs/{job}/gold", known(4), expect=200).json()
    assert (again["created"], again["duplicates"]) == (1, 3)
    listed = owner.pages(f"/jobs/{job}/gold")
    assert [one["external_id"] for one in listed] == ["g0", "g1", "g2", "g3"]
    assert (listed[0]["answer"], listed[0]["explanation"]) == (make.YES, "So.")
    assert owner.get(f"/jobs/{job}").json()["progress"]["gold"] == 4


def test_gold_from_a_table(owner: Caller, job: str) -> None:
    table = b"external_id,text,answer.choice,explanation\na,x,yes,So.\nb,y,no,\n"
    assert owner.send("POST", f"/jobs/{job}/gold", table, CSV, expect=200).json()["created"] == 2
    bad = b"external_id,text,answer.choice\nc,x,maybe\nd,y,\n"
    answer = owner.send("POST", f"/jobs/{job}/gold", bad, CSV, expect=400).json()
    assert [(one["row"], list(one["errors"])) for one in answer["rejected"]] == [
        (2, ["answer.choice"]),
        (3, ["answer"]),
    ]


def test_an_answer_that_does_not_fit_is_named(owner: Caller, job: str) -> None:
    given = [*known(1), {"data": {}, "answer": {"choice": "maybe"}}, {"data": {}}]
    answer = owner.upload(f"/jobs/{job}/gold", given, expect=400).json()
    assert [(one["row"], list(one["errors"])) for one in answer["rejected"]] == [
        (2, ["answer.choice"]),
        (3, ["answer"]),
    ]
    assert not GoldAnswer.objects.exists()


def test_known_answers_are_for_managers_only(owner: Caller, whose: Requester, job: str) -> None:
    """Who can read them could tell them to a worker."""
    owner.upload(f"/jobs/{job}/gold", known(1), expect=200)
    viewer = callers.member(whose.organization_id, "viewer")
    manager = callers.member(whose.organization_id, "manager")
    other = make.requester(credit_micros=0)
    stranger = callers.of(other.user_id, other.organization_id)
    assert viewer.get(f"/jobs/{job}/gold").status_code == 403
    assert viewer.upload(f"/jobs/{job}/gold", known(2)).status_code == 403
    assert stranger.get(f"/jobs/{job}/gold").status_code == 404
    assert stranger.upload(f"/jobs/{job}/gold", known(2)).status_code == 404
    assert len(manager.get(f"/jobs/{job}/gold", expect=200).json()["data"]) == 1
    shown = viewer.get(f"/jobs/{job}/tasks", expect=200).content
    assert b"answer" not in shown.replace(b'"answers"', b"")


def test_predictions_are_kept_by_version(owner: Caller, job: str) -> None:
    owner.upload(f"/jobs/{job}/tasks", [{"external_id": "a", "data": {}}], expect=200)
    row = {"external_id": "a", "value": make.YES, "model_version": "m1", "score": 0.8}
    found = owner.upload(f"/jobs/{job}/predictions", [row], expect=200).json()
    assert found == {"created": 1, "replaced": 0, "rejected": [], "rejected_total": 0}
    assert owner.upload(f"/jobs/{job}/predictions", [row], expect=200).json()["replaced"] == 1
    table = b"external_id,value.choice,model_version,score\na,no,m2,0.25\n"
    owner.send("POST", f"/jobs/{job}/predictions", table, CSV, expect=200)
    assert set(Prediction.objects.values_list("model_version", "score")) == {
        ("m1", 0.8),
        ("m2", 0.25),
    }
    bad = owner.upload(f"/jobs/{job}/predictions", [{**row, "score": 2}], expect=400).json()
    assert bad["rejected"] == [{"row": 1, "errors": {"score": ["A number from 0 to 1."]}}]


def test_predictions_are_the_requester_s_own(owner: Caller, whose: Requester, job: str) -> None:
    viewer = callers.member(whose.organization_id, "viewer")
    other = make.requester(credit_micros=0)
    stranger = callers.of(other.user_id, other.organization_id)
    assert viewer.upload(f"/jobs/{job}/predictions", []).status_code == 403
    assert stranger.upload(f"/jobs/{job}/predictions", []).status_code == 404
    assert owner.get(f"/jobs/{job}/predictions").status_code == 405


def test_listing_takes_the_same_statements_for_any_number(
    owner: Caller, job: str, django_assert_max_num_queries: Any
) -> None:
    owner.upload(f"/jobs/{job}/gold", known(30), expect=200)
    for limit in (2, 30):
        with django_assert_max_num_queries(3):
            assert len(owner.get(f"/jobs/{job}/gold?limit={limit}").json()["data"]) == limit
