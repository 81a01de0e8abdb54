"""Recorded workers at work: each recorded answer is claimed, submitted and timed over HTTP."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from marketplace.quality.replay import Recorded

from .client import Api, client

STALL_SECONDS = 90.0  # nothing submitted for so long while answers wait: something is wrong
RETRY_SECONDS = 0.4


@dataclass
class Played:
    """What the drivers saw."""

    submitted: list[str] = field(default_factory=list)
    closed: int = 0
    waited: int = 0
    stalled: list[Recorded] = field(default_factory=list)
    claim_ms: list[float] = field(default_factory=list)
    submit_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0


class _Queue:
    """Answers in their order of arrival; those that must wait come back a little later."""

    def __init__(self, answers: Sequence[Recorded]) -> None:
        self.lock = threading.Lock()
        self.ready: deque[Recorded] = deque(answers)
        self.later: deque[tuple[float, Recorded]] = deque()
        self.running = 0
        self.busy: set[str] = set()
        self.last_progress = time.monotonic()

    def take(self) -> Recorded | None:
        """The next answer whose worker is not at work in another thread; None when all is done."""
        while True:
            with self.lock:
                now = time.monotonic()
                back = []
                while self.later and self.later[0][0] <= now:
                    back.append(self.later.popleft()[1])
                # In front: those that wait arrived before all that are still to come.
                self.ready.extendleft(reversed(back))
                for place, item in enumerate(self.ready):
                    if item.worker not in self.busy:
                        del self.ready[place]
                        self.busy.add(item.worker)
                        self.running += 1
                        return item
                if not self.ready and not self.later and not self.running:
                    return None
                if now - self.last_progress > STALL_SECONDS:
                    return None
            time.sleep(0.01)

    def done(self, item: Recorded, *, again: bool, progress: bool) -> None:
        """Let the worker go; ``again`` brings the answer back a little later."""
        with self.lock:
            self.busy.discard(item.worker)
            self.running -= 1
            if again:
                self.later.append((time.monotonic() + RETRY_SECONDS, item))
            if progress:
                self.last_progress = time.monotonic()

    def left(self) -> list[Recorded]:
        """Answers that nobody came to."""
        return [*self.ready, *(item for _, item in self.later)]


def play(
    answers: Sequence[Recorded],
    *,
    base_url: str,
    job: str,
    tokens: Mapping[str, str],
    workers: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Played:
    """Play answers in their order with ``workers`` threads until each is submitted or not wanted.

    A recorded worker never works in two threads at once. An answer whose task has no slot free at
    the moment (others are at it, or it waits to be judged) comes back a little later.
    """
    recorded: dict[tuple[str, str], Recorded] = {(a.worker, a.task): a for a in answers}
    queue = _Queue(answers)
    played = Played()
    lock = threading.Lock()
    seen: dict[str, int] = defaultdict(int)
    started = time.monotonic()
    failures: list[BaseException] = []

    def work(http: httpx.Client) -> None:
        while not failures and (item := queue.take()) is not None:
            progress = again = False
            try:
                outcome = _one(Api(base_url, tokens[item.worker], http=http), job, item, recorded)
            except BaseException as error:
                failures.append(error)
                queue.done(item, again=False, progress=True)
                raise
            with lock:
                played.claim_ms.extend(outcome.claim_ms)
                played.submit_ms.extend(outcome.submit_ms)
                played.submitted.extend(outcome.assignments)
                progress = bool(outcome.assignments) or outcome.state == "closed"
                again = outcome.state == "wait"
                played.closed += outcome.state == "closed"
                played.waited += again
                seen["done"] += not again
            queue.done(item, again=again, progress=progress)
            if on_progress is not None and seen["done"] % 50 == 0:
                on_progress(seen["done"], len(answers))

    with client() as http:
        threads = [threading.Thread(target=work, args=(http,)) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    played.stalled = queue.left()
    played.seconds = time.monotonic() - started
    return played


@dataclass
class _Outcome:
    state: str = "done"  # done | closed | wait
    assignments: list[str] = field(default_factory=list)
    claim_ms: list[float] = field(default_factory=list)
    submit_ms: list[float] = field(default_factory=list)


def _one(
    api: Api, job: str, item: Recorded, recorded: Mapping[tuple[str, str], Recorded]
) -> _Outcome:
    """Claim with this answer's task as the hint and submit. A claim that an interrupted call left
    behind comes back first; its own recorded answer is submitted then, and ours is tried again.
    """
    outcome = _Outcome()
    for _ in range(3):
        began = time.perf_counter()
        response = api.call(
            "POST", f"/jobs/{job}/claim", json={"hints": [item.task]}, expect=(201, 204, 403, 409)
        )
        outcome.claim_ms.append((time.perf_counter() - began) * 1000)
        if response.status_code == 403:
            outcome.state = "closed"  # suspended by the checks: this worker's answers end here
            return outcome
        if response.status_code == 409:
            outcome.state = "wait"
            return outcome
        if response.status_code == 204:
            outcome.state = "closed" if response.headers["X-Remaining"] == "none" else "wait"
            return outcome
        claim = response.json()
        task = claim["task"]["data"]["ref"]
        began = time.perf_counter()
        api.post(
            f"/assignments/{claim['id']}/submit", {"answer": recorded[item.worker, task].answer}
        )
        outcome.submit_ms.append((time.perf_counter() - began) * 1000)
        outcome.assignments.append(claim["id"])
        if task == item.task:
            return outcome
    outcome.state = "wait"
    return outcome
