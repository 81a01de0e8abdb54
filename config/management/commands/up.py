"""Run the whole site on this machine: servers, web, Celery worker and beat, under one roof."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import socket
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config import embedded, processes
from config.embedded import places
from config.processes import HOST
from config.supervision import Supervisor


class Command(BaseCommand):
    """One instance a checkout; everything it starts ends with it."""

    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what may be asked for."""
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
        parser.add_argument("--web-processes", type=_positive, default=2)
        parser.add_argument("--worker-processes", type=_positive, default=2)
        parser.add_argument("--demo", action="store_true", help="fill a small living market")

    def handle(self, *args: Any, **options: Any) -> None:
        """Start, prepare, announce, and supervise until a signal comes."""
        port: int = options["port"]
        root = places.data_root()
        root.mkdir(parents=True, exist_ok=True)
        instance = take_instance(root)
        refuse_busy_port(port, "PORT")
        kept = keep_port(port)
        if stand_in := processes.stand_in_port():
            refuse_busy_port(stand_in, "FAKE_STRIPE_PORT")
        self._start_servers()
        self.stdout.write("Bringing the database up to date …")
        call_command("migrate", verbosity=0, interactive=False)
        metrics = root / "metrics"
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir()
        if settings.OUTBOX_FOLDER is not None:
            settings.OUTBOX_FOLDER.mkdir(parents=True, exist_ok=True)
        supervisor = Supervisor(
            children=processes.children(
                port,
                metrics=metrics,
                web_processes=options["web_processes"],
                worker_processes=options["worker_processes"],
            ),
            servers=processes.servers(),
            record=root / "up.pids",
            say=self._say,
        )
        try:
            supervisor.run(
                ready=lambda: processes.answers(f"http://{HOST}:{port}/healthz"),
                on_ready=lambda: self._announce(port, options["demo"]),
            )
        finally:
            kept.close()
            instance.close()
        self.stdout.write("Stopped.")

    def _start_servers(self) -> None:
        if any(embedded.wanted()):
            self.stdout.write(f"Starting the embedded servers, data in {places.site().data} …")
        try:
            embedded.hold()
            embedded.ensure()
        except places.EmbeddedError as error:
            raise CommandError(str(error)) from error

    def _announce(self, port: int, demo: bool) -> None:
        here = f"http://{HOST}:{port}"
        lines = [
            "",
            f"Piecework runs at    {here}/",
            f"API documentation    {here}/api/v1/docs/",
            f"Administration       {here}/admin/",
            f"Health and metrics   {here}/readyz  {here}/metrics",
        ]
        if settings.OUTBOX_FOLDER is not None:
            lines.append(f"Mail is kept at      {here}/outbox/")
        else:
            lines.append(f"Mail goes through    {settings.EMAIL_BACKEND}")
        lines += ["Stop with Ctrl-C.", ""]
        self.stdout.write("\n".join(lines))
        if demo and "demo" in get_commands():
            call_command("demo", stdout=self.stdout)
        self.stdout.flush()

    def _say(self, text: str) -> None:
        self.stderr.write(f"up: {text}")


def take_instance(root: Path) -> TextIO:
    """Be the only instance on this data folder for as long as the file stays open.

    Raises:
        CommandError: another one runs.
    """
    handle = (root / "up.lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.seek(0)
        other = handle.read().strip() or "unknown"
        handle.close()
        raise CommandError(
            f"Another instance (process {other}) runs on {root}. Stop it first, or give this one "
            "a data folder of its own with PIECEWORK_DATA."
        ) from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def refuse_busy_port(port: int, variable: str) -> None:
    """Check that a port is free; `variable` of the environment chooses another.

    Raises:
        CommandError: something listens there, or is about to.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} is not free ({error.strerror}). "
                f"Choose another: {variable}={port + 1}."
            ) from None


def keep_port(port: int) -> socket.socket:
    """Keep a free port for the web processes for as long as the socket stays open.

    They listen with SO_REUSEPORT, by which those of a second instance would share the port
    unnoticed; the check above, which binds without it, meets this socket.
    """
    ours = socket.socket()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    ours.bind((HOST, port))
    return ours


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
