"""What workers earned: credited from escrow when an answer is accepted, released after its hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

from core.ids import new_id
from payments import selectors
from payments.selectors import Buckets
from payments.services import escrow, ledger

__all__ = ["AcceptedWork", "Buckets", "buckets", "credit", "release_matured"]

#: Earnings released in one run, and so in one database transaction.
BATCH = 2_000


@dataclass(frozen=True)
class AcceptedWork:
    """One accepted answer, to be paid.

    ``amount_micros`` goes to the worker and ``fee_micros`` to the platform, both out of the job's
    escrow; ``reserve_micros`` leaves the ``line`` that the answer was reserved on, and what of it
    is not paid is free again. ``quote`` is what the worker was promised, in the job's currency; the
    receipt is made from it. The pay is withdrawable ``hold_days`` later.
    """

    assignment_id: UUID
    worker_id: UUID
    job_id: UUID
    organization_id: UUID
    quote: Mapping[str, Any]
    amount_micros: int
    fee_micros: int
    reserve_micros: int
    line: str
    hold_days: int
    hold_reason: str = ""
    risk_notes: Sequence[str] = field(default_factory=list)


_INSERT = """
INSERT INTO payments_earning (
    id, assignment_ref, worker_id, job_id, organization_id, currency, amount_micros, fee_micros,
    line, quote, state, available_at, hold_reason, risk_notes, transaction_id, created_at)
SELECT e.id, e.assignment_id, e.worker_id, e.job_id, e.organization_id, e.currency,
    e.amount_micros, e.fee_micros, e.line, e.quote, 'pending', e.available_at, e.hold_reason,
    ARRAY(SELECT jsonb_array_elements_text(e.risk_notes)), e.transaction_id, %(now)s
FROM jsonb_to_recordset(%(rows)s::jsonb) AS e(
    id uuid, assignment_id uuid, worker_id uuid, job_id uuid, organization_id uuid, currency text,
    amount_micros bigint, fee_micros bigint, line text, quote jsonb, available_at timestamptz,
    hold_reason text, risk_notes jsonb, transaction_id uuid)
"""

_PAID = """
UPDATE payments_escrow e SET
    spent_micros = e.spent_micros + p.spent, fees_micros = e.fees_micros + p.fees,
    work_micros = e.work_micros - p.work, gold_micros = e.gold_micros - p.gold,
    exam_micros = e.exam_micros - p.exam,
    escalation_micros = e.escalation_micros - p.escalation,
    contested_micros = e.contested_micros - p.contested
