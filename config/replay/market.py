"""Setting the stage of a replay: a requester with play money, a job, gold, one account a worker."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.db import transaction

from core.services import accounts, tokens
from workers.services import onboarding

from .client import Api
from .sets import RecordedSet

PLAY = "XTS"
SPECIALTY = {"choices": "text", "transcript": "transcription"}
UNIT = {"choices": "item", "transcript": "audio_second"}
# Micro-units for one unit: 0.018 an item; 0.55 an audio minute.
BASE_RATE = {"choices": 18_000, "transcript": 9_167}
SECONDS_PER_UNIT = {"choices": 8, "transcript": 4.5}


@dataclass(frozen=True)
class Stage:
    """What the drivers need: the requester's token, the job, a token for each recorded worker."""

    requester: Api
    organization: str
    job: str
    tokens: Mapping[str, str]
    deposit_micros: int


def people(names: Iterable[str], run: str) -> dict[str, str]:
    """One worker account for each recorded worker; returns a token for each name.

    Accounts are made by the services and not over HTTP, where sign-up is rate-limited; they have no
    usable password. Everything after that goes over HTTP.
    """
    made: dict[str, str] = {}
    with transaction.atomic():
        for name in sorted(set(names)):
            user = accounts.create_user(email=f"{run}-{name}@replay.invalid", password=None)
            onboarding.become_worker(user_id=user.pk, languages=["en"], specialties=[], country="")
            made[name] = tokens.issue(
                user_id=user.pk, organization_id=None, name="replay", scopes=["work", "earnings"]
            ).text
    return made


def requester(base_url: str, run: str) -> tuple[Api, str]:
    """A requester organization with an owner's token."""
    with transaction.atomic():
        owner = accounts.create_user(email=f"{run}-requester@replay.invalid", password=None)
        organization = accounts.create_organization(name=f"Replay {run}", by=owner.pk)
        token = tokens.issue(
            user_id=owner.pk, organization_id=organization.pk, name="replay", scopes=None
        )
    return Api(base_url, token.text), str(organization.pk)


def stage(
    base_url: str,
    recorded: RecordedSet,
    gold: frozenset[str],
    quality: dict[str, Any],
) -> Stage:
    """Fund, post, import and launch over HTTP, and wait until the tasks are open."""
    run = f"r{uuid4().hex[:10]}"
    api, organization = requester(base_url, run)
    tokens_of = people((a.worker for a in recorded.answers), run)
    deposit = 100_000_000_000
    api.post(
        "/wallet/topups",
        {"amount_micros": deposit, "currency": PLAY},
        key=f"{run}-topup",
    )
    kind, tasks = recorded.kind, recorded.tasks
    job = api.post(
        "/jobs",
        {
            "name": f"Replay of {recorded.name}",
            "instructions": "Recorded answers are played back.",
            "kind": kind,
            "interface": recorded.spec,
            "specialty": SPECIALTY[kind],
            "unit": UNIT[kind],
            "base_rate_micros": BASE_RATE[kind],
            "seconds_per_unit": SECONDS_PER_UNIT[kind],
            "time_limit_seconds": 600,
            "undo_seconds": 0,
            "sandbox": True,
            "auto_close": False,
            "acceptance": "auto",
            "quality": quality,
        },
        key=f"{run}-job",
    )["id"]
    _import(api, f"/jobs/{job}/tasks", recorded, [t for t in tasks if t not in gold], False)
    _import(api, f"/jobs/{job}/gold", recorded, [t for t in tasks if t in gold], True)
    api.post(f"/jobs/{job}/launch", {"budget_micros": deposit}, key=f"{run}-launch")
    _wait_until_open(api, job, sum(t not in gold for t in tasks))
    return Stage(api, organization, job, tokens_of, deposit)


def _import(
    api: Api, path: str, recorded: RecordedSet, tasks: list[str], with_answer: bool
) -> None:
    seconds = recorded.nominal_seconds() if recorded.is_speech else {}
    lines = []
    for task in tasks:
        row: dict[str, Any] = {"external_id": task, "data": {"ref": task}}
        if task in seconds:
            row["seconds"] = seconds[task]
        if with_answer:
            row["answer"] = recorded.truth[task]
        lines.append(json.dumps(row))
    if not lines:
        return
    answer = api.call(
        "POST",
        path,
        content="\n".join(lines).encode(),
        headers={"Content-Type": "application/x-ndjson"},
    ).json()
    if answer["created"] != len(lines):
        raise RuntimeError(f"{path}: {answer}")


def _wait_until_open(api: Api, job: str, wanted: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        progress = api.get(f"/jobs/{job}")["progress"]
        if progress["open"] + progress["resolved"] >= wanted:
            return
        time.sleep(0.3)
    raise RuntimeError("the job's tasks were not opened within a minute: do the sweeps run?")
