"""Push work over HTTP: be available, get an offer, take it, leave it, stop."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings

from core import audit, clock
from tests.factories import callers, push
from tests.factories import marketplace as make
from tests.factories import workers as people
from workers.models import Assignment, Offer
from workers.services import dispatch

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_memory():
    dispatch._barren.clear()


def at(**delta) -> str:
    return (clock.now() + timedelta(**delta)).isoformat()


def worker(**profile) -> tuple[people.Person, callers.Caller]:
    who = people.person(**profile)
    return who, callers.Caller(who.token)


def available(**profile) -> tuple[people.Person, callers.Caller]:
    who, caller = worker(**profile)
    caller.call("PUT", "/availability", {"specialties": ["text"], "until": at(hours=2)}, expect=200)
    return who, caller


def test_from_available_to_paid_by_an_offer():
    who, caller = worker()
    said = caller.get("/availability", expect=200).json()
    assert (said["is_available"], said["until"], said["specialties"]) == (False, None, [])
    assert caller.get("/offers", expect=204).headers["Retry-After"] == "60"

    said = caller.call(
        "PUT", "/availability", {"specialties": ["text"], "until": at(hours=2)}, expect=200
    ).json()
    assert (said["is_available"], said["specialties"], said["ended_reason"]) == (
        True, ["text"], None,
    )  # fmt: skip
    assert 1 <= int(caller.get("/offers", expect=204).headers["Retry-After"]) <= 10

    job = people.paying(1, quality={"kmin": 1, "kmax": 1}, undo_seconds=0)
    push.dispatched()
    offer = caller.get("/offers", expect=200).json()
    assert offer["job"]["id"] == str(job.pk)
    assert offer["task"]["kind"] == "choices"
    assert offer["pay"]["guaranteed"]["currency"] == "USD"
    assert offer["server_time"] < offer["expires_at"]
    assert "data" not in offer["task"]

    claim = caller.post(f"/offers/{offer['id']}/accept", expect=201).json()
    assert claim["quote"]["guaranteed"] == offer["pay"]["guaranteed"]
    assert claim["task"]["id"] == offer["task"]["id"]
    assert claim["task"]["data"] == {"text": "number 0"}
    assert claim == {
        **caller.post(f"/jobs/{job.pk}/claim", expect=201).json(),
        "server_time": claim["server_time"],
    }
    again = caller.post(f"/offers/{offer['id']}/accept", expect=201).json()
    assert again["id"] == claim["id"]

    caller.post(f"/assignments/{claim['id']}/submit", {"answer": people.YES}, expect=200)
    people.judge_all()
    people.settle_all()
    assert Assignment.objects.get(worker_id=who.id).state == "accepted"
    assert [one.id for one in audit.run_all() if not one.ok] == []


def test_a_declined_offer_is_somebody_elses_at_once():
    make.live(1, quality={"kmin": 1, "kmax": 1})
    first_id, first = available()
    push.skilled(first_id, 0.9)
    _, second = available()
    push.dispatched()
    offer = first.get("/offers", expect=200).json()
    assert second.get("/offers").status_code == 204
    said = first.post(f"/offers/{offer['id']}/decline", expect=200).json()
    assert said == {"id": offer["id"], "state": "declined"}
    passed = second.get("/offers", expect=200).json()
    assert passed["task"]["id"] == offer["task"]["id"]
    assert first.get("/offers").status_code == 204
    over = first.post(f"/offers/{offer['id']}/accept", expect=409).json()
    assert (over["code"], over["state"]) == ("offer_over", "declined")


def test_an_ignored_offer_passes_on_and_who_ignores_all_is_set_unavailable():
    make.live(6)
    _, caller = available()
    for _ in range(settings.OFFER_LAPSES):
        push.dispatched()
        offer = caller.get("/offers", expect=200).json()
        people.later(seconds=settings.OFFER_SECONDS)
        assert caller.get("/offers").status_code == 204
        over = caller.post(f"/offers/{offer['id']}/accept", expect=409).json()
        assert (over["code"], over["state"]) == ("offer_over", "lapsed")
    push.dispatched()
    said = caller.get("/availability", expect=200).json()
    assert (said["is_available"], said["ended_reason"]) == (False, "unanswered")


def test_stopping_gives_the_open_offer_back():
    job = make.live(1)
    _, caller = available()
    push.dispatched()
    said = caller.delete("/availability", expect=200).json()
    assert (said["is_available"], said["ended_reason"]) == (False, "asked")
    assert Offer.objects.get().state == Offer.State.WITHDRAWN
    assert push.taken_slots(job) == 0
    past = {"specialties": [], "until": at(seconds=-1)}
    assert caller.call("PUT", "/availability", past, expect=200).json()["is_available"] is False


def test_offers_are_their_workers_alone():
    make.live(1)
    available()
    push.dispatched()
    _, stranger = worker()
    pk = Offer.objects.get().pk
    for verb in ("accept", "decline"):
        assert stranger.post(f"/offers/{pk}/{verb}", expect=404).json()["code"] == "not_found"


def test_who_is_no_worker_is_told_so():
    caller = callers.person()
    body = {"specialties": [], "until": at(hours=1)}
    for answer in (
        caller.get("/availability"), caller.call("PUT", "/availability", body),
        caller.delete("/availability"),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (403, "not_a_worker")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"specialties": ["text"]}, "until"),
        ({"specialties": ["text"], "until": "2030-01-31T18:00:00"}, "until"),
        ({"specialties": ["text"], "until": "tomorrow"}, "until"),
        ({"specialties": ["text"], "until": 1_900_000_000}, "until"),
        ({"specialties": ["text"], "until": "9999-12-31T23:59:59-23:59"}, "until"),
        ({"specialties": ["text"], "until": "2999-01-01T00:00:00Z"}, "until"),
        ({"specialties": "text", "until": "2030-01-31T18:00:00Z"}, "specialties"),
        ({"specialties": ["juggling"], "until": "2026-12-01T18:00:00Z"}, "specialties"),
    ],
)
def test_what_is_no_availability_is_refused(body, field):
    _, caller = worker()
    told = caller.call("PUT", "/availability", body, expect=400).json()
    assert field in told["errors"]
