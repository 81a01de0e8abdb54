"""A requester's whole story over HTTP: from an empty wallet to the results, and the money back."""

import csv
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from core import audit
from marketplace.models import Task
from marketplace.services import closing, deliveries, exports, opening, stats
from payments.services import escrow
from tests.factories import callers
from tests.factories import marketplace as make
from tests.factories.callers import CSV, NDJSON, Caller
from tests.fakes.receiver import receiver

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

DEPOSIT = 50_000_000


@pytest.fixture(autouse=True)
def storage(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def wallet(requester: Caller) -> int:
    found = requester.get("/wallet?currency=XTS", expect=200).json()
    return int(found["balance"]["amount_micros"])


def pay_for_the_answers(job: str) -> None:
    """What the crowd's answers had reserved is paid in a plane above; here it only is freed."""
    pk = UUID(job)
    reserved = escrow.summary(pk).lines["work"]
    open_ones = Task.objects.filter(job_id=pk, state="open")
    kept = sum(task.remaining * task.slot_reserve_micros for task in open_ones)
    escrow.unreserve(job_id=pk, line="work", amount_micros=reserved - kept)


def test_a_requester_s_story() -> None:
    whose = make.requester(credit_micros=0)
    requester = callers.of(whose.user_id, whose.organization_id)

    # An empty wallet launches nothing; play money is there at once, and once only for a key.
    assert wallet(requester) == 0
    for _ in range(2):
        body = {"amount_micros": DEPOSIT, "currency": "XTS"}
        requester.post("/wallet/topups", body, key="first", expect=201)
    assert wallet(requester) == DEPOSIT

    with receiver() as there:
        hook = requester.post("/webhooks", {"url": there.url}, expect=201).json()
        job = drafted(requester)
        launched(requester, job)
        task = answered(requester, job)
        asked_again(requester, job, task)
        taken_home(requester, job)
        ended(requester, job)
        make.sweep_until_done(deliveries.sweep)
        told(there.received, hook["secret"])
    assert [one.id for one in audit.run_all() if not one.ok and one.id[0] != "W"] == []


def drafted(requester: Caller) -> str:
    job = requester.post(
        "/jobs",
        {
            "name": "Is it a question?",
            "instructions": "Say yes when the sentence asks something.",
            "kind": "choices",
            "interface": {"options": [{"value": "yes", "label": "Yes"}, "no"]},
            "base_rate_micros": 18_000,
            "seconds_per_unit": 8,
            "sandbox": True,
            "auto_close": False,
            "quality": {"gold_share": 0.1},
        },
        key="draft",
        expect=201,
    ).json()
    pk = str(job["id"])
    planned = requester.post(f"/jobs/{pk}/quote", {"tasks": 6}, expect=200).json()

    lines = [{"external_id": f"s{n}", "data": {"text": f"Sentence {n}?"}} for n in range(4)]
    assert requester.upload(f"/jobs/{pk}/tasks", lines, expect=200).json()["created"] == 4
    table = b"external_id,text\ns3,Sentence 3?\ns4,=Sentence 4\ns5,Sentence 5\n"
    found = requester.send("POST", f"/jobs/{pk}/tasks", table, CSV, expect=200).json()
    assert (found["created"], found["duplicates"]) == (2, 1)
    known = [{"external_id": "g", "data": {"text": "Why?"}, "answer": make.YES}]
    requester.upload(f"/jobs/{pk}/gold", known, expect=200)
    guess = {"external_id": "s0", "value": make.YES, "model_version": "m1", "score": 0.8}
    requester.upload(f"/jobs/{pk}/predictions", [guess], expect=200)

    # What was planned is what was imported, gold included.
    quote = requester.post(f"/jobs/{pk}/quote", expect=200).json()
    assert quote == planned
    assert quote["expected"]["total"]["amount_micros"] <= quote["maximum"]["total"]["amount_micros"]
    return pk


def launched(requester: Caller, job: str) -> None:
    quote = requester.post(f"/jobs/{job}/quote").json()
    budget = 2 * quote["budget_suggested"]["amount_micros"]
    for _ in range(2):
        body = {"budget_micros": budget}
        live = requester.post(f"/jobs/{job}/launch", body, key="launch", expect=200).json()
    assert live["state"] == "live"
    assert live["budget"]["free"]["amount_micros"] == budget
    assert wallet(requester) == DEPOSIT - budget
    make.sweep_until_done(opening.open_parked)
    progress = requester.get(f"/jobs/{job}").json()["progress"]
    assert (progress["open"], progress["parked"], progress["gold"]) == (6, 0, 1)
    # Its terms are fixed now; it can be halted and go on.
    assert requester.patch(f"/jobs/{job}", {"base_rate_micros": 1}).status_code == 409
    requester.post(f"/jobs/{job}/pause", expect=200)
    requester.post(f"/jobs/{job}/resume", expect=200)


def answered(requester: Caller, job: str) -> str:
    """The crowd decides five tasks and cannot decide the sixth; the requester does."""
    *five, last = Task.objects.filter(job_id=job, role="work").order_by("pos")
    for task in five:
        make.conclude(task)
    make.conclude(last, escalated=True)
    pay_for_the_answers(job)
    stats.recount(job_id=UUID(job))
    progress = requester.get(f"/jobs/{job}").json()["progress"]
    assert (progress["resolved"], progress["escalated"], progress["open"]) == (5, 1, 0)
    (escalated,) = requester.get(f"/jobs/{job}/tasks?state=escalated").json()["data"]
    said = requester.post(f"/tasks/{escalated['id']}/adjudicate", {"answer": make.NO}, expect=200)
    assert said.json()["rule"] == "adjudicated"
    return str(five[0].pk)


def asked_again(requester: Caller, job: str, task: str) -> None:
    opened = requester.post(f"/tasks/{task}/reopen", {"answers": 1}, key="again", expect=200).json()
    assert (opened["state"], opened["round"], opened["wanted"]) == ("open", 2, 3)
    assert len(requester.get(f"/jobs/{job}/results").json()["data"]) == 5
    make.conclude(Task.objects.get(pk=task), said=make.NO, votes=1)
    pay_for_the_answers(job)
    (row,) = [
        one for one in requester.get(f"/jobs/{job}/results").json()["data"] if one["task"] == task
    ]
    assert (row["value"], row["round"]) == (make.NO, 2)


def taken_home(requester: Caller, job: str) -> None:
    """Pages, the stream and both kinds of files give the same six results."""
    paged = requester.pages(f"/jobs/{job}/results")
    assert len(paged) == 6
    stream = requester.get(f"/jobs/{job}/results", accept=NDJSON)
    assert [json.loads(line) for line in b"".join(stream.streaming_content).splitlines()] == paged
    asked = [
        requester.post(f"/jobs/{job}/exports", {"format": name}, expect=201).json()["id"]
        for name in ("jsonl", "csv")
    ]
    make.sweep_until_done(exports.sweep)
    exact, table = (fetched(requester, pk) for pk in asked)
    assert [json.loads(line) for line in exact.splitlines()] == paged
    found = list(csv.DictReader(io.StringIO(table.decode(), newline="")))
    assert [one["task"] for one in found] == [one["task"] for one in paged]
    assert {one["data.text"] for one in found} >= {"'=Sentence 4"}


def fetched(requester: Caller, export: str) -> bytes:
    file = requester.get(f"/exports/{export}", expect=200).json()["file"]
    link = urlsplit(file["url"])
    answer = Caller().get(f"{link.path.removeprefix('/api/v1')}?{link.query}", expect=200)
    return b"".join(answer.streaming_content)


def ended(requester: Caller, job: str) -> None:
    requester.post(f"/jobs/{job}/cancel", {"reason": "Done."}, expect=200)
    make.sweep_until_done(closing.finish_closing)
    over = requester.get(f"/jobs/{job}").json()
    assert (over["state"], over["budget"]["balance"]["amount_micros"]) == ("cancelled", 0)
    # Nothing was paid in this plane, so everything came back.
    assert wallet(requester) == DEPOSIT
    assert requester.upload(f"/jobs/{job}/tasks", [{"data": {}}]).status_code == 409
    assert len(requester.get(f"/jobs/{job}/results").json()["data"]) == 6


def told(received: list[Any], secret: str) -> None:
    events = [Webhook(secret).verify(one.body.decode(), one.headers) for one in received]
    kinds = sorted(one["type"] for one in events)
    assert kinds == ["export.done", "export.done", "job.completed", "job.launched", "task.resolved"]
    (resolved,) = [one["data"] for one in events if one["type"] == "task.resolved"]
    assert resolved["value"] == make.NO
