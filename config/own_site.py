"""A site of a command's own: web processes, a Celery worker and beat, for as long as it works."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from config import processes
from config.embedded import places
from config.supervision import Child, Supervisor, end_leftovers

START_SECONDS = 90.0

Make = Callable[[int, Path], Sequence[Child]]


class DidNotStart(RuntimeError):
    """The site does not answer; what its processes said is on standard error."""


def usual(port: int, metrics: Path) -> Sequence[Child]:
    """What serves a replay: two web processes, a Celery worker of two, and beat."""
    return [
        processes.beat(port),
        processes.web(port, processes=2, metrics=metrics),
        processes.worker(port, processes=2),
    ]


class OwnSite:
    """Started on entering, ended on leaving; whatever dies between is started again."""

    def __init__(self, make: Make = usual, *, say: Callable[[str], object]) -> None:
        self.port = processes.free_port()
        self.base_url = f"http://{processes.HOST}:{self.port}"
        self._metrics = Path(tempfile.mkdtemp(prefix="piecework-metrics-"))
        self.children = list(make(self.port, self._metrics))
        root = places.data_root()
        root.mkdir(parents=True, exist_ok=True)
        for left in root.glob("own-*.pids"):
            if not psutil.pid_exists(int(left.stem.removeprefix("own-"))):
                end_leftovers(left, say)
        record = root / f"own-{os.getpid()}.pids"
        self.supervisor = Supervisor(self.children, processes.servers(), record, say)
        self._thread = threading.Thread(
            target=self.supervisor.watch,
            args=(lambda: processes.answers(f"{self.base_url}/healthz"), lambda: None),
            name="own-site",
        )

    def child(self, name: str) -> Child:
        """The process of that name. Raises StopIteration for an unknown one."""
        return next(child for child in self.children if child.name == name)

    def __enter__(self) -> Self:
        """Start everything and wait until a page answers. Raises DidNotStart."""
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not processes.answers(f"{self.base_url}/readyz"):
            if time.monotonic() > deadline or not self._thread.is_alive():
                self._end()
                raise DidNotStart(f"no answer from {self.base_url} within {START_SECONDS:.0f} s")
            time.sleep(0.1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything; running requests and sweeps finish first."""
        self._end()

    def _end(self) -> None:
        self.supervisor.stopping = True
        self._thread.join()
        shutil.rmtree(self._metrics, ignore_errors=True)
