"""Workers and their claims for trials, made by the services themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from core import clock
from core.ids import new_id
from core.services import accounts, tokens
from marketplace.models import Job, Task
from payments.services import ledger
from tests.factories import marketplace as make
from tests.factories.callers import Caller
from workers.models import Assignment, Worker
from workers.services import claims, hot, judging, onboarding, settlement, submissions
from workers.services.claims import Nothing

YES, NO = {"choice": "yes"}, {"choice": "no"}


@dataclass(frozen=True)
class Person:
    """A worker with a token of theirs."""

    id: UUID
    token: str

    @property
    def worker(self) -> Worker:
        return Worker.objects.get(pk=self.id)


def person(
    *, languages: Sequence[str] = ("en",), specialties: Sequence[str] = (), country: str = ""
) -> Person:
    """A worker who may call the API."""
    user = accounts.create_user(email=f"{new_id()}@example.org", password=None)
    onboarding.become_worker(
        user_id=user.pk, languages=languages, specialties=specialties, country=country
    )
    issued = tokens.issue(user_id=user.pk, organization_id=None, name="trial", scopes=None)
    return Person(user.pk, issued.text)


def prepaid(*, credit_micros: int = 10 * make.ENOUGH) -> make.Requester:
    """A requester with real money in the wallet, as after a payment."""
    whose = make.requester(credit_micros=0)
    paid = ledger.move(
        key=f"trial:{new_id()}",
        kind=ledger.Kind.TOPUP,
        currency="USD",
        debit=ledger.STRIPE_BALANCE,
        credit=ledger.requester_balance(whose.organization_id),
        amount_micros=credit_micros,
    )
    with transaction.atomic():
        ledger.post([paid])
    return whose


def paying(count: int = 1, **fields: Any) -> Job:
    """A live job of real money."""
    return make.live(count, whose=prepaid(), sandbox=False, **fields)


def claim(job: Job, who: Person, **how: Any) -> dict[str, Any] | Nothing:
    return claims.claim(job_id=job.pk, worker_id=who.id, **how)


def claimed(job: Job, who: Person, **how: Any) -> dict[str, Any]:
    """A claim that there must be."""
    got = claim(job, who, **how)
    assert isinstance(got, dict), got
    return got


def submit(who: Person, assignment_id: UUID, answer: Any = YES) -> submissions.Submitted:
    loaded = hot.load_for_submit(digest=tokens.digest(who.token), assignment_id=assignment_id)
    assert loaded is not None
    return submissions.submit(loaded=loaded, worker_id=who.id, answer=answer)


def answered(job: Job, who: Person, answer: Any = YES) -> Assignment:
    """A claim and its answer."""
    row = claimed(job, who)
    submit(who, row["id"], answer)
    return Assignment.objects.get(pk=row["id"])


def judge_all() -> int:
    """Judge what is due until nothing is."""
    return sum(iter(judging.judge_batch, 0))


def settle_all() -> int:
    return sum(iter(settlement.sweep, 0))


def later(**delta: float) -> None:
    """Move the clock on."""
    clock.shift(timedelta(**delta))


def copies(task: Task, count: int) -> None:
    """Open so many more tasks like this one, past the services: for measuring."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO marketplace_task (
                id, job_id, data, media, role, units, state, wanted, taken, remaining, max_overlap,
                is_open, is_audit, slot_reserve_micros, round, opened_at, created_at,
                state_changed_at)
            SELECT gen_random_uuid(), job_id, data, media, role, units, 'open', least(2, max_overlap),
                0, least(2, max_overlap), max_overlap, true, false, slot_reserve_micros, 1, created_at, created_at, created_at
            FROM marketplace_task, generate_series(1, %s) WHERE id = %s
            """,
            [count, task.pk],
        )


def api(who: Person) -> Caller:
    """The worker over HTTP."""
    return Caller(who.token)
