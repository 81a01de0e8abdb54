"""The processes and servers that make up a site on this machine, with their command lines."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from django.conf import settings
from django.core.management import get_commands

from config import celery, embedded
from config.embedded import places, postgres, valkey
from config.supervision import Child, Server

HOST = "127.0.0.1"


def shared_environment(port: int) -> dict[str, str]:
    """What every process of a site is told: the servers, the settings, the site's own address."""
    return {
        "DATABASE_URL": settings.DATABASE_URL,
        "REDIS_URL": settings.REDIS_URL,
        "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
        "PUBLIC_URL": os.environ.get("PUBLIC_URL", f"http://{HOST}:{port}"),
    }


def web(
    port: int,
    *,
    processes: int,
    metrics: Path | None = None,
    extra: Mapping[str, str] | None = None,
) -> Child:
    """The web processes: granian on loopback."""
    environment = {**shared_environment(port), "PIECEWORK_PROCESS": "web", **(extra or {})}
    if metrics is not None:
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    command = [
        *_module("granian"), "--interface", "wsgi", "--host", HOST, "--port", str(port),
        "--workers", str(processes), "--blocking-threads", "5",
        "--respawn-failed-workers", "--workers-kill-timeout", "20",
        "--log-level", "warning", "config.wsgi:application",
    ]  # fmt: skip
    return Child("web", command, environment)


def worker(
    port: int, *, processes: int, name: str = "worker", queues: Iterable[str] = celery.QUEUES
) -> Child:
    """A Celery worker for some queues."""
    command = [
        *_celery(), "worker", "--queues", ",".join(queues),
        "--hostname", f"{'all' if name == 'worker' else name}@%h",
        "--concurrency", str(processes), "--loglevel", "WARNING",
        "--without-gossip", "--without-mingle",
    ]  # fmt: skip
    return Child(name, command, {**shared_environment(port), "PIECEWORK_PROCESS": "worker"})


def beat(port: int) -> Child:
    """Celery's clock."""
    command = [*_celery(), "beat", "--loglevel", "WARNING"]
    return Child("beat", command, {**shared_environment(port), "PIECEWORK_PROCESS": "worker"})


def stand_in_port() -> int | None:
    """Where the stand-in for Stripe is to listen, when this site is to use ours."""
    own: int | None = getattr(settings, "FAKE_STRIPE_PORT", None)
    if not own or os.environ.get("STRIPE_API_BASE") or "fakestripe" not in get_commands():
        return None
    return own


def stand_in(port: int) -> Child | None:
    """The stand-in for Stripe, when this site is to use ours."""
    own = stand_in_port()
    if own is None:
        return None
    command = [sys.executable, "manage.py", "fakestripe", "--port", str(own)]
    return Child("fakestripe", command, shared_environment(port))


def children(port: int, *, metrics: Path, web_processes: int, worker_processes: int) -> list[Child]:
    """All processes of a site."""
    found = [
        beat(port),
        web(port, processes=web_processes, metrics=metrics),
        worker(port, processes=worker_processes),
    ]
    stripe = stand_in(port)
    return [*found, stripe] if stripe else found


def servers() -> list[Server]:
    """The embedded servers that are ours to keep alive."""
    own_postgres, own_valkey = embedded.wanted()
    site = places.site()
    found = []
    if own_postgres:
        found.append(Server("PostgreSQL", _ready(site), lambda: postgres.ensure(site)))
    if own_valkey:
        found.append(Server("Valkey", lambda: valkey.answers(site), lambda: valkey.ensure(site)))
    return found


def _ready(site: places.Site) -> Callable[[], bool]:
    return lambda: postgres.probe(site) == "ready"


def answers(url: str) -> bool:
    """Whether a page of ours answers."""
    try:
        with urlopen(url, timeout=2) as response:  # noqa: S310 - our own loopback address
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def free_port() -> int:
    """A port of loopback that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", name]


def _celery() -> list[str]:
    return [*_module("celery"), "--app", "config.celery", "--quiet"]
