"""A job's reserved funds: put in from the wallet, claimed line by line, given back at the end.

The lines are what parts of the funds are reserved for: ``work`` (slots open, claimed or answered and
not yet paid), ``gold``, ``exam``, ``escalation``, ``contested``; what no line claims is free. Every
function but the reading ones belongs inside the caller's transaction and locks the job's row. The
order of locks is tasks, escrows by job id, ledger accounts by id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction

from core import clock, errors
from payments import money
from payments.models import LINES, Escrow
from payments.services import ledger


class InsufficientFunds(errors.Conflict):
    """The wallet holds less than is asked for."""

    code = "insufficient_funds"


class NoEscrow(errors.NotFound):
    """The job has no reserved funds: it was never launched."""

    code = "no_escrow"


class EscrowClosed(errors.Conflict):
    """The job is over; its funds went back."""

    code = "escrow_closed"


class StillReserved(errors.Conflict):
    """Work is open, claimed or unpaid: the job's funds cannot go back yet."""

    code = "still_reserved"


@dataclass(frozen=True)
class EscrowSummary:
    """A job's funds in micro-units.

    ``balance`` is what is there, ``lines`` what it is reserved for, ``free`` the rest;
    ``spent_micros`` went to workers, ``fees_micros`` to the platform, ``returned_micros`` back to
    the wallet: with the balance they are what was ever put in.
    """

    balance: int
    free: int
    lines: Mapping[str, int]
    spent_micros: int
    fees_micros: int
    funded_micros: int
    returned_micros: int
    is_closed: bool


def open(*, job_id: UUID, organization_id: UUID, currency: str) -> None:  # noqa: A001
    """Give a job an escrow account, empty. Twice is as once."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO payments_escrow (
                job_id, organization_id, currency, account_id, work_micros, gold_micros,
                exam_micros, escalation_micros, contested_micros, funded_micros, spent_micros,
                fees_micros, returned_micros, opened_at)
            VALUES (%s, %s, %s, payments_account(%s, %s), 0, 0, 0, 0, 0, 0, 0, 0, 0, core_now())
            ON CONFLICT (job_id) DO NOTHING
            """,
            [job_id, organization_id, currency, ledger.job_escrow(job_id), currency],
        )


def fund(*, job_id: UUID, amount_micros: int, key: str, by: UUID) -> None:
    """Move money from the requester's wallet into a job's escrow. The same key moves it once.

    Raises InsufficientFunds, NoEscrow, EscrowClosed, Invalid for an amount that is none, or
    ``ledger.KeyReused`` for a key that moved another amount. The caller's transaction is then to be
    given up.
    """
    if not 0 < amount_micros <= money.LARGEST_MICROS:
        raise errors.Invalid("An amount is needed.", errors={"amount_micros": ["More than 0."]})
    with transaction.atomic():
        row = _locked(job_id)
        if row.closed_at is not None:
            raise EscrowClosed("The job is over and takes no funds.")
        wallet = ledger.requester_balance(row.organization_id)
        moved = ledger.move(
            key=key,
            kind=ledger.Kind.FUND,
            currency=row.currency,
            debit=wallet,
            credit=ledger.job_escrow(job_id),
            amount_micros=amount_micros,
            by=by,
        )
        try:
            (posted,) = ledger.post([moved])
        except ledger.BelowFloor as short:
            raise InsufficientFunds(
                f"The wallet holds {money.display(short.balance_micros, row.currency)};"
                f" {money.display(amount_micros, row.currency)} are needed.",
                balance_micros=short.balance_micros,
                needed_micros=amount_micros,
            ) from short
        if posted.is_new:
            row.funded_micros += amount_micros
            row.save(update_fields=["funded_micros"])


def reserve(*, job_id: UUID, line: str, amount_micros: int) -> bool:
    """Claim an amount of the free funds for a line: all of it, or nothing and False."""
    return reserve_up_to(job_id=job_id, line=line, unit_micros=amount_micros, count=1) == 1


def reserve_up_to(*, job_id: UUID, line: str, unit_micros: int, count: int) -> int:
    """Claim as many units of an amount as are wanted and free; how many. One statement.

    A job without funds, or one that is over, has none.
    """
    _require_line(line)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT payments_reserve(%s, %s, %s, %s)", [job_id, line, unit_micros, count]
        )
        units: int = cursor.fetchone()[0]
        return units


