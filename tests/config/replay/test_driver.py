"""The drivers' queue: arrival order, one hand for each worker, patience."""

import threading

import httpx
import pytest

from config.replay import client, driver
from marketplace.quality.replay import Recorded


def answer(task, worker):
    return Recorded(task, worker, {"choice": "a"})


def test_a_worker_at_work_is_passed_over_and_keeps_the_place():
    queue = driver._Queue([answer("t1", "w1"), answer("t2", "w1"), answer("t3", "w2")])
    first = queue.take()
    assert (first.task, queue.take().task) == ("t1", "t3")
    queue.done(first, again=False, progress=True)
    assert queue.take().task == "t2"


def test_what_must_wait_comes_back_before_what_is_still_to_come(monkeypatch):
    monkeypatch.setattr(driver, "RETRY_SECONDS", 0.0)
    queue = driver._Queue([answer("t1", "w1"), answer("t2", "w2"), answer("t3", "w3")])
    first = queue.take()
    queue.done(first, again=True, progress=False)
    assert queue.take().task == "t1"
    assert queue.take().task == "t2"


def test_nobody_waits_for_ever(monkeypatch):
    monkeypatch.setattr(driver, "STALL_SECONDS", 0.05)
    queue = driver._Queue([answer("t1", "w1")])
    queue.busy.add("w1")
    assert queue.take() is None
    assert [one.task for one in queue.left()] == ["t1"]


def api(handler, monkeypatch):
    monkeypatch.setattr(client.time, "sleep", lambda _: None)
    transport = httpx.MockTransport(handler)
    return client.Api("http://site", "token", http=httpx.Client(transport=transport))


def test_a_call_is_made_again_while_the_server_is_away(monkeypatch):
    seen = []

    def handler(request):
        seen.append(request.headers["authorization"])
        if len(seen) == 1:
            raise httpx.ConnectError("refused")
        return httpx.Response(503 if len(seen) < 4 else 200, json={"ok": len(seen)})

    assert api(handler, monkeypatch).get("/thing") == {"ok": 4}
    assert seen == ["Bearer token"] * 4


def test_a_refusal_is_not_tried_again(monkeypatch):
    count = []

    def handler(_request):
        count.append(1)
        return httpx.Response(422, json={"code": "unprocessable"})

    with pytest.raises(client.CallFailed, match="422"):
        api(handler, monkeypatch).post("/thing")
    assert len(count) == 1


def test_every_recorded_answer_is_played_once_even_out_of_turn(monkeypatch):
    """A claim left over from a cut call comes back first: its own answer is submitted then."""
    lock = threading.Lock()
    held, given, said = {}, set(), []

    def handler(request):
        worker = request.headers["authorization"].removeprefix("Bearer ")
        with lock:
            if request.url.path.endswith("/claim"):
                hint = client.httpx.Response(200, content=request.content).json()["hints"][0]
                if worker not in held:
                    if (worker, hint) in given:
                        return httpx.Response(204, headers={"X-Remaining": "none"})
                    held[worker] = hint
                task = held[worker]
                body = {"id": f"{worker}-{task}", "task": {"data": {"ref": task}}}
                return httpx.Response(201, json=body)
            task = held.pop(worker)
            given.add((worker, task))
            said.append(request.url.path.split("/")[-2])
            return httpx.Response(200, json={})

    transport = httpx.MockTransport(handler)
    monkeypatch.setattr(driver, "client", lambda: httpx.Client(transport=transport))
    held["w1"] = "t2"
    answers = [answer(f"t{n}", f"w{k}") for n in range(1, 4) for k in range(1, 4)]
    tokens = {f"w{k}": f"w{k}" for k in range(1, 4)}
    played = driver.play(answers, base_url="http://site", job="j", tokens=tokens, workers=4)
    assert sorted(said) == sorted(f"{one.worker}-{one.task}" for one in answers)
    assert sorted(played.submitted) == sorted(said)
    assert played.stalled == []
