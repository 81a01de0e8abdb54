"""Webhook endpoints and their log over HTTP."""

from typing import Any
from uuid import uuid4

import pytest

from marketplace.models import WebhookDelivery, WebhookEndpoint
from marketplace.services import webhooks
from tests.factories import callers
from tests.factories import marketplace as make
from tests.factories.callers import Caller
from tests.factories.marketplace import Requester

pytestmark = pytest.mark.django_db

HOOK = {"url": "https://example.org/hook"}


@pytest.fixture
def whose() -> Requester:
    return make.requester(credit_micros=0)


@pytest.fixture
def owner(whose: Requester) -> Caller:
    return callers.of(whose.user_id, whose.organization_id)


def queue(whose: Requester, count: int = 1) -> None:
    webhooks.queue(
        organization_id=whose.organization_id,
        event_type="job.launched",
        payloads=[{"job": str(n)} for n in range(count)],
    )


def test_the_secret_is_shown_once(owner: Caller) -> None:
    made = owner.post("/webhooks", HOOK, expect=201).json()
    assert made["secret"].startswith("whsec_")
    assert set(made["events"]) == set(webhooks.EVENTS)
    shown = owner.get(f"/webhooks/{made['id']}", expect=200).json()
    assert "secret" not in shown
    assert owner.get("/webhooks").json()["data"] == [shown]
    rotated = owner.post(f"/webhooks/{made['id']}/rotate", expect=200).json()
    assert rotated["secret"] != made["secret"]


def test_a_lost_answer_is_asked_for_again_by_its_key(owner: Caller, whose: Requester) -> None:
    made = owner.post("/webhooks", HOOK, key="made", expect=201).json()
    assert owner.post("/webhooks", HOOK, key="made", expect=201).json() == made
    rotate = f"/webhooks/{made['id']}/rotate"
    rotated = owner.post(rotate, key="turned", expect=200).json()
    assert owner.post(rotate, key="turned", expect=200).json() == rotated
    # Another person's key of the same text is another key.
    other = callers.member(whose.organization_id, role="manager")
    assert other.post("/webhooks", HOOK, key="made", expect=201).json()["secret"] != made["secret"]
    assert WebhookEndpoint.objects.count() == 2


def test_an_endpoint_is_changed_and_taken_away(owner: Caller) -> None:
    pk = owner.post("/webhooks", {**HOOK, "events": ["job.launched"]}, expect=201).json()["id"]
    change = {"url": "https://example.org/b", "events": ["task.resolved"], "is_enabled": False,
              "description": "Ours"}  # fmt: skip
    changed = owner.patch(f"/webhooks/{pk}", change, expect=200).json()
    assert {name: changed[name] for name in change} == change
    assert owner.delete(f"/webhooks/{pk}", expect=204).content == b""
    assert owner.get(f"/webhooks/{pk}").status_code == 404
    assert owner.delete(f"/webhooks/{pk}").status_code == 404
    assert owner.get("/webhooks").json()["data"] == []


@pytest.mark.parametrize(
    "body",
    [
        {}, {"url": 5}, {"url": "ftp://example.org/"}, {"url": "https://"}, {"url": "x" * 5000},
        {"url": "https://u:p@example.org/"}, {**HOOK, "events": []}, {**HOOK, "events": ["x"]},
        {**HOOK, "events": "job.launched"}, {**HOOK, "secret": "whsec_mine"},
        {**HOOK, "description": 5}, {**HOOK, "description": "x" * 501}, [],
    ],
)  # fmt: skip
def test_what_an_endpoint_cannot_be(owner: Caller, body: Any) -> None:
    assert owner.call("POST", "/webhooks", body).status_code == 400
    assert not WebhookEndpoint.objects.exists()


def test_the_log_and_a_replay(owner: Caller, whose: Requester) -> None:
    pk = owner.post("/webhooks", HOOK, expect=201).json()["id"]
    queue(whose, 3)
    log = owner.pages(f"/webhooks/{pk}/deliveries")
    assert [one["state"] for one in log] == ["pending"] * 3
    one = WebhookDelivery.objects.get(pk=log[0]["id"])
    WebhookDelivery.objects.filter(pk=one.pk).update(
        state="failed", attempts=9, last_error="timed_out"
    )
    shown = owner.get(f"/webhooks/{pk}/deliveries/{one.pk}", expect=200).json()
    assert (shown["last_error"], shown["payload"]["type"]) == ("timed_out", "job.launched")
    assert [row["id"] for row in owner.pages(f"/webhooks/{pk}/deliveries?state=failed")] == [
        str(one.pk)
    ]
    again = owner.post(f"/webhooks/{pk}/deliveries/{one.pk}/replay", expect=200).json()
    assert (again["id"], again["state"], again["attempts"]) == (str(one.pk), "pending", 0)
    assert owner.get(f"/webhooks/{pk}/deliveries?state=gone").status_code == 400
    assert owner.get(f"/webhooks/{pk}/deliveries/{uuid4()}").status_code == 404


def test_whose_endpoints_they_are(owner: Caller, whose: Requester) -> None:
    pk = owner.post("/webhooks", HOOK, expect=201).json()["id"]
    queue(whose)
    notice = WebhookDelivery.objects.get().pk
    other = make.requester(credit_micros=0)
    stranger = callers.of(other.user_id, other.organization_id)
    theirs = stranger.post("/webhooks", HOOK, expect=201).json()["id"]
    paths = ("", "/deliveries", f"/deliveries/{notice}")
    for path in paths:
        assert stranger.get(f"/webhooks/{pk}{path}").status_code == 404
        assert Caller().get(f"/webhooks/{pk}{path}").status_code == 401
        assert callers.person().get(f"/webhooks/{pk}{path}").status_code == 403
    # A notice is found under its own endpoint only.
    assert stranger.get(f"/webhooks/{theirs}/deliveries/{notice}").status_code == 404
    for path in ("/rotate", f"/deliveries/{notice}/replay"):
        assert stranger.post(f"/webhooks/{pk}{path}").status_code == 404
    assert stranger.patch(f"/webhooks/{pk}", {"is_enabled": False}).status_code == 404
    assert stranger.delete(f"/webhooks/{pk}").status_code == 404

    viewer = callers.member(whose.organization_id, "viewer")
    for path in paths:
        viewer.get(f"/webhooks/{pk}{path}", expect=200)
    assert viewer.post("/webhooks", HOOK).status_code == 403
    assert viewer.patch(f"/webhooks/{pk}", {"is_enabled": False}).status_code == 403
    assert viewer.delete(f"/webhooks/{pk}").status_code == 403
    assert viewer.post(f"/webhooks/{pk}/rotate").status_code == 403
    assert WebhookEndpoint.objects.get(pk=pk).is_enabled


def test_too_many(owner: Caller) -> None:
    for _ in range(webhooks.ENDPOINTS_CAP):
        owner.post("/webhooks", HOOK, expect=201)
    assert owner.post("/webhooks", HOOK, expect=409).json()["code"] == "too_many_endpoints"


def test_listing_takes_the_same_statements_for_any_number(
    owner: Caller, whose: Requester, django_assert_max_num_queries: Any
) -> None:
    pk = owner.post("/webhooks", HOOK, expect=201).json()["id"]
    queue(whose, 30)
    for limit in (2, 30):
        with django_assert_max_num_queries(3):
            answer = owner.get(f"/webhooks/{pk}/deliveries?limit={limit}")
        assert len(answer.json()["data"]) == limit
