from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, transaction

from tests.factories import marketplace as make
from tests.factories import push
from tests.factories import workers as people
from workers.models import Availability, Offer
from workers.services import dispatch, offers, suspensions

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    dispatch._barren.clear()


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted"
            " AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )
        return bool(cursor.fetchone()[0])


def test_a_suspension_and_an_answer_to_the_offer_never_wait_for_each_other() -> None:
    """Who declines holds the offer and then writes the availability; so does the suspension."""
    make.live(2)
    who = push.available()
    push.dispatched()
    offer = push.offered_to(who)
    assert offer is not None
    by = people.person().id
    failures: list[BaseException] = []

    def suspend() -> None:
        try:
            suspensions.suspend(worker_id=who.id, reason="spam", by=by)
        except BaseException as problem:  # noqa: BLE001
            failures.append(problem)
        finally:
            connection.close()

    thread = threading.Thread(target=suspend)
    with transaction.atomic():
        Offer.objects.select_for_update().get(pk=offer.pk)
        thread.start()
        until = time.monotonic() + 10
        while not somebody_waits():
            assert time.monotonic() < until
            time.sleep(0.01)
        offers.decline(offer_id=offer.pk, worker_id=who.id)
    thread.join(10)
    assert failures == []
    offer.refresh_from_db()
    assert offer.state == Offer.State.DECLINED
    row = Availability.objects.get(pk=who.id)
    assert (row.ended_reason, row.is_busy) == (Availability.Ended.SUSPENDED, False)
