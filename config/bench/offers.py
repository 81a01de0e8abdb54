"""Push work alone: offers matched, taken, declined, ignored, with a dispatch worker killed midway.

Slots open at a steady rate that the workers can keep up with, so that the time from an open slot to
its offer is the dispatcher's and not that of a queue.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import statistics
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from config import celery, processes
from config.bench import claims, driving, ground
from config.own_site import OwnSite
from config.supervision import Child
from core import clock
from marketplace.models import Job

MUST_BE_ZERO = ("undone", "over_offered")
OFFER_SECONDS = 6
#: Slots opened each second for each worker, and shares of offers that workers decline and ignore.
RATE, DECLINE, IGNORE = 0.2, 0.03, 0.03
#: Seconds an accepted task takes, on the average.
WORK = 0.3
IDLE_CLAIM_SECONDS = 20
#: Accepted answers in the past of those who are no newcomers.
PROVEN = 1000


def hurried(port: int, metrics: Path) -> Sequence[Child]:
    """A site on which offers lapse soon, so that many do."""
    found = site_of(port, metrics)
    for child in found:
        child.environment = {**child.environment, "OFFER_SECONDS": str(OFFER_SECONDS)}
    return found


def site_of(port: int, metrics: Path) -> Sequence[Child]:
    """Web, beat, two workers for dispatch (one will be killed), one for all else."""
    others = [queue for queue in celery.QUEUES if queue != "dispatch"]
    found = [
        processes.beat(port),
        processes.web(port, processes=2, metrics=metrics),
        processes.worker(port, processes=1, name="dispatch-a", queues=["dispatch"]),
        processes.worker(port, processes=1, name="dispatch-b", queues=["dispatch"]),
        processes.worker(port, processes=2, name="others", queues=others),
    ]
    for child in found:
        child.environment = {**child.environment, "OFFER_PLAY_MONEY": "1"}
    return found


def measure(*, slots: int, workers: int, idle: int) -> dict[str, Any]:
    """Offer that many slots to available workers; then see what idle ones cost the claims."""
    ground.start_afresh()
    house = ground.requester()
    people = ground.hands(workers)
    _season(people[: workers // 2])
    job = ground.job(house, overlap=1)
    with OwnSite(hurried, say=ground.say) as site:
        found = _offer_all(site, job, people, slots)
    # An idle worker asks again after a third of an offer's time: here as a site usually has it.
    with OwnSite(site_of, say=ground.say) as site:
        found.update(_idle(site, house, idle))
    return found


def _season(people: Sequence[ground.Hand]) -> None:
    """Give workers a past: the others are newcomers."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE workers_worker SET accepted_count = %s WHERE user_id = ANY(%s)",
            [PROVEN, [hand.worker for hand in people]],
        )
        cursor.execute(
            "INSERT INTO workers_skillrecord (worker_id, specialty, hits, n, squares, gold_answers,"
            " q_low, is_suspended, suspended_reason, updated_at)"
            " SELECT id, 'text', 47, 50, 47, 50, 0.85, false, '', core_now()"
            " FROM unnest(%s::uuid[]) AS p(id)",
            [[hand.worker for hand in people]],
        )


def _offer_all(
    site: OwnSite, job: Job, people: Sequence[ground.Hand], slots: int
) -> dict[str, Any]:
    rate = RATE * len(people)
    limit = slots / rate * 2 + 120
    driver = driving.start(
        site, people, mode="offers", seconds=limit, ignore=IGNORE, decline=DECLINE, work=WORK,
        specialty="text", until=_until(), answer=ground.ANSWER,
    )  # fmt: skip
    started = time.monotonic()
    opened, killed = 0, False
    while True:
        done = ground.waiting(f"job_id = '{job.pk}' AND state IN ('submitted', 'accepted')")
        if opened < slots:
            due = min(slots, int((time.monotonic() - started) * rate))
            if due > opened:
                ground.fill(job, due - opened)
                opened = due
        if not killed and done > slots / 3:
            _kill(site, "dispatch-a")
            killed = True
        if done >= slots or time.monotonic() - started > limit:
            break
        time.sleep(0.25)
    seconds = time.monotonic() - started
    driver.stop()
    return {
        "slots": slots,
        "slots_opened_per_second": rate,
        "workers": len(people),
        "seconds": round(seconds, 1),
        "undone": slots - done,
        "dispatch_worker_killed": killed,
        "refused": driver.told["refused"],
        **_figures(job),
    }


def _kill(site: OwnSite, name: str) -> None:
    process = site.child(name).process
    if process is not None:
        ground.say(f"  kill -9 {name} (group {process.pid})")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


_OFFERS = """
SELECT o.state, o.task_id, o.offered_at, o.ended_at, o.expires_at, o.is_newcomer_share,
    extract(epoch FROM o.offered_at - o.slot_open_at)::float8,
    extract(epoch FROM o.offered_at - greatest(o.slot_open_at, o.idle_at))::float8,
    o.worker_id, w.accepted_count >= %(proven)s
FROM workers_offer o JOIN workers_worker w ON w.user_id = o.worker_id
WHERE o.job_id = %(job)s ORDER BY o.offered_at
"""


