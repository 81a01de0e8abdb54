"""The ground of a measurement: an empty database, and jobs, tasks and workers in any number."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction

from config import embedded
from config.embedded.places import data_root
from core import clock
from core.services import accounts, tokens
from marketplace.models import Job
from marketplace.services import jobs, prices, stats
from payments.services import escrow, wallets
from workers.models import WorkerJob
from workers.services import onboarding, places

PLAY = "XTS"
SPEC = {"options": [{"value": value, "label": value} for value in ("yes", "no")]}
ANSWER = {"choice": "yes"}
#: What a requester of a measurement tops up; more than any of them spends.
DEPOSIT = 100_000_000_000

_TASKS = """
INSERT INTO marketplace_task (
    id, job_id, external_id, data, media, role, units, state, wanted, taken, remaining,
    max_overlap, is_open, is_audit, slot_reserve_micros, round, opened_at, created_at,
    state_changed_at)
SELECT {new_id}, %(job)s, %(run)s::text || n,
    jsonb_build_object('text', 'Does sentence ' || n || ' follow from the one before it?'),
    '{{}}'::jsonb, 'work', 1, 'open', %(wanted)s, 0, %(wanted)s, %(overlap)s, true, false,
    %(reserve)s, 1, core_now(), core_now(), core_now()
FROM generate_series(1, %(tasks)s) n
"""


@dataclass(frozen=True)
class Hand:
    """A worker: id and token."""

    worker: UUID
    token: str


@dataclass(frozen=True)
class House:
    """A requester with play money: who owns it, and a token for it."""

    organization: UUID
    owner: UUID
    token: str


def say(text: str) -> None:
    """Tell on standard error how far a measurement is."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def start_afresh() -> None:
    """An empty, migrated database. Servers that are not ours must come with an empty one.

    Raises CommandError when the configured database holds something.
    """
    if not clear() and "core_user" in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT 1 FROM core_user)")
            if cursor.fetchone()[0]:
                raise CommandError(
                    "The configured database is in use. A measurement fills its database: point "
                    "DATABASE_URL at an empty one, or leave it unset for embedded servers."
                )
    call_command("migrate", verbosity=0, interactive=False)


def clear() -> bool:
    """Empty the database if it is on a server of a measurement's own; whether it is."""
    if not embedded.wanted()[0] or data_root().name != embedded.BENCH_FOLDER:
        return False
    connection.close()
    name = connection.settings_dict["NAME"]
    with psycopg.connect(url("postgres"), autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        server.execute(f'CREATE DATABASE "{name}"')
    return True


def url(name: str | None = None) -> str:
    """The address of this connection's database, or of another one on the same server."""
    parts = urlsplit(str(settings.DATABASE_URL))
    return parts._replace(path=f"/{name or connection.settings_dict['NAME']}").geturl()


def new_id_sql() -> str:
    """The server's own maker of time-ordered ids; of random ones before PostgreSQL 18."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        return "uuidv7()" if int(cursor.fetchone()[0]) >= 180_000 else "gen_random_uuid()"


def requester(name: str = "Measurements") -> House:
    """A requester with a filled wallet and a token of its owner."""
    run = uuid4().hex[:10]
    with transaction.atomic():
        owner = accounts.create_user(email=f"bench-{run}@bench.invalid", password=None)
        organization = accounts.create_organization(name=name, by=owner.pk)
        token = tokens.issue(user_id=owner.pk, organization_id=organization.pk, name="bench")
    wallets.start_topup(
        organization_id=organization.pk,
        amount_micros=DEPOSIT,
        currency=PLAY,
        by=owner.pk,
        key=f"bench-{run}",
    )
    return House(organization.pk, owner.pk, token.text)


def hands(count: int) -> list[Hand]:
    """Workers with a token each."""
    run = uuid4().hex[:8]
    made = []
    with transaction.atomic():
        for number in range(count):
            user = accounts.create_user(email=f"w{run}-{number}@bench.invalid", password=None)
            onboarding.become_worker(
                user_id=user.pk, languages=["en"], specialties=["text"], country=""
            )
            token = tokens.issue(user_id=user.pk, organization_id=None, name="bench")
            made.append(Hand(user.pk, token.text))
    return made


def job(
    house: House,
    *,
    tasks: int = 0,
    overlap: int = 3,
    budget_micros: int = 2_000_000_000,
    **fields: Any,
) -> Job:
    """A launched job of play money with that many open tasks that want ``overlap`` answers each."""
    made = jobs.create_draft(
        organization_id=house.organization,
        fields={
            "name": "Measurement",
            "kind": "choices",
            "interface": SPEC,
            "base_rate_micros": 1000,
            "seconds_per_unit": Decimal("0.5"),
            "time_limit_seconds": 600,
            "undo_seconds": 0,
            "sandbox": True,
            "auto_close": False,
            "quality": {"kmin": overlap, "kmax": overlap, "gold_share": 0, "audit_share": 0},
            **fields,
        },
        by=house.owner,
    )
    made = jobs.launch(job=made, budget_micros=budget_micros, by=house.owner)
    if tasks:
        fill(made, tasks)
    return made


def fill(made: Job, tasks: int) -> None:
    """Put open tasks into a live job: rows at once, their reserve and figures as an import has."""
    reserve = prices.reserves(made)(Decimal(1))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                _TASKS.format(new_id=new_id_sql()),
                {
                    "job": made.pk,
                    "wanted": made.kmin,
                    "overlap": made.max_overlap,
                    "reserve": reserve,
                    "tasks": tasks,
                    "run": f"{uuid4().hex[:8]}-",
                },
            )
        amount = reserve * made.kmin * tasks
        if not escrow.reserve(job_id=made.pk, line="work", amount_micros=amount):
            raise CommandError(f"The measurement's budget does not cover {tasks} tasks.")
        stats.count_in(job_id=made.pk, parked=tasks)
        stats.count_opened(job_id=made.pk, tasks=tasks)


def settle_down(*tables: str) -> None:
    """Bring statistics and visibility maps up to date, as a server that runs for long has them."""
    for table in tables or ("marketplace_task", "workers_assignment", "workers_workerjob"):
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM ANALYZE {table}")


def seat(made: Job, people: Sequence[Hand]) -> None:
    """Give workers their place in a job, as their first claim would.

    The first joins; the others, of whom as little is known, get the same rate by a copy.
    """
    first = places.join(job_id=made.pk, worker_id=people[0].worker)
    names = [
        str(one.column) for one in WorkerJob._meta.concrete_fields
        if one.column not in ("id", "worker_id", "pos")
    ]  # fmt: skip
    columns = ", ".join(names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO workers_workerjob (worker_id, pos, {columns})"  # noqa: S608
            f" SELECT p.id, coalesce(low + (high - low) * random(), 0)::bigint, {columns}"
            " FROM workers_workerjob first"
            " CROSS JOIN unnest(%s::uuid[]) AS p(id)"
            " CROSS JOIN (SELECT min(pos) - 1 AS low, max(pos) AS high FROM marketplace_task"
            "   WHERE job_id = %s AND is_open) ends"
            " WHERE first.id = %s ON CONFLICT DO NOTHING",
            [[hand.worker for hand in people[1:]], made.pk, first.pk],
        )


def waiting(condition: str) -> int:
    """How many assignments meet a condition."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM workers_assignment WHERE {condition}")  # noqa: S608
        return int(cursor.fetchone()[0])


def now_text() -> str:
    """The moment by the database, for reports."""
    return clock.now().isoformat(timespec="seconds")
