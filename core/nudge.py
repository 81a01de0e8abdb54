"""Waking a sweep at once instead of at its next round. A hint: nothing depends on it.

Nudges of one process are gathered and sent by a thread of their own, at most five times a second,
so a request never waits for the broker. While the broker is away nothing is tried for some seconds.
"""

from __future__ import annotations

import logging
import os
import threading
import time

from celery import current_app
from django.conf import settings
from django.db import transaction

from core import sweeps

PAUSE_SECONDS = 0.2
BROKEN_SECONDS = 5.0
#: A nudge that waited longer is pointless: the sweep's own round has come.
EXPIRES_SECONDS = 10

log = logging.getLogger(__name__)


def nudge(name: str) -> None:
    """Wake the sweep of that name once the present transaction has committed. Never fails."""
    if settings.NUDGES:
        # Robust: what was committed is not told as failed because no thread could be started.
        transaction.on_commit(lambda: _sender().add(name), robust=True)


class _Sender:
    """Gathers names and sends them from a thread that lives as long as the process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.names: set[str] = set()
        self.lock = threading.Lock()
        self.wake = threading.Event()
        threading.Thread(target=self._run, name="nudge", daemon=True).start()

    def add(self, name: str) -> None:
        with self.lock:
            self.names.add(name)
        self.wake.set()

    def _run(self) -> None:
        while True:
            self.wake.wait()
            self.wake.clear()
            with self.lock:
                names, self.names = self.names, set()
            try:
                for name in names:
                    _send(name)
            except Exception as error:  # noqa: BLE001 - whatever ails the broker, we go on
                log.debug("nudge not sent: %s", error)
                time.sleep(BROKEN_SECONDS)
            time.sleep(PAUSE_SECONDS)


def _send(name: str) -> None:
    found = sweeps.registry().get(name)
    current_app.send_task(
        name,
        queue=found.queue if found else None,
        expires=EXPIRES_SECONDS,
        retry=False,
        ignore_result=True,
    )


_current: _Sender | None = None
_making = threading.Lock()


def _sender() -> _Sender:
    """This process's sender; a fork starts one of its own."""
    global _current  # noqa: PLW0603 - one thread a process
    with _making:
        if _current is None or _current.pid != os.getpid():
            _current = _Sender()
        return _current
