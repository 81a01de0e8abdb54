import threading

import pytest
from django.db import connection

from core import sweeps
from core.sweeps import Sweep


def test_a_sweep_goes_on_until_nothing_is_left(db):
    left = [3, 2, 0]
    found = Sweep("trial.drain", "default", 1, lambda: left.pop(0))
    assert sweeps.exhaust(found) == 5
    assert left == []


def test_a_sweep_leaves_the_rest_to_the_next_round(db):
    calls = []
    found = Sweep("trial.endless", "default", 1, lambda: calls.append(1) or 1)
    assert sweeps.exhaust(found, seconds=0) == 1
    assert calls == [1]


@pytest.mark.parametrize("parallel", [1, 2])
@pytest.mark.django_db(transaction=True)
def test_no_more_runs_than_may_be_are_at_it(parallel):
    inside, go_on = threading.Semaphore(0), threading.Event()
    entered = []

    def run():
        entered.append(1)
        inside.release()
        assert go_on.wait(10)
        return 0

    found = Sweep("trial.busy", "default", 1, run, parallel=parallel)

    def work():
        try:
            sweeps.exhaust(found)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(parallel)]
    for thread in threads:
        thread.start()
    for _ in range(parallel):
        assert inside.acquire(timeout=10)
    assert sweeps.exhaust(found) == 0
    assert len(entered) == parallel
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert sweeps.exhaust(found) == 0
    assert len(entered) == parallel + 1


@pytest.mark.django_db(transaction=True)
def test_a_sweep_that_fails_gives_its_place_back():
    def fail():
        raise RuntimeError("for a reason")

    with pytest.raises(RuntimeError):
        sweeps.exhaust(Sweep("trial.fails", "default", 1, fail))
    assert sweeps.exhaust(Sweep("trial.fails", "default", 1, lambda: 0)) == 0
    done = []
    sweeps.exhaust(Sweep("trial.fails", "default", 1, lambda: done.append(1) or 0))
    assert done == [1]