FROM (
    SELECT job_id, sum(spent) AS spent, sum(fees) AS fees,
        coalesce(sum(reserve) FILTER (WHERE line = 'work'), 0) AS work,
        coalesce(sum(reserve) FILTER (WHERE line = 'gold'), 0) AS gold,
        coalesce(sum(reserve) FILTER (WHERE line = 'exam'), 0) AS exam,
        coalesce(sum(reserve) FILTER (WHERE line = 'escalation'), 0) AS escalation,
        coalesce(sum(reserve) FILTER (WHERE line = 'contested'), 0) AS contested
    FROM unnest(%(jobs)s::uuid[], %(lines)s::text[], %(spent)s::bigint[], %(fees)s::bigint[],
                %(reserves)s::bigint[]) AS x(job_id, line, spent, fees, reserve)
    GROUP BY job_id
) p
WHERE e.job_id = p.job_id
"""


def credit(accepted: Sequence[AcceptedWork], *, now: datetime) -> int:
    """Pay accepted answers; how many were paid now. An answer is paid once, however often asked.

    One ledger transaction for each answer, all posted in one call; a fixed number of statements
    whatever the length of the list (a few hundred is a good one). Belongs inside the transaction
    that accepts the answers. Raises ``escrow.NoEscrow``; an answer that its line does not cover is
    an IntegrityError, and nothing of the list is paid then.
    """
    if not accepted:
        return 0
    with transaction.atomic():
        currencies = {
            job_id: row.currency
            for job_id, row in escrow.lock(one.job_id for one in accepted).items()
        }
        posted = ledger.post([_posting(one, currencies[one.job_id]) for one in accepted])
        new = [(one, entry.id) for one, entry in zip(accepted, posted, strict=True) if entry.is_new]
        if new:
            rows = [_row(one, pk, currencies[one.job_id], now) for one, pk in new]
            _record(rows, [one for one, _ in new], now)
        return len(new)


def _posting(one: AcceptedWork, currency: str) -> ledger.Posting:
    if one.quote["currency"] != currency:
        raise ValueError(f"the answer was promised {one.quote['currency']}, the job has {currency}")
    total = one.amount_micros + one.fee_micros
    legs = [
        (ledger.job_escrow(one.job_id), total),
        (ledger.worker_pending(one.worker_id), -one.amount_micros),
    ]
    if one.fee_micros:
        legs.append((ledger.PLATFORM_FEES, -one.fee_micros))
    return ledger.Posting(f"accept:{one.assignment_id}", ledger.Kind.ACCEPT, currency, legs)


def _row(one: AcceptedWork, pk: UUID, currency: str, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "assignment_id": one.assignment_id,
        "worker_id": one.worker_id,
        "job_id": one.job_id,
        "organization_id": one.organization_id,
        "currency": currency,
        "amount_micros": one.amount_micros,
        "fee_micros": one.fee_micros,
        "line": one.line,
        "quote": one.quote,
        "available_at": now + timedelta(days=one.hold_days),
        "hold_reason": one.hold_reason,
        "risk_notes": list(one.risk_notes),
        "transaction_id": pk,
    }


def _record(rows: list[dict[str, Any]], paid: list[AcceptedWork], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, {"rows": orjson.dumps(rows).decode(), "now": now})
        cursor.execute(
            _PAID,
            {
                "jobs": [one.job_id for one in paid],
                "lines": [one.line for one in paid],
                "spent": [one.amount_micros for one in paid],
                "fees": [one.fee_micros for one in paid],
                "reserves": [one.reserve_micros for one in paid],
            },
        )


_MATURED = """
SELECT id, worker_id, currency, amount_micros FROM payments_earning
WHERE state = 'pending' AND available_at <= core_now()
ORDER BY available_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""

_RELEASED = """
UPDATE payments_earning e
SET state = 'available', release_id = r.release_id, released_at = core_now()
FROM unnest(%(ids)s::uuid[], %(releases)s::uuid[]) AS r(id, release_id)
WHERE e.id = r.id
"""


def release_matured(*, limit: int = BATCH) -> int:
    """Sweep: make pending pay available whose hold is over; how many earnings.

    One ledger transaction for each worker and currency in a run. Rows that another run holds are
    left to it.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_MATURED, [limit])
        rows = cursor.fetchall()
        if not rows:
            return 0
        sums: dict[tuple[UUID, str], int] = {}
        for _, worker_id, currency, micros in rows:
            sums[worker_id, currency] = sums.get((worker_id, currency), 0) + micros
        run = new_id()
        whose = sorted(sums)
        posted = ledger.post(
            [
                ledger.move(
                    key=f"release:{worker_id}:{currency}:{run}",
                    kind=ledger.Kind.RELEASE,
                    currency=currency,
                    debit=ledger.worker_pending(worker_id),
                    credit=ledger.worker_available(worker_id),
                    amount_micros=sums[worker_id, currency],
                )
                for worker_id, currency in whose
            ]
        )
        release_of = {key: entry.id for key, entry in zip(whose, posted, strict=True)}
        cursor.execute(
            _RELEASED,
            {
                "ids": [row[0] for row in rows],
                "releases": [release_of[row[1], row[2]] for row in rows],
            },
        )
        return len(rows)


def oldest_matured() -> float | None:
    """How many seconds ago the longest-waiting hold ended; None when none is over."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM core_now() - min(available_at))::float8"
            " FROM payments_earning WHERE state = 'pending' AND available_at <= core_now()"
        )
        age: float | None = cursor.fetchone()[0]
        return age


def buckets(worker_id: UUID, currency: str = "USD") -> Buckets:
    """Where a worker's money stands: pending, available, in flight, held; in micro-units."""
    return selectors.buckets(worker_id, currency)