def unreserve(*, job_id: UUID, line: str, amount_micros: int) -> None:
    """Free what a line had claimed. A line never goes below zero: IntegrityError, ours to mend."""
    _require_line(line)
    _require_amount(amount_micros)
    if amount_micros:
        _shift(job_id, [(line, -amount_micros)])


def move(*, job_id: UUID, from_line: str, to_line: str, amount_micros: int) -> None:
    """Hand a claim from one line to another: a rejected answer's pay waits as ``contested``."""
    _require_line(from_line)
    _require_line(to_line)
    _require_amount(amount_micros)
    if amount_micros:
        _shift(job_id, [(from_line, -amount_micros), (to_line, amount_micros)])


def free(job_id: UUID) -> int:
    """What no line claims, in micro-units, read without a lock; 0 without funds."""
    found = summaries([job_id]).get(job_id)
    return found.free if found else 0


def summary(job_id: UUID) -> EscrowSummary:
    """A job's funds, read without a lock. Raises NoEscrow."""
    found = summaries([job_id]).get(job_id)
    if found is None:
        raise NoEscrow("The job has no reserved funds.")
    return found


def summaries(job_ids: Iterable[UUID]) -> dict[UUID, EscrowSummary]:
    """The funds of those jobs that have any. One statement."""
    rows = Escrow.objects.filter(pk__in=list(job_ids)).select_related("account__balance")
    return {row.job_id: _summary(row) for row in rows}


def close(*, job_id: UUID, by: UUID) -> int:
    """Give what is left back to the wallet and end the escrow; how much. Twice is as once.

    Raises NoEscrow, or StillReserved while any line claims anything.
    """
    with transaction.atomic():
        row = _locked(job_id)
        if row.closed_at is not None:
            return row.returned_micros
        if any(_lines(row).values()):
            raise StillReserved("Part of the job's funds is still reserved.")
        # Under the lock of the row: nothing lowers the account meanwhile.
        rest = Escrow.objects.values_list("account__balance__amount_micros", flat=True).get(
            pk=job_id
        )
        if rest:
            moved = ledger.move(
                key=f"close:{job_id}",
                kind=ledger.Kind.CLOSE,
                currency=row.currency,
                debit=ledger.job_escrow(job_id),
                credit=ledger.requester_balance(row.organization_id),
                amount_micros=rest,
                by=by,
            )
            ledger.post([moved])
        row.returned_micros = rest
        row.closed_at = clock.now()
        row.save(update_fields=["returned_micros", "closed_at"])
        return rest


def lock(job_ids: Iterable[UUID]) -> dict[UUID, Escrow]:
    """Lock the escrows of jobs in order of id. Raises NoEscrow if one has none."""
    wanted = sorted(set(job_ids))
    rows = Escrow.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=wanted)
    found = {row.job_id: row for row in rows.order_by("job_id")}
    if len(found) < len(wanted):
        raise NoEscrow("The job has no reserved funds.")
    return found


def _locked(job_id: UUID) -> Escrow:
    return lock([job_id])[job_id]


def _shift(job_id: UUID, changes: Sequence[tuple[str, int]]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for line, amount in changes:
            cursor.execute("SELECT payments_shift(%s, %s, %s)", [job_id, line, amount])


def _require_line(line: str) -> None:
    if line not in LINES:
        raise ValueError(f"an escrow has no line {line!r}")


def _require_amount(amount_micros: int) -> None:
    if amount_micros < 0:
        raise ValueError("amounts of a line are not negative")


def _lines(row: Escrow) -> dict[str, int]:
    return {line: getattr(row, f"{line}_micros") for line in LINES}


def _summary(row: Escrow) -> EscrowSummary:
    lines = _lines(row)
    balance = row.account.balance.amount_micros
    return EscrowSummary(
        balance=balance,
        free=balance - sum(lines.values()),
        lines=lines,
        spent_micros=row.spent_micros,
        fees_micros=row.fees_micros,
        funded_micros=row.funded_micros,
        returned_micros=row.returned_micros,
        is_closed=row.closed_at is not None,
    )
