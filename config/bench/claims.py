"""Claims and submits over HTTP beside pgbench running the same statements, in the same run."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.db import connection

from config import processes
from config.bench import blocks, counting, driving, ground, pgbench
from config.own_site import OwnSite
from config.supervision import Child
from marketplace.models import Job

MUST_BE_ZERO = ("over_overlap", "repeated", "stranded", "double_click_faults")
ROUNDS = 3
DRAINERS = 32
#: The sweeps that run beside the claims, as they do in the product.
SWEEPS = ("workers.judge", "workers.settle", "workers.expire", "marketplace.open_tasks")
BACKLOG_SECONDS = 90.0


def site_of(port: int, metrics: Path) -> Sequence[Child]:
    """Two web processes with the empty endpoint, and the sweeps in a process of their own."""
    sweeper = [sys.executable, "manage.py", "sweep", "--forever", *SWEEPS]
    return [
        processes.web(port, processes=2, metrics=metrics, extra={"PIECEWORK_BENCH": "1"}),
        Child(
            "sweeps", sweeper, {**processes.shared_environment(port), "PIECEWORK_PROCESS": "worker"}
        ),
    ]


def measure(*, tasks: int, workers: int, seconds: int, big: int = 1_000_000) -> dict[str, Any]:
    """The whole measurement; see api.md for the shape. ``big`` is the larger size of the growth."""
    ground.start_afresh()
    house = ground.requester()
    found: dict[str, Any] = {"tasks": tasks, "workers": workers, "seconds": seconds}
    found["synchronous_commit"] = _setting("synchronous_commit")
    ground.say("Counting statements …")
    found["statements_per_pair"] = counting.statements_per_pair(house)
    with OwnSite(site_of, say=ground.say) as site:
        found.update(_rates(site, house, tasks=tasks, workers=workers, seconds=seconds))
        found.update(_drain(site, house, tasks=min(tasks, 1000)))
        found.update(_double(site, house, seconds=min(seconds, 10)))
    found["blocks_per_claim"] = {
        **blocks.growth(house, (10_000, big)),
        **blocks.diligence(house),
    }
    return found


def _rates(
    site: OwnSite, house: ground.House, *, tasks: int, workers: int, seconds: int
) -> dict[str, Any]:
    """Interleaved rounds of each way, on a fresh job each; medians."""
    people = ground.hands(workers)
    part = max(2, seconds // ROUNDS)
    rates: dict[str, list[float]] = {"http": [], "http_fused": [], "pgbench": [], "empty": []}
    cpu: dict[str, list[float]] = {"http": [], "http_fused": [], "empty": []}
    driver_cpu: list[float] = []
    times: dict[str, list[float]] = {"claim_ms": [], "submit_ms": []}
    refused: dict[str, int] = {}
    program = ""
    for number in range(1, ROUNDS + 1):
        for name, mode in (("http", "pairs"), ("http_fused", "fused"), ("empty", "empty")):
            made = ground.job(house, tasks=tasks)
            ground.seat(made, people)
            ground.settle_down()
            before = _web_cpu(site)
            told = driving.drive(site, made, people, mode=mode, seconds=part)
            spent = _web_cpu(site) - before
            rates[name].append(told["pairs"] / told["seconds"])
            cpu[name].append(1000 * spent / max(1, told["pairs"]))
            driver_cpu.append(1000 * told["cpu_seconds"] / max(1, told["pairs"]))
            if name == "http":
                for key, all_times in times.items():
                    all_times.extend(told[key])
            for code, count in told["refused"].items():
                refused[code] = refused.get(code, 0) + count
            ground.say(f"  round {number}: {name} {rates[name][-1]:.0f}/s, {cpu[name][-1]:.2f} ms")
            _wait_for_judging()
        made = ground.job(house, tasks=tasks)
        ground.seat(made, people)
        ground.settle_down()
        rate = pgbench.run(job=made.pk, interface=made.interface_id, people=people, seconds=part)
        program = rate.program
        rates["pgbench"].append(rate.pairs_per_second)
        ground.say(f"  round {number}: {program} {rate.pairs_per_second:.0f}/s")
        _wait_for_judging()
    rate_of = {name: round(statistics.median(found), 1) for name, found in rates.items()}
    cpu_of = {name: statistics.median(found) for name, found in cpu.items()}
    yardstick = rate_of["pgbench"]
    return {
        "pairs_per_second": {n: rate_of[n] for n in ("http", "http_fused", "pgbench")},
        "share_of_pgbench": {
            name: round(rate_of[name] / yardstick, 3) for name in ("http", "http_fused")
        },
        "yardstick": program,
        "empty_requests_per_second": rate_of["empty"],
        "app_cpu_ms": {name: round(value, 3) for name, value in cpu_of.items()},
        # A pair is two requests, or one when fused, beside as many empty ones.
        "app_cpu_of_empty": {
            "http": round(cpu_of["http"] / (2 * cpu_of["empty"]), 2),
            "http_fused": round(cpu_of["http_fused"] / cpu_of["empty"], 2),
        },
        "driver_cpu_ms": round(statistics.median(driver_cpu), 3),
        "claim_ms": percentiles(times["claim_ms"]),
        "submit_ms": percentiles(times["submit_ms"]),
        "refused": refused,
    }


def _drain(site: OwnSite, house: ground.House, *, tasks: int) -> dict[str, Any]:
    """Many claimers empty a job; whatever is over, twice, or left is counted."""
    ground.say(f"Draining {tasks:,} tasks with {DRAINERS} claimers …")
    made = ground.job(house, tasks=tasks)
    people = ground.hands(DRAINERS)
    told = driving.drive(site, made, people, mode="drain", seconds=300)
    _wait_for_judging()
    return {**faults_of(made), "drained_pairs": told["pairs"], "drainers_done": told["done"]}


def _double(site: OwnSite, house: ground.House, *, seconds: int) -> dict[str, Any]:
    """Each claim asked for twice at once; no worker may come to hold two."""
    ground.say("Clicking twice …")
    made = ground.job(house, tasks=5000)
    people = ground.hands(16)
    told = driving.drive(site, made, people, mode="double", seconds=seconds)
    found = faults_of(made)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT worker_id FROM workers_assignment WHERE job_id = %s"
            " AND state = 'claimed' GROUP BY worker_id HAVING count(*) > 1) twice",
            [made.pk],
        )
        live = int(cursor.fetchone()[0])
    faults = {
        "double_live_claims": live + told["refused"].get("two live claims", 0),
        "over_overlap": found["over_overlap"],
        "repeated": found["repeated"],
    }
    return {
        "double_clicks": {"pairs": told["pairs"], **faults},
        "double_click_faults": sum(faults.values()),
    }


def faults_of(made: Job) -> dict[str, int]:
    """Tasks over their overlap, given twice to a worker, and slots still free, of one job."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT
                (SELECT count(*) FROM (
                    SELECT t.id FROM marketplace_task t JOIN workers_assignment a ON a.task_id = t.id
                    WHERE t.job_id = %(job)s AND a.state NOT IN ('returned', 'expired')
                    GROUP BY t.id HAVING count(*) > t.max_overlap) over),
                (SELECT count(*) FROM (
                    SELECT 1 FROM workers_assignment WHERE job_id = %(job)s
                    GROUP BY task_id, worker_id HAVING count(*) > 1) twice),
                (SELECT coalesce(sum(remaining), 0) FROM marketplace_task WHERE job_id = %(job)s)
            """,
            {"job": made.pk},
        )
        over, twice, left = cursor.fetchone()
    return {"over_overlap": int(over), "repeated": int(twice), "stranded": int(left)}


def _web_cpu(site: OwnSite) -> float:
    """CPU seconds of all web processes so far."""
    process = site.child("web").process
    assert process is not None
    top = psutil.Process(process.pid)
    return sum(sum(one.cpu_times()[:2]) for one in (top, *top.children(recursive=True)))


def _wait_for_judging() -> None:
    """Let the sweeps catch up, so that no round pays for the one before."""
    deadline = time.monotonic() + BACKLOG_SECONDS
    while ground.waiting("state = 'submitted'") and time.monotonic() < deadline:
        time.sleep(0.5)


def percentiles(found: Sequence[float]) -> dict[str, float]:
    """Middle and slow end of times in milliseconds."""
    ordered = sorted(found) or [0.0]
    last = len(ordered) - 1
    return {f"p{share}": round(ordered[round(last * share / 100)], 2) for share in (50, 95, 99)}


def _setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        return str(cursor.fetchone()[0])


def lines(found: dict[str, Any]) -> list[str]:
    """The measurement for a person to read, with the guards beside."""
    rates, share = found["pairs_per_second"], found["share_of_pgbench"]
    per_claim, statements = found["blocks_per_claim"], found["statements_per_pair"]
    sizes = [name for name in per_claim if name.startswith("open_")]
    return [
        (
            f"{found['tasks']:,} tasks, {found['workers']} workers, 2 web processes, "
            f"synchronous_commit {found['synchronous_commit']} everywhere, sweeps running"
        ),
        (
            f"pairs/s        two calls {rates['http']:.0f}, fused {rates['http_fused']:.0f}, "
            f"{found['yardstick']} {rates['pgbench']:.0f}"
        ),
        (
            f"share          two calls {share['http']:.3f} (guard .10), "
            f"fused {share['http_fused']:.3f} (guard .20)"
        ),
        (
            f"statements     two calls {statements['http']} (guard 5), "
            f"fused {statements['http_fused']} (guard 3)"
        ),
        (
            f"app CPU        {found['app_cpu_ms']['http']:.2f} ms a pair, "
            f"{found['app_cpu_of_empty']['http']:.2f}x as many empty requests (guard 3); fused "
            f"{found['app_cpu_ms']['http_fused']:.2f} ms, {found['app_cpu_of_empty']['http_fused']:.2f}x"
        ),
        "blocks         " + ", ".join(f"{name} {value:.0f}" for name, value in per_claim.items()),
        (
            f"               growth {per_claim[sizes[1]] / max(1, per_claim[sizes[0]]):.2f} (guard 1.5), "
            f"99 % done {per_claim['done_99'] / max(1, per_claim['done_0']):.2f} (guard 2)"
        ),
        (
            f"drain          over overlap {found['over_overlap']}, repeated {found['repeated']}, "
            f"stranded {found['stranded']}; double clicks {found['double_clicks']}"
        ),
        (
            f"latency        claim {found['claim_ms']}, submit {found['submit_ms']}; "
            f"refused {found['refused'] or 'nothing'}"
        ),
        (
            f"driver         {found['driver_cpu_ms']:.2f} ms CPU a pair on the same machine, "
            f"{psutil.cpu_count()} cores, {settings.DATABASES['default']['ENGINE'].rsplit('.', 1)[-1]}"
        ),
    ]
