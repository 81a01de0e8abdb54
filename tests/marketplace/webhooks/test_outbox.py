"""Endpoints and the outbox: who gets which notice, and what may be changed."""

from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import transaction

from core import clock
from core.errors import Invalid, NotFound
from core.ids import new_id
from marketplace.models import WebhookDelivery, WebhookEndpoint
from marketplace.services import deliveries, webhooks
from tests.factories import delivery as make

pytestmark = pytest.mark.django_db


def test_each_listening_endpoint_gets_each_event_once() -> None:
    ours, theirs = make.organization(), make.organization("Other")
    both = make.endpoint(ours.id)
    one = make.endpoint(ours.id, events=["task.resolved"])
    make.endpoint(ours.id, events=["job.launched"])
    make.endpoint(theirs.id)
    queued = webhooks.queue(
        organization_id=ours.id, event_type="task.resolved", payloads=[{"task": "1"}, {"task": "2"}]
    )
    rows = WebhookDelivery.objects.all()
    assert queued == rows.count() == 4
    assert {row.endpoint_id for row in rows} == {both.id, one.id}
    assert {row.payload["data"]["task"] for row in rows if row.endpoint_id == one.id} == {"1", "2"}
    row = rows[0]
    assert row.payload["type"] == "task.resolved"
    assert row.payload["timestamp"].endswith("Z")
    assert row.give_up_at - row.created_at == timedelta(days=3)


@pytest.mark.parametrize("count", [1, 500])
def test_queueing_takes_two_statements_however_many(
    count: int, django_assert_num_queries: object
) -> None:
    ours = make.organization()
    make.endpoint(ours.id)
    payloads = [{"task": str(n)} for n in range(count)]
    with django_assert_num_queries(2):  # type: ignore[operator]
        webhooks.queue(organization_id=ours.id, event_type="task.resolved", payloads=payloads)


def test_nobody_listens_nothing_is_queued() -> None:
    ours = make.organization()
    off, gone = make.endpoint(ours.id), make.endpoint(ours.id)
    webhooks.change(endpoint=off, by=new_id(), is_enabled=False)
    webhooks.remove(endpoint=gone, by=new_id())
    assert webhooks.queue(organization_id=ours.id, event_type="job.launched", payloads=[{}]) == 0
    assert webhooks.queue(organization_id=ours.id, event_type="job.launched", payloads=[]) == 0


def test_a_notice_goes_with_the_transaction_that_queued_it() -> None:
    ours = make.organization()
    make.endpoint(ours.id)
    with transaction.atomic():
        webhooks.queue(organization_id=ours.id, event_type="job.launched", payloads=[{}])
        transaction.set_rollback(True)
    assert not WebhookDelivery.objects.exists()


def test_a_type_that_does_not_exist_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        webhooks.queue(organization_id=new_id(), event_type="job.lunched", payloads=[{}])


@pytest.mark.parametrize(
    ("url", "events", "field"),
    [
        ("http://example.org/", None, "url"),
        ("https://127.0.0.1/", None, "url"),
        ("https://example.org/", [], "events"),
        ("https://example.org/", ["job.launched", "no.such"], "events"),
    ],
)
def test_what_cannot_be_called_is_refused(
    url: str, events: list[str] | None, field: str, settings: LazySettings
) -> None:
    settings.WEBHOOKS_ALLOW_PRIVATE = False
    ours = make.organization()
    with pytest.raises(Invalid) as caught:
        make.endpoint(ours.id, url, events)
    assert list(caught.value.errors or {}) == [field]
    assert not WebhookEndpoint.objects.exists()
    good = make.endpoint(ours.id)
    with pytest.raises(Invalid):
        webhooks.change(endpoint=good, by=new_id(), url=url, events=events)


def test_an_organization_has_a_bounded_number_of_endpoints() -> None:
    ours = make.organization()
    made = [make.endpoint(ours.id) for _ in range(webhooks.ENDPOINTS_CAP)]
    with pytest.raises(webhooks.TooManyEndpoints):
        make.endpoint(ours.id)
    webhooks.remove(endpoint=made[0], by=new_id())
    make.endpoint(ours.id)
    make.endpoint(make.organization("Other").id)


def test_secrets_are_made_here_and_differ() -> None:
    ours = make.organization()
    one, two = make.endpoint(ours.id), make.endpoint(ours.id)
    assert one.secret.startswith("whsec_")
    assert one.secret != two.secret


def test_after_a_rotation_both_secrets_sign_for_a_day() -> None:
    endpoint = make.endpoint(make.organization().id)
    rotated = webhooks.rotate(endpoint=endpoint, by=new_id())
    assert webhooks.signing_secrets(rotated) == [rotated.secret, endpoint.secret]
    rotated.previous_secret_until = clock.now() - timedelta(seconds=1)
    assert webhooks.signing_secrets(rotated) == [rotated.secret]


def test_removing_gives_up_what_waits_and_forgets_the_secret() -> None:
    ours = make.organization()
    endpoint = make.endpoint(ours.id)
    webhooks.queue(organization_id=ours.id, event_type="job.launched", payloads=[{}])
    webhooks.remove(endpoint=endpoint, by=new_id())
    row = WebhookDelivery.objects.get()
    assert (row.state, row.last_error) == ("failed", "endpoint_removed")
    assert WebhookEndpoint.objects.get().secret == ""
    for act in (webhooks.remove, webhooks.rotate, webhooks.change):
        with pytest.raises(NotFound):
            act(endpoint=endpoint, by=new_id())


def test_switching_on_by_hand_clears_the_reason() -> None:
    endpoint = make.endpoint(make.organization().id)
    webhooks.switch_off(endpoint_id=endpoint.id, reason="gone")
    off = WebhookEndpoint.objects.get()
    assert (off.is_enabled, off.disabled_reason) == (False, "gone")
    on = webhooks.change(endpoint=off, by=new_id(), is_enabled=True)
    assert (on.is_enabled, on.disabled_reason) == (True, "")


def test_how_long_the_oldest_notice_has_been_due() -> None:
    ours = make.organization()
    one = make.endpoint(ours.id)
    assert deliveries.oldest_due() is None
    webhooks.queue(organization_id=ours.id, event_type="job.launched", payloads=[{}, {}])
    clock.shift(timedelta(seconds=30))
    age = deliveries.oldest_due()
    assert age is not None
    assert age >= 30
    # What waits for an endpoint that is switched off is not late.
    webhooks.change(endpoint=one, by=new_id(), is_enabled=False)
    assert deliveries.oldest_due() is None
