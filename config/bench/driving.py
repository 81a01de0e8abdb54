"""Starting the driver's process and hearing what it saw."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from config.bench import ground
from config.bench.urls import PATH
from config.own_site import OwnSite
from marketplace.models import Job


class Driver:
    """Workers at work in a process of their own."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.told: dict[str, Any] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "config.bench.drive"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order))
        self._process.stdin.close()

    def wait(self) -> dict[str, Any]:
        """What they saw, when they are done."""
        assert self._process.stdout is not None
        text = self._process.stdout.read()
        if self._process.wait(timeout=60):
            raise RuntimeError("the driver failed")
        self.told = json.loads(text)
        return self.told

    def stop(self) -> dict[str, Any]:
        """Let them finish what they are at, now."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()


def start(
    site: OwnSite, people: Sequence[ground.Hand], *, mode: str, seconds: float, **more: Any
) -> Driver:
    """Let workers work beside what is done here."""
    return Driver(
        {
            "port": site.port,
            "tokens": [hand.token for hand in people],
            "mode": mode,
            "seconds": seconds,
            "path": PATH,
            **more,
        }
    )


def drive(
    site: OwnSite,
    made: Job,
    people: Sequence[ground.Hand],
    *,
    mode: str,
    seconds: float,
    **more: Any,
) -> dict[str, Any]:
    """Let workers work in one job; what they saw."""
    return start(
        site, people, mode=mode, seconds=seconds, job=str(made.pk), answer=ground.ANSWER, **more
    ).wait()
