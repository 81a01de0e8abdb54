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

MUST_BE_ZERO = ("broken", "not_struck")
#: Seconds of play before the first kill, and between kills.
FIRST, BETWEEN = 4.0, 7.0


def measure(*, data: str, max_tasks: int | None, seed: int) -> dict[str, Any]:
    """Replay a set; on the way kill -9 a web process, a Celery worker, Valkey and PostgreSQL, and
    wipe all that Valkey holds.
    """
    own_postgres, own_valkey = embedded.wanted()
    if not (own_postgres and own_valkey):
        raise RuntimeError("Faults are for the embedded servers: unset DATABASE_URL and REDIS_URL.")
    ground.start_afresh()
    order = playing.Order.read(
        data=Path(data), policy=None, seed=seed, workers=8, max_tasks=max_tasks
    )
    struck: list[str] = []

    @contextlib.contextmanager
    def breaking(site: OwnSite | None) -> Iterator[None]:
        assert site is not None
        over = threading.Event()
        thread = threading.Thread(target=_break_in_turn, args=(site, struck, over))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    found = playing.play(order, base_url=None, say=ground.say, meanwhile=breaking)
    return {
        "data": found["data"],
        "struck": struck,
        "not_struck": sorted(set(_FAULTS) - set(struck)),
        "broken": sorted(name for name, holds in found["invariants"].items() if not holds),
        "replay": found,
    }


def _break_in_turn(site: OwnSite, struck: list[str], over: threading.Event) -> None:
    wait = FIRST
    for name, strike in _FAULTS.items():
        if over.wait(wait):
            return
        wait = BETWEEN
        if strike(site):
            ground.say(f"\n{name}")
            struck.append(name)


def _killing(find: Callable[[OwnSite], int | None]) -> Callable[[OwnSite], bool]:
    """Kill -9 of the process that is found."""

    def strike(site: OwnSite) -> bool:
        pid = _until(find, site)
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    return strike


def _wipe(_site: OwnSite) -> bool:
    """Queues, messages not yet acknowledged, counters: all that Valkey holds is gone."""
    return valkey.wipe(places.site())


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


_FAULTS: dict[str, Callable[[OwnSite], bool]] = {
    "a web process killed": _killing(_child_of("web")),
    "a Celery worker killed": _killing(_top_of("worker")),
    "Valkey wiped": _wipe,
    "Valkey killed": _killing(lambda _site: valkey.server_pid(places.site())),
    "PostgreSQL killed": _killing(lambda _site: postgres.server_pid(places.site())),
    "a Celery pool process killed": _killing(_child_of("worker")),
    "all web processes killed": _killing(_top_of("web")),
}


def lines(found: dict[str, Any]) -> list[str]:
    """For a person to read."""
    replay = found["replay"]
    quality = {name: replay[name] for name in ("accuracy", "wer") if name in replay}
    return [
        f"{found['data']}: {replay['tasks']} tasks; on the way: {', '.join(found['struck'])}",
        f"not struck: {found['not_struck'] or 'none'}; broken: {found['broken'] or 'nothing'}",
        f"{quality}, labels {replay['labels_per_task']}, pure code {replay['pure_policy']}",
    ]
