"""Several senders, owners and sweeps at the same time, on real PostgreSQL."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from core import clock
from core.ids import new_id
from marketplace.models import WebhookDelivery, WebhookEndpoint
from marketplace.services import deliveries, webhooks
from tests.factories import delivery as make
from tests.fakes.receiver import receiver

pytestmark = pytest.mark.django_db(transaction=True)


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Run an act in so many threads that start at the same moment; errors are answers."""
    start = threading.Barrier(count)

    def run(number: int) -> Any:
        try:
            start.wait()
            return act(number)
        except Exception as problem:  # noqa: BLE001
            return problem
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_many_senders_send_each_notice_once() -> None:
    ours = make.organization()
    with receiver() as there:
        for _ in range(3):
            make.endpoint(ours.id, there.url)
        webhooks.queue(
            organization_id=ours.id,
            event_type="task.resolved",
            payloads=[{"task": str(n)} for n in range(50)],
        )

        def drain(_number: int) -> int:
            sent = 0
            # Nothing due may be seen while the neighbours hold it all.
            for _ in range(20):
                sent += deliveries.sweep()
            return sent

        sent = together(6, drain)
    assert sum(sent) == 150
    assert set(Counter(there.ids()).values()) == {1}
    assert len(there.received) == 150
    assert set(WebhookDelivery.objects.values_list("state", "attempts")) == {("delivered", 1)}


def test_endpoints_added_together_stay_within_their_number() -> None:
    ours = make.organization()
    people = [make.person().id for _ in range(8)]

    def add(number: int) -> int:
        made = 0
        for _ in range(5):
            try:
                webhooks.create(
                    organization_id=ours.id, url="https://example.org/", by=people[number]
                )
                made += 1
            except webhooks.TooManyEndpoints:
                pass
        return made

    made = together(8, add)
    assert sum(made) == WebhookEndpoint.objects.count() == webhooks.ENDPOINTS_CAP


def test_replays_and_sweeps_at_once_never_lose_the_notice() -> None:
    ours = make.organization()
    with receiver() as there:
        make.endpoint(ours.id, there.url)
        webhooks.queue(organization_id=ours.id, event_type="job.launched", payloads=[{}])
        (row,) = WebhookDelivery.objects.all()

        def act(number: int) -> object:
            if number % 2:
                return deliveries.sweep()
            return deliveries.replay(delivery=row, by=new_id())

        for _ in range(5):
            assert not [one for one in together(8, act) if isinstance(one, Exception)]
        while deliveries.sweep():
            pass
    row.refresh_from_db()
    assert (row.state, row.delivered_at is not None) == ("delivered", True)
    assert set(there.ids()) == {str(row.id)}


def test_removing_beside_sending_leaves_no_row_waiting() -> None:
    ours = make.organization()
    with receiver() as there:
        endpoint = make.endpoint(ours.id, there.url)
        webhooks.queue(organization_id=ours.id, event_type="job.launched", payloads=[{}] * 40)

        def act(number: int) -> object:
            if number == 0:
                return webhooks.remove(endpoint=endpoint, by=new_id())
            return deliveries.sweep()

        assert not [one for one in together(4, act) if isinstance(one, Exception)]
    assert not WebhookDelivery.objects.filter(state="pending").exists()
    WebhookDelivery.objects.filter(state="pending").update(next_attempt_at=clock.now())
    assert deliveries.sweep() == 0
