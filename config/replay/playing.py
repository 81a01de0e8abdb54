"""A replay from beginning to end: the stage, the play, the reckoning."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management import call_command

from config.own_site import OwnSite
from config.replay import driver, market, report, sets
from config.replay.sets import RecordedSet
from marketplace.quality import replay as pure_code
from marketplace.quality.settings import QualitySettings

Say = Callable[[str], object]


@dataclass(frozen=True)
class Order:
    """What to replay, and how."""

    recorded: RecordedSet
    settings: QualitySettings
    policy: dict[str, Any]
    seed: int
    workers: int

    @classmethod
    def read(
        cls, *, data: Path, policy: Path | None, seed: int, workers: int, max_tasks: int | None
    ) -> Order:
        """Read the set and the policy. Raises SetUnreadable, SettingsError, OSError, ValueError."""
        recorded = sets.load(data).only(max_tasks, seed=seed)
        given: dict[str, Any] = json.loads(policy.read_text()) if policy else {}
        settings = QualitySettings.from_dict(given, usual=recorded.rules.quality)
        return cls(recorded, settings, given, seed, workers)

    def gold(self) -> frozenset[str]:
        """The tasks whose truth is given to the product as known answers."""
        return pure_code.choose_gold(
            self.recorded.tasks, share=self.settings.gold_share, seed=self.seed
        )


def play(
    order: Order,
    *,
    base_url: str | None,
    say: Say,
    meanwhile: Callable[[OwnSite | None], contextlib.AbstractContextManager[Any]] | None = None,
) -> dict[str, Any]:
    """Replay and report. ``meanwhile`` is entered while the answers are played (to break things).

    Raises RuntimeError where the product does not do what it must for a replay to go on.
    """
    with contextlib.ExitStack() as stack:
        site = None
        if base_url is None:
            say("Starting web processes, a Celery worker and beat …")
            call_command("migrate", verbosity=0, interactive=False)
            site = stack.enter_context(OwnSite(say=lambda text: say(f"site: {text}")))
            base_url = site.base_url
        return _play(order, base_url, say, (meanwhile or _nothing)(site))


@contextlib.contextmanager
def _nothing(_site: OwnSite | None) -> Any:
    yield


def _play(
    order: Order, base_url: str, say: Say, meanwhile: contextlib.AbstractContextManager[Any]
) -> dict[str, Any]:
    recorded, settings = order.recorded, order.settings
    gold = order.gold()
    arranged = pure_code.arrange(recorded.answers, seed=order.seed)
    work = [task for task in recorded.tasks if task not in gold]
    say(
        f"{recorded.name}: {len(work)} tasks and {len(gold)} with known answers, "
        f"{len(arranged)} recorded answers"
    )
    stage = market.stage(base_url, recorded, gold, settings.as_dict())
    with meanwhile:
        played = driver.play(
            arranged,
            base_url=base_url,
            job=stage.job,
            tokens=stage.tokens,
            workers=order.workers,
            on_progress=_bar(),
        )
        say("\nWaiting until everything is judged and paid …")
        is_settled = report.wait_until_settled(stage)
    rows = [row for row in report.export(stage.requester, stage.job) if row["external_id"]]
    values = {row["external_id"]: row["value"] for row in rows}
    specialty = market.SPECIALTY[recorded.kind]
    undecided = report.best_so_far(stage, recorded, settings, specialty)
    escalated = sum(row["escalated"] for row in rows)
    say("Playing the same policy as pure code …")
    replayed = pure_code.replay(
        arranged,
        recorded.truth,
        kind=recorded.rules,
        spec=recorded.spec,
        settings=settings,
        gold=gold,
        seed=order.seed,
    )
    figures = report.figures(stage, played, len(work))
    quality = report.grade(recorded, work, {**undecided, **values})
    cost = figures.pop("cost_micros")
    pure_policy = report.pure(recorded, replayed)
    return {
        "data": recorded.name,
        "seed": order.seed,
        "policy": settings.as_dict(),
        "tasks": len(work),
        "gold_tasks": len(gold),
        **quality,
        **figures,
        "cost_micros": cost,
        "cost_per_correct_micros": round(cost / max(1, quality["accuracy"] * len(work))),
        "escalated_share": round(escalated / len(work), 4),
        "unfinished": len(work) - len(values),
        "pure_policy": pure_policy,
        "is_near_pure_policy": report.is_near({**quality, **figures}, pure_policy),
        "invariants": report.invariants(stage, played, is_settled=is_settled),
    }


def _bar() -> Callable[[int, int], None] | None:
    """A progress line on a terminal, a line every ten seconds elsewhere."""
    is_terminal = sys.stderr.isatty()
    last = [time.monotonic()]

    def show(done: int, total: int) -> None:
        now = time.monotonic()
        if not is_terminal and now - last[0] < 10 and done < total:
            return
        last[0] = now
        filled = 40 * done // max(total, 1)
        line = f"[{'#' * filled}{'.' * (40 - filled)}] {done}/{total} answers"
        sys.stderr.write(f"\r{line}" if is_terminal else f"{line}\n")
        sys.stderr.flush()

    return show