def _figures(job: Job) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(_OFFERS, {"job": job.pk, "proven": PROVEN})
        rows = cursor.fetchall()
    late = [
        (ended - expires).total_seconds()
        for state, _, _, ended, expires, *_ in rows
        if state == "lapsed"
    ]
    again = _passed_on(rows)
    return {
        "offers": len(rows),
        "by_state": {
            state: sum(row[0] == state for row in rows) for state in sorted({r[0] for r in rows})
        },
        "slot_to_offer_seconds": _spread([row[6] for row in rows]),
        "matched_after_seconds": _spread([row[7] for row in rows]),
        "lapsed_noticed_after_seconds": _spread(late),
        "ignored_passed_on_after_seconds": _spread(again),
        "newcomers_part": _newcomers_part(rows),
        "newcomers_share_setting": settings.OFFER_NEWCOMER_SHARE,
        "over_offered": _over_offered(rows),
    }


def _newcomers_part(rows: Sequence[Any]) -> float:
    """The newcomers' part of the offers, as long as there was a newcomer to offer to."""
    taken: dict[Any, int] = {}
    were_new = []
    for row in rows:
        worker, is_proven = row[8], row[9]
        were_new.append(not is_proven and taken.get(worker, 0) < settings.OFFER_NEWCOMER_BELOW)
        if row[0] == "accepted":
            taken[worker] = taken.get(worker, 0) + 1
    meanwhile = len(were_new) - were_new[::-1].index(True) if True in were_new else 1
    return round(sum(were_new) / meanwhile, 3)


def _passed_on(rows: Sequence[Any]) -> list[float]:
    """Seconds from an ignored offer's time to the next offer of its task."""
    by_task: dict[Any, list[Any]] = {}
    for row in rows:
        by_task.setdefault(row[1], []).append(row)
    return [
        (after[2] - before[4]).total_seconds()
        for offers in by_task.values()
        for before, after in itertools.pairwise(offers)
        if before[0] == "lapsed"
    ]


def _over_offered(rows: Sequence[Any]) -> int:
    """Tasks (of one slot each) that were with two workers at the same time."""
    last: dict[Any, Any] = {}
    over = set()
    for state, task, offered, ended, *_ in rows:
        if task in last and (last[task] is None or offered < last[task]):
            over.add(task)
        # An accepted one holds its slot for good: nobody returns or expires here.
        last[task] = None if state in ("accepted", "offered") else ended
    return len(over)


def _spread(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {"median": 0.0, "p95": 0.0, "max": 0.0}
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), 2),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 2),
        "max": round(ordered[-1], 2),
    }


def _idle(site: OwnSite, house: ground.House, count: int) -> dict[str, Any]:
    """Claim times of eight pulling workers, alone and beside so many idle available ones."""
    crowd = ground.hands(count)
    pullers = ground.hands(8)
    claim_ms: dict[str, list[float]] = {"alone": [], "beside": []}
    for _ in range(2):
        for name in claim_ms:
            job = ground.job(house, tasks=20_000, overlap=2, specialty="segmentation")
            ground.seat(job, pullers)
            ground.settle_down()
            driver = None
            if name == "beside":
                driver = driving.start(
                    site, crowd, mode="idle", seconds=IDLE_CLAIM_SECONDS + 40, specialty="image",
                    until=_until(),
                )  # fmt: skip
                time.sleep(10)  # everybody has said that they are available
            told = driving.drive(
                site, job, pullers, mode="pairs", seconds=IDLE_CLAIM_SECONDS, rest=0.05
            )
            claim_ms[name] += told["claim_ms"]
            if driver is not None:
                driver.stop()
    return {
        "idle_workers": count,
        "claim_ms_alone": claims.percentiles(claim_ms["alone"]),
        "claim_ms_beside_idle": claims.percentiles(claim_ms["beside"]),
    }


def _until() -> str:
    return (clock.now() + timedelta(hours=8)).isoformat()


def lines(found: dict[str, Any]) -> list[str]:
    """For a person to read."""
    alone, beside = found["claim_ms_alone"], found["claim_ms_beside_idle"]
    return [
        (
            f"{found['slots']:,} slots, {found['workers']} available workers, offers only: "
            f"{found['seconds']} s, undone {found['undone']}, over-offered {found['over_offered']}"
        ),
        f"offers {found['by_state']}; a dispatch worker killed: {found['dispatch_worker_killed']}",
        (
            f"slot open to offer {found['slot_to_offer_seconds']} s (guard: median 2); both there "
            f"to offer {found['matched_after_seconds']} s"
        ),
        f"ignored offers passed on after {found['ignored_passed_on_after_seconds']} s (guard 5)",
        (
            f"newcomers got {found['newcomers_part']:.1%} of the offers as long as there were any "
            f"(kept for them: {found['newcomers_share_setting']:.0%})"
        ),
        (
            f"claim p95 {alone['p95']} ms alone, {beside['p95']} ms beside "
            f"{found['idle_workers']:,} idle available workers"
        ),
    ]
