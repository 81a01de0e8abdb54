"""Keep a set of child processes running, and end them together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

#: A process that lived this long starts its back-off anew when it dies.
HEALTHY_SECONDS = 30.0
LONGEST_BACKOFF = 15.0
DRAIN_SECONDS = 40.0

Say = Callable[[str], object]


@dataclass
class Backoff:
    """When something that failed may be tried again: soon at first, then ever more slowly."""

    delay: float = 0.5
    due: float = 0.0

    def failed(self, now: float, lived: float) -> float:
        """Note a failure after `lived` seconds of health; answer the seconds until the next try."""
        if lived >= HEALTHY_SECONDS:
            self.delay = 0.5
        wait = self.delay
        self.due = now + wait
        self.delay = min(self.delay * 2, LONGEST_BACKOFF)
        return wait


@dataclass
class Child:
    """One process that must always run."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)

    def start(self, now: float) -> None:
        """Start the process in a group of its own, so that Ctrl-C reaches only the supervisor."""
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=2,  # standard output is for what the command itself has to say
            start_new_session=True,
        )
        self.started = now

    def tend(self, now: float, say: Say) -> None:
        """Start the process when it is due, and notice when it died."""
        if self.process is None:
            if now >= self.backoff.due:
                self.start(now)
            return
        status = self.process.poll()
        if status is not None:
            _signal_group(self.process.pid, signal.SIGKILL)  # whoever it left behind
            self.process = None
            wait = self.backoff.failed(now, now - self.started)
            say(f"{self.name} ended with status {status}; starting it again in {wait:g} s")


@dataclass
class Server:
    """A server outside our process tree: asked whether it answers, started when it does not."""

    name: str
    answers: Callable[[], bool]
    ensure: Callable[[], None]
    seen: float = field(default_factory=time.monotonic)
    backoff: Backoff = field(default_factory=Backoff)

    def tend(self, now: float, say: Say) -> None:
        """Start the server again when it is gone."""
        if now < self.backoff.due:
            return
        if self.answers():
            self.backoff.due = now + 1.0
            return
        say(f"{self.name} does not answer; starting it again")
        try:
            self.ensure()
        except Exception as error:  # noqa: BLE001 - keep trying: the next start may work
            wait = self.backoff.failed(now, now - self.seen)
            say(f"{self.name} does not start ({error}); next try in {wait:g} s")
        else:
            self.seen = time.monotonic()
            say(f"{self.name} answers again")


class Supervisor:
    """Runs servers and children until it is told to stop."""

    def __init__(
        self, children: Sequence[Child], servers: Sequence[Server], record: Path, say: Say
    ) -> None:
        self.children = children
        self.servers = servers
        self.record = record
        self.say = say
        self.stopping = False

    def run(self, ready: Callable[[], bool], on_ready: Callable[[], None]) -> None:
        """Start everything and keep it running until a signal asks for the end.

        `ready` is asked until it is true once, then `on_ready` is called.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        self.watch(ready, on_ready)

    def watch(self, ready: Callable[[], bool], on_ready: Callable[[], None]) -> None:
        """As `run`, until `stopping` is set; minds no signals, so any thread may do it."""
        end_leftovers(self.record, self.say)
        waiting = True
        known: list[int] = []
        try:
            while not self.stopping:
                now = time.monotonic()
                for server in self.servers:
                    server.tend(now, self.say)
                for child in self.children:
                    child.tend(now, self.say)
                pids = [child.process.pid for child in self.children if child.process]
                if pids != known:
                    self.record.write_text("\n".join(map(str, pids)))
                    known = pids
                if waiting and ready():
                    waiting = False
                    on_ready()
                time.sleep(0.1)
        finally:
            self.drain()

    def drain(self) -> None:
        """Ask every child to finish what it does, in order, and end those that do not."""
        self.say("stopping: finishing what is under way")
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        until = time.monotonic() + DRAIN_SECONDS
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.1, until - time.monotonic()))
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
        self.record.unlink(missing_ok=True)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.stopping:
            # Asked twice: the person means it.
            for child in self.children:
                if child.process is not None:
                    _signal_group(child.process.pid, signal.SIGKILL)
        self.stopping = True


def end_leftovers(record: Path, say: Say) -> None:
    """End the children of a supervisor that was killed before it could end them itself."""
    if not record.exists():
        return
    for line in record.read_text().split():
        pid = int(line)
        command = _command_of(pid)
        if command and Path(sys.prefix).name in command:
            say(f"ending process {pid}, left over from an instance that was killed")
            _signal_group(pid, signal.SIGKILL)
    record.unlink()


def _command_of(pid: int) -> str:
    """The command line of a process that leads its group, or nothing."""
    try:
        if os.getpgid(pid) != pid:
            return ""
    except ProcessLookupError:
        return ""
    shown = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
