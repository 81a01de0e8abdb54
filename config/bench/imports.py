"""A large upload over HTTP: rows a second, and how much memory the web process takes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

from config import processes
from config.bench import ground
from config.own_site import OwnSite
from config.supervision import Child
from marketplace.models import Task
from marketplace.services import jobs

MUST_BE_ZERO = ("missing",)
SAMPLE_SECONDS = 0.05


def site_of(port: int, metrics: Path) -> Sequence[Child]:
    """One web process."""
    return [processes.web(port, processes=1, metrics=metrics)]


def measure(*, tasks: int) -> dict[str, Any]:
    """Upload that many rows as one NDJSON stream, then the same again: all are duplicates."""
    ground.start_afresh()
    house = ground.requester()
    job = jobs.create_draft(
        organization_id=house.organization,
        fields={
            "name": "Import",
            "kind": "choices",
            "interface": ground.SPEC,
            "base_rate_micros": 1000,
            "seconds_per_unit": 1,
            "sandbox": True,
        },
        by=house.owner,
    )
    with OwnSite(site_of, say=ground.say) as site:
        first = _upload(site, house, str(job.pk), tasks)
        again = _upload(site, house, str(job.pk), tasks)
    created = first["answer"]["created"]
    return {
        "tasks": tasks,
        "seconds": first["seconds"],
        "rows_per_second": round(tasks / first["seconds"]),
        "peak_rss_mib": first["peak_rss_mib"],
        "again_seconds": again["seconds"],
        "again_duplicates": again["answer"]["duplicates"],
        "missing": tasks - created + tasks - Task.objects.filter(job=job).count(),
    }


def _upload(site: OwnSite, house: ground.House, job: str, tasks: int) -> dict[str, Any]:
    def rows() -> Iterator[bytes]:
        for first in range(0, tasks, 1000):
            yield b"".join(_row(number) for number in range(first, min(first + 1000, tasks)))

    with _Peak(site) as peak:
        began = time.perf_counter()
        response = httpx.post(
            f"{site.base_url}/api/v1/jobs/{job}/tasks",
            content=rows(),
            headers={
                "Authorization": f"Bearer {house.token}",
                "Content-Type": "application/x-ndjson",
            },
            timeout=600,
        )
        seconds = time.perf_counter() - began
    response.raise_for_status()
    ground.say(f"  {tasks:,} rows in {seconds:.1f} s: {response.text[:120]}")
    return {
        "answer": response.json(),
        "seconds": round(seconds, 2),
        "peak_rss_mib": round(peak.bytes / 2**20, 1),
    }


def _row(number: int) -> bytes:
    text = f"Sentence number {number}, long enough to look like one of those that people label."
    return json.dumps({"external_id": f"row-{number}", "data": {"text": text}}).encode() + b"\n"


class _Peak:
    """The largest resident size of any web process while the block runs."""

    def __init__(self, site: OwnSite) -> None:
        process = site.child("web").process
        assert process is not None
        self._top = psutil.Process(process.pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.bytes = 0

    def __enter__(self) -> _Peak:  # noqa: PYI034 - one class, never inherited
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            for one in (self._top, *self._top.children(recursive=True)):
                self.bytes = max(self.bytes, one.memory_info().rss)


def lines(found: dict[str, Any]) -> list[str]:
    """For a person to read."""
    return [
        (
            f"{found['tasks']:,} rows in {found['seconds']} s over HTTP: "
            f"{found['rows_per_second']:,} rows/s (guard 5,000), "
            f"web process at most {found['peak_rss_mib']} MiB (guard 300)"
        ),
        (
            f"the same again: {found['again_duplicates']:,} duplicates in {found['again_seconds']} s; "
            f"missing {found['missing']}"
        ),
    ]
