import threading
import time
from types import SimpleNamespace

import pytest
from django.db import transaction

from core import nudge as nudging
from core import sweeps

pytestmark = pytest.mark.django_db

NAME = "core.forget_keys"


class Broker:
    """Stands where messages are sent from; may be slow or away."""

    def __init__(self):
        self.sent = []
        self.threads = set()
        self.tried = 0
        self.slept = []
        self.is_away = False
        self.answers = threading.Event()
        self.answers.set()
        self.is_back = threading.Event()

    def send(self, name):
        self.tried += 1
        self.threads.add(threading.current_thread())
        self.answers.wait(10)
        if self.is_away:
            raise ConnectionError("the broker is away")
        self.sent.append(name)

    def sleep(self, seconds):
        self.slept.append(seconds)
        if seconds == nudging.BROKEN_SECONDS:
            self.is_back.wait(10)


@pytest.fixture
def broker(monkeypatch, settings):
    settings.NUDGES = True
    found = Broker()
    monkeypatch.setattr(nudging, "_current", None)
    monkeypatch.setattr(nudging, "_send", found.send)
    monkeypatch.setattr(nudging, "time", SimpleNamespace(sleep=found.sleep))
    return found


@pytest.fixture
def nudge(django_capture_on_commit_callbacks):
    """Nudge in a transaction of its own that commits."""

    def commit(*names):
        with django_capture_on_commit_callbacks(execute=True):
            for name in names:
                nudging.nudge(name)

    return commit


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_nudge_goes_out_after_the_commit(broker, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        nudging.nudge(NAME)
        time.sleep(0.05)
        assert broker.tried == 0
    until(lambda: broker.sent == [NAME])


def test_what_is_undone_nudges_nobody(broker, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True) as waiting, transaction.atomic():
        nudging.nudge(NAME)
        transaction.set_rollback(True)
    assert waiting == []


def test_switched_off_it_does_nothing(broker, settings, django_capture_on_commit_callbacks):
    settings.NUDGES = False
    with django_capture_on_commit_callbacks() as waiting:
        nudging.nudge(NAME)
    assert waiting == []


def test_nobody_waits_for_the_broker_and_many_nudges_are_one(broker, nudge):
    broker.answers.clear()
    nudge("a")
    until(lambda: broker.tried == 1)
    for _ in range(50):
        nudge("a", "b")  # would wait here for a broker that does not answer
    assert broker.sent == []
    broker.answers.set()
    until(lambda: len(broker.sent) == 3)
    until(lambda: broker.slept == [nudging.PAUSE_SECONDS] * 2)
    assert (broker.sent[0], sorted(broker.sent[1:])) == ("a", ["a", "b"])
    assert [thread.name for thread in broker.threads] == ["nudge"]
    assert threading.current_thread() not in broker.threads


def test_a_broker_that_is_away_is_left_alone_for_a_while(broker, nudge):
    broker.is_away = True
    nudge("a")
    until(lambda: broker.slept == [nudging.BROKEN_SECONDS])
    for _ in range(20):
        nudge("a")
    assert broker.tried == 1
    broker.is_away = False
    broker.is_back.set()
    until(lambda: broker.sent == ["a"])
    assert broker.tried == 2


def test_what_is_committed_stays_so_when_no_thread_can_be_started(broker, nudge, monkeypatch):
    def start(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    nudge("a")
    assert broker.tried == 0


def test_a_fork_has_a_sender_of_its_own(broker, nudge):
    nudge("a")
    until(lambda: broker.sent == ["a"])
    nudging._current.pid = -1  # as a child sees its parent's
    nudge("b")
    until(lambda: broker.sent == ["a", "b"])
    assert len(broker.threads) == 2


@pytest.mark.parametrize("name", [NAME, "no.such"])
def test_a_message_goes_to_the_sweeps_queue_and_soon_expires(monkeypatch, name):
    sent = {}
    app = SimpleNamespace(send_task=lambda name, **given: sent.update(given, name=name))
    monkeypatch.setattr(nudging, "current_app", app)
    nudging._send(name)
    found = sweeps.registry().get(name)
    assert sent == {
        "name": name,
        "queue": found.queue if found else None,
        "expires": nudging.EXPIRES_SECONDS,
        "retry": False,
        "ignore_result": True,
    }
