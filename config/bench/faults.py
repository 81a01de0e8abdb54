"""A replay in which everything is killed in turn: it must end as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from config import embedded
from config.bench import ground
from config.embedded import places, postgres, valkey
from config.own_site import OwnSite
from config.replay import playing

MUST_BE_ZERO = ("broken", "not_killed")
#: Seconds of play before the first kill, and between kills.
FIRST, BETWEEN = 4.0, 7.0


def measure(*, data: str, max_tasks: int | None, seed: int) -> dict[str, Any]:
    """Replay a set; kill -9 a web process, a Celery worker, Valkey and PostgreSQL on the way."""
    own_postgres, own_valkey = embedded.wanted()
    if not (own_postgres and own_valkey):
        raise RuntimeError("Faults are for the embedded servers: unset DATABASE_URL and REDIS_URL.")
    ground.start_afresh()
    order = playing.Order.read(
        data=Path(data), policy=None, seed=seed, workers=8, max_tasks=max_tasks
    )
    killed: dict[str, int] = {}

    @contextlib.contextmanager
    def breaking(site: OwnSite | None) -> Iterator[None]:
        assert site is not None
        over = threading.Event()
        thread = threading.Thread(target=_kill_in_turn, args=(site, killed, over))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    found = playing.play(order, base_url=None, say=ground.say, meanwhile=breaking)
    return {
        "data": found["data"],
        "killed": killed,
        "not_killed": sorted(set(_VICTIMS) - set(killed)),
        "broken": sorted(name for name, holds in found["invariants"].items() if not holds),
        "replay": found,
    }


def _kill_in_turn(site: OwnSite, killed: dict[str, int], over: threading.Event) -> None:
    wait = FIRST
    for name, pid_of in _VICTIMS.items():
        if over.wait(wait):
            return
        wait = BETWEEN
        pid = _until(pid_of, site)
        if pid is not None:
            ground.say(f"\nkill -9 {name} (process {pid})")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed[name] = pid


def _until(
    find: Callable[[OwnSite], int | None], site: OwnSite, seconds: float = 10.0
) -> int | None:
    deadline = time.monotonic() + seconds
    while (pid := find(site)) is None and time.monotonic() < deadline:
        time.sleep(0.2)
    return pid


def _child_of(name: str) -> Callable[[OwnSite], int | None]:
    """A process that the named one started: it does the work."""

    def find(site: OwnSite) -> int | None:
        process = site.child(name).process
        if process is None:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in psutil.Process(process.pid).children(recursive=True):
                return int(one.pid)
        return None

    return find


def _top_of(name: str) -> Callable[[OwnSite], int | None]:
    def find(site: OwnSite) -> int | None:
        process = site.child(name).process
        return None if process is None else process.pid

    return find


_VICTIMS: dict[str, Callable[[OwnSite], int | None]] = {
    "a web process": _child_of("web"),
    "a Celery worker": _top_of("worker"),
    "Valkey": lambda _site: valkey.server_pid(places.site()),
    "PostgreSQL": lambda _site: postgres.server_pid(places.site()),
    "a Celery pool process": _child_of("worker"),
    "all web processes": _top_of("web"),
}


def lines(found: dict[str, Any]) -> list[str]:
    """For a person to read."""
    replay = found["replay"]
    quality = {name: replay[name] for name in ("accuracy", "wer") if name in replay}
    return [
        f"{found['data']}: {replay['tasks']} tasks, killed on the way: {', '.join(found['killed'])}",
        f"not killed: {found['not_killed'] or 'none'}; broken: {found['broken'] or 'nothing'}",
        f"{quality}, labels {replay['labels_per_task']}, pure code {replay['pure_policy']}",
    ]
