"""Results over HTTP: pages and a stream of the same rows, with votes, lineage and cost."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from core import clock
from core.ids import new_id
from marketplace.models import Annotation, Job
from tests.factories import callers, delivery
from tests.factories import marketplace as make
from tests.factories.callers import NDJSON, Caller
from tests.factories.marketplace import Requester

pytestmark = pytest.mark.django_db


@pytest.fixture
def whose() -> Requester:
    return make.requester()


@pytest.fixture
def owner(whose: Requester) -> Caller:
    return callers.of(whose.user_id, whose.organization_id)


def with_results(whose: Requester, count: int, **options: Any) -> Job:
    job = delivery.job(whose.organization_id)
    delivery.results(job, count, **options)
    return job


def stream(caller: Caller, job: Job) -> list[dict[str, Any]]:
    answer = caller.get(f"/jobs/{job.pk}/results", accept=NDJSON, expect=200)
    assert answer["Content-Type"] == NDJSON
    return [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]


def test_pages_and_the_stream_give_the_same_rows(owner: Caller, whose: Requester) -> None:
    job = with_results(whose, 5)
    with_results(whose, 2)
    paged = owner.pages(f"/jobs/{job.pk}/results")
    assert len(paged) == 5
    assert stream(owner, job) == paged
    assert [one["task"] for one in paged] == sorted(one["task"] for one in paged)


def test_a_result_tells_value_votes_and_where_it_comes_from(
    owner: Caller, whose: Requester
) -> None:
    job = with_results(whose, 1)
    (row,) = owner.get(f"/jobs/{job.pk}/results").json()["data"]
    assert (row["value"], row["confidence"], row["rule"]) == ({"choice": "a"}, 0.97, "consensus")
    assert row["interface"] == {"id": str(job.interface_id), "version": 1, "kind": "choices"}
    assert (row["state"], row["escalated"], row["round"]) == ("resolved", False, 1)
    assert [set(vote) for vote in row["votes"]] == [{"worker", "answer", "weight"}] * 2
    assert all(vote["worker"].startswith("w_") for vote in row["votes"])
    authors = {str(author) for author in Annotation.objects.values_list("author_ref", flat=True)}
    assert not [author for author in authors if author in json.dumps(row)]


def pay(answer: Annotation, job: Job, *, pay_micros: int, fee_micros: int) -> None:
    """An earning for an answer, as the money plane keeps it; its ledger is not the point here."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            """
            INSERT INTO payments_earning (id, assignment_ref, worker_id, job_id, organization_id,
                currency, amount_micros, fee_micros, line, quote, state, available_at, hold_reason,
                risk_notes, transaction_id, created_at)
            VALUES (%(id)s, %(assignment)s, %(worker)s, %(job)s, %(organization)s, 'USD',
                %(pay)s, %(fee)s, 'work', '{}', 'pending', core_now(), '', '{}', %(id)s,
                core_now())
            """,
            {
                "id": new_id(),
                "assignment": answer.assignment_ref,
                "worker": answer.author_ref,
                "job": job.pk,
                "organization": job.organization_id,
                "pay": pay_micros,
                "fee": fee_micros,
            },
        )
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_a_cost_is_what_was_paid_for_the_task_s_answers(owner: Caller, whose: Requester) -> None:
    job = with_results(whose, 2)
    first, second = (row["task"] for row in owner.get(f"/jobs/{job.pk}/results").json()["data"])
    for number, answer in enumerate(Annotation.objects.filter(task_id=first).order_by("id")):
        pay(answer, job, pay_micros=18_000 + number, fee_micros=3_600)
    excluded = Annotation.objects.create(
        task_id=first, interface_id=job.interface_id, assignment_ref=new_id(),
        author_ref=new_id(), answer={"choice": "b"}, created_at=clock.now(),
    )  # fmt: skip
    pay(excluded, job, pay_micros=1_000, fee_micros=200)
    rows = {one["task"]: one for one in owner.get(f"/jobs/{job.pk}/results").json()["data"]}
    # An answer that is in no vote was paid all the same.
    assert rows[first]["cost"]["amount_micros"] == 2 * (18_000 + 3_600) + 1 + 1_200
    assert rows[first]["cost"]["currency"] == "USD"
    assert rows[second]["cost"] is None
    assert len(rows[first]["votes"]) == 2


def test_of_an_escalated_task_the_best_so_far(owner: Caller, whose: Requester) -> None:
    job = make.live(1, whose=whose)
    make.conclude(make.work(job)[0], escalated=True)
    (row,) = owner.get(f"/jobs/{job.pk}/results").json()["data"]
    assert (row["state"], row["escalated"], row["value"]) == ("escalated", True, make.YES)


def test_only_current_results_are_given(owner: Caller, whose: Requester) -> None:
    job = make.live(1, whose=whose)
    (task,) = make.work(job)
    make.conclude(task)
    owner.post(f"/tasks/{task.pk}/reopen", {"answers": 1}, expect=200)
    assert owner.get(f"/jobs/{job.pk}/results").json() == {"data": [], "next": None}
    make.conclude(task, said=make.NO, votes=1)
    (row,) = owner.get(f"/jobs/{job.pk}/results").json()["data"]
    assert (row["value"], row["round"]) == (make.NO, 2)


def test_a_job_without_results_is_an_empty_page_and_an_empty_stream(
    owner: Caller, whose: Requester
) -> None:
    job = make.draft(whose)
    assert owner.get(f"/jobs/{job.pk}/results").json() == {"data": [], "next": None}
    assert stream(owner, job) == []


def test_whose_results_they_are(owner: Caller, whose: Requester) -> None:
    job = with_results(whose, 1)
    other = make.requester(credit_micros=0)
    stranger = callers.of(other.user_id, other.organization_id)
    callers.member(whose.organization_id, "viewer").get(f"/jobs/{job.pk}/results", expect=200)
    for accept in (None, NDJSON):
        assert stranger.get(f"/jobs/{job.pk}/results", accept=accept).status_code == 404
        assert owner.get(f"/jobs/{uuid4()}/results", accept=accept).status_code == 404
        assert callers.person().get(f"/jobs/{job.pk}/results", accept=accept).status_code == 403
        assert Caller().get(f"/jobs/{job.pk}/results", accept=accept).status_code == 401


@pytest.mark.parametrize(
    "query", ["after=abc", "after=%00", "after=", "limit=0", "limit=201", "limit=x", "colour=red",
              "after=" + "x" * 40, "limit=1&limit=2"],
)  # fmt: skip
def test_parameters(owner: Caller, whose: Requester, query: str) -> None:
    job = with_results(whose, 1)
    assert owner.get(f"/jobs/{job.pk}/results?{query}").status_code == 400


def test_reading_takes_the_same_statements_for_any_number(
    owner: Caller, whose: Requester, django_assert_max_num_queries: Any
) -> None:
    job = with_results(whose, 60)
    for limit in (2, 60):
        with django_assert_max_num_queries(4):
            found = owner.get(f"/jobs/{job.pk}/results?limit={limit}").json()["data"]
        assert len(found) == limit
