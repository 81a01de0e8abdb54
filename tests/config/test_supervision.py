"""The supervisor keeps its children alive and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from config import supervision
from config.supervision import Backoff, Child, Server, Supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def said():
    return []


@pytest.fixture
def run(tmp_path, monkeypatch, said):
    """Run a supervisor in a thread; signals stay with pytest."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    started = []

    def start(children, servers=()):
        supervisor = Supervisor(children, servers, tmp_path / "pids", said.append)
        thread = threading.Thread(target=supervisor.run, args=(lambda: True, lambda: None))
        thread.start()
        started.append((supervisor, thread))
        return supervisor

    yield start
    for supervisor, thread in started:
        supervisor.stopping = True
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_waiting_grows_and_starts_anew_after_health():
    backoff = Backoff()
    waits = [backoff.failed(0, lived=0.1) for _ in range(8)]
    assert waits == [0.5, 1, 2, 4, 8, 15, 15, 15]
    assert backoff.failed(0, lived=supervision.HEALTHY_SECONDS) == 0.5


@pytest.mark.slow
def test_a_killed_child_is_started_again_and_ended_at_the_end(run, said, tmp_path):
    child = Child("sleeper", SLEEP, {})
    supervisor = run([child])
    wait_for(lambda: child.process is not None and (tmp_path / "pids").exists())
    first = child.process.pid
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: child.process is not None and child.process.pid != first)
    second = child.process
    supervisor.stopping = True
    wait_for(lambda: second.poll() is not None)
    assert any("sleeper ended with status -9" in line for line in said)
    wait_for(lambda: not (tmp_path / "pids").exists())


@pytest.mark.slow
def test_a_server_that_stops_answering_is_started_again(run, said):
    state = {"up": False, "starts": 0}

    def ensure():
        state["starts"] += 1
        if state["starts"] == 1:
            raise OSError("not yet")
        state["up"] = True

    run([], [Server("store", lambda: state["up"], ensure)])
    wait_for(lambda: state["up"])
    assert said[:2] == [
        "store does not answer; starting it again",
        "store does not start (not yet); next try in 0.5 s",
    ]


def test_children_of_a_killed_supervisor_are_ended_by_the_next(tmp_path, said):
    orphan = subprocess.Popen(SLEEP, start_new_session=True)
    record = tmp_path / "pids"
    record.write_text(f"{orphan.pid}\n")
    supervision.end_leftovers(record, said.append)
    assert orphan.wait(timeout=5) == -signal.SIGKILL
    assert not record.exists()


def test_a_stranger_with_a_recorded_number_is_left_alone(tmp_path, said):
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    record = tmp_path / "pids"
    record.write_text(f"{stranger.pid}\n999999999")
    supervision.end_leftovers(record, said.append)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
