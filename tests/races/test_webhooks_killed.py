"""A sender that is killed while its call is on the way: the notice goes out again, never lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection
from standardwebhooks import Webhook

from core import clock
from marketplace.models import WebhookDelivery
from marketplace.services import deliveries, webhooks
from tests.factories import delivery as make
from tests.fakes.receiver import receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SEND = (
    "import django; django.setup(); from marketplace.services import deliveries; deliveries.sweep()"
)


def database_url() -> str:
    """Where the suite's own database is, for another process."""
    place = urlsplit(settings.DATABASE_URL)
    return urlunsplit(place._replace(path=f"/{connection.settings_dict['NAME']}"))


def test_killed_after_the_call_and_before_the_commit_it_is_sent_twice() -> None:
    sender: list[subprocess.Popen[bytes]] = []

    def kill_the_first_caller(count: int, _handler: BaseHTTPRequestHandler) -> int:
        if count == 1:
            sender[0].send_signal(signal.SIGKILL)
        return 200

    ours = make.organization()
    with receiver(kill_the_first_caller) as there:
        endpoint = make.endpoint(ours.id, there.url)
        webhooks.queue(organization_id=ours.id, event_type="job.launched", payloads=[{"job": "1"}])
        environment = {**os.environ, "DATABASE_URL": database_url(), "PYTHONWARNINGS": "default"}
        sender.append(subprocess.Popen([sys.executable, "-c", SEND], env=environment))
        assert sender[0].wait(timeout=60) == -signal.SIGKILL

        row = WebhookDelivery.objects.get()
        assert (row.state, row.attempts, row.log) == ("pending", 1, [])
        assert deliveries.sweep() == 0, "the dead one's lease still runs"
        WebhookDelivery.objects.update(next_attempt_at=clock.now())  # now it is over
        assert deliveries.sweep() == 1
    row.refresh_from_db()
    assert row.state == "delivered"
    assert there.ids() == [str(row.id)] * 2
    for got in there.received:
        assert Webhook(endpoint.secret).verify(got.body, got.headers)["data"] == {"job": "1"}
