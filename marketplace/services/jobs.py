"""The life of a job: drafted, quoted, launched, paused, ended, as its requester or an admin says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from core import clock, errors, nudge, states
from marketplace.models import Interface, Job, Task
from marketplace.services import (
    closing,
    definitions,
    estimates,
    prices,
    qualifications,
    stats,
    webhooks,
)
from payments.services import escrow, rates

#: Fields of a draft that a requester sets; `definitions` says what they may hold.
EDITABLE = (
    "name",
    "instructions",
    "purpose",
    "specialty",
    "unit",
    "base_rate_micros",
    "seconds_per_unit",
    "difficulty",
    "bonus_pct",
    "acceptance",
    "review_days",
    "time_limit_seconds",
    "undo_seconds",
    "required_qualifications",
    "languages",
    "priority",
    "sandbox",
    "allow_ahead",
    "auto_close",
)
#: What may still change when the job runs: none of it touches a price or a claim's terms.
EDITABLE_LATER = ("name", "priority", "auto_close", "allow_ahead", "undo_seconds")
PLAY_MONEY = "XTS"
MONEY = "USD"


class NotADraft(errors.Conflict):
    """What a price or a claim depends on is fixed once the job was launched."""

    code = "job_not_draft"


class IllegalState(errors.Conflict):
    """The job is in no state for that; ``state`` names it."""

    code = "illegal_state"


class BudgetTooSmall(errors.Invalid):
    """The budget does not open a single task; ``minimum_micros`` does."""

    code = "budget_too_small"


class KeyUsed(errors.Conflict):
    """The key added to this job's budget before, longer ago than answers are kept for repeats."""

    code = "idempotency_key_used"


@dataclass(frozen=True)
class _Definition:
    """A checked definition: column values, and the interface's kind and spec."""

    columns: dict[str, Any]
    kind: str
    spec: dict[str, Any]


def create_draft(*, organization_id: UUID, fields: Mapping[str, Any], by: UUID) -> Job:
    """Make a draft. ``fields``: EDITABLE ones, ``kind``, ``interface`` (its spec), ``quality``.

    Raises Invalid naming each field that cannot be as it is.
    """
    with transaction.atomic():
        made = _define(organization_id, fields)
        now = clock.now()
        job = Job.objects.create(
            organization_id=organization_id,
            created_by_id=by,
            interface=_interface(made.kind, made.spec, 1),
            created_at=now,
            state_changed_at=now,
            **made.columns,
        )
        stats.create(job=job)
        return job


def update_draft(*, job: Job, fields: Mapping[str, Any], by: UUID) -> Job:
    """Change a draft, or of a running job what is not part of its terms.

    A changed interface is a new version; tasks imported already are priced again. Raises NotADraft
    or Invalid.
    """
    with transaction.atomic():
        row = _locked(job)
        if row.state != Job.State.DRAFT:
            return _update_running(row, fields)
        interface, unit, purpose = row.interface, row.unit, row.purpose
        basis = prices.basis(row)
        made = _define(row.organization_id, {**_current(row), **fields})
        for name, value in made.columns.items():
            setattr(row, name, value)
        if (made.kind, made.spec) != (interface.kind, interface.spec):
            _require_no_known_answers(row)
            row.interface = _interface(made.kind, made.spec, interface.version + 1)
        if row.unit != unit and Task.objects.filter(job=row).exists():
            raise NotADraft("The tasks were measured in the present unit; it cannot change.")
        if row.purpose != purpose and Task.objects.filter(job=row).exists():
            raise NotADraft("The tasks were made for the present purpose; it cannot change.")
        row.save(update_fields=[*made.columns, "interface"])
        if prices.basis(row) != basis:
            prices.reprice_tasks(row)
        return row


def _update_running(row: Job, fields: Mapping[str, Any]) -> Job:
    fixed = sorted(set(fields) - set(EDITABLE_LATER))
    if fixed:
        raise NotADraft(
            "Part of the job's terms cannot change any more.",
            errors={name: ["Fixed since the launch."] for name in fixed},
        )
    if row.state in (Job.State.COMPLETED, Job.State.CANCELLED):
        raise IllegalState(f"The job is {row.state}.", state=row.state)
    definitions.check_later(fields)
    for name, value in fields.items():
        setattr(row, name, value)
    row.save(update_fields=list(fields))
    return row


def _require_no_known_answers(row: Job) -> None:
    if Task.objects.filter(job=row).exclude(role=Task.Role.WORK).exists():
        raise NotADraft("The job holds known answers to its present interface; it cannot change.")


def _define(organization_id: UUID, fields: Mapping[str, Any]) -> _Definition:
    checked = definitions.check(fields)
    columns = checked.columns
    columns["currency"] = PLAY_MONEY if columns["sandbox"] else MONEY
    card = rates.current(columns["currency"])
    columns["card_version"] = card.version
    if columns["specialty"] not in card.specialties:
        known = ", ".join(sorted(card.specialties))
        raise errors.Invalid(
            "The job cannot be priced.", errors={"specialty": [f"Specialties are: {known}."]}
        )
    wanted = columns["required_qualifications"]
    _require_usable(organization_id, wanted)
    return _Definition(columns, checked.kind, checked.spec)


def _require_usable(organization_id: UUID, wanted: Sequence[UUID]) -> None:
    if qualifications.usable(organization_id=organization_id, ids=wanted) != set(wanted):
        raise errors.Invalid(
            "A qualification is missing.",
            errors={"required_qualifications": ["There is no such qualification in use."]},
        )


def _current(row: Job) -> dict[str, Any]:
    """A draft's fields as they would be sent."""
    return {
        **{name: getattr(row, name) for name in EDITABLE},
        "kind": row.interface.kind,
        "interface": row.interface.spec,
        "quality": row.quality,
    }


def _interface(kind: str, spec: dict[str, Any], version: int) -> Interface:
    return Interface.objects.create(kind=kind, spec=spec, version=version, created_at=clock.now())


def quote(*, job: Job, tasks: int | None = None, units_per_task: Any = None) -> estimates.JobQuote:
    """What the job will cost and how long it takes: see ``estimates.quote``."""
    return estimates.quote(job=job, tasks=tasks, units_per_task=units_per_task)


def launch(*, job: Job, budget_micros: int, by: UUID) -> Job:
    """Reserve a budget out of the wallet and let workers in. Tasks open in the background.

    The rate card of this moment is the job's from now on. An exam costs nothing and takes no
    budget. Raises IllegalState, BudgetTooSmall, Invalid (an exam without questions) or the wallet's
    InsufficientFunds; nothing is changed then.
    """
    with transaction.atomic():
        row = _locked(job)
        if row.state != Job.State.DRAFT:
            raise IllegalState(
                f"The job is {row.state}; only a draft is launched.", state=row.state
            )
        now = clock.now()
        if row.purpose == Job.Purpose.EXAM:
            _require_questions(row)
        else:
            if row.bonus_pct and not row.sandbox:
                raise errors.Invalid(
                    "The job cannot be launched like this.",
                    {"bonus_pct": ["No bonus is paid yet: promise none outside play money."]},
                )
            # One may have been switched off since the draft was made: nobody could join.
            _require_usable(row.organization_id, row.required_qualifications)
            basis = prices.basis(row)
            row.card_version = rates.current(row.currency).version
            if prices.basis(row) != basis:
                prices.reprice_tasks(row)
            _require_minimum(row, budget_micros)
        states.move(
            row,
            Job.State.LIVE,
            launched_at=now,
            state_changed_at=now,
            card_version=row.card_version,
        )
        if row.purpose == Job.Purpose.WORK:
            escrow.open(job_id=row.pk, organization_id=row.organization_id, currency=row.currency)
            if budget_micros:
                escrow.fund(
                    job_id=row.pk, amount_micros=budget_micros, key=f"launch:{row.pk}", by=by
                )
        webhooks.queue(
            organization_id=row.organization_id,
            event_type="job.launched",
            payloads=[{"job": str(row.pk), "name": row.name}],
        )
        nudge.nudge("marketplace.open_tasks")
        return row


def _require_questions(row: Job) -> None:
    if not Task.objects.filter(job=row, role=Task.Role.EXAM).exists():
        raise errors.Invalid("An exam needs questions with known answers before it is launched.")


def _require_minimum(row: Job, budget_micros: int) -> None:
    first = (
        Task.objects.filter(job=row, role=Task.Role.WORK)
        .order_by("slot_reserve_micros")
        .values_list("slot_reserve_micros", flat=True)
        .first()
    )
    minimum = (first or 0) * row.kmin
    if budget_micros < minimum:
        raise BudgetTooSmall(
            "The budget does not cover one task.",
            errors={"budget_micros": [f"At least {minimum} micro-units are needed."]},
            minimum_micros=minimum,
        )


def extend_budget(*, job: Job, amount_micros: int, key: str, by: UUID) -> Job:
    """Move more of the wallet into the job's budget; parked tasks open with it.

    A person's ``key`` moves money once. A repeat is answered before it comes here; raises KeyUsed
    for one that does, IllegalState, InsufficientFunds, or ``ledger.KeyReused`` (another amount).
    """
    with transaction.atomic():
        row = _locked(job)
        if row.purpose != Job.Purpose.WORK or row.state not in (
            Job.State.LIVE,
            Job.State.PAUSED,
            Job.State.SUSPENDED,
        ):
            raise IllegalState(f"The job is {row.state}: it takes no budget.", state=row.state)
        before = escrow.summary(row.pk).funded_micros
        escrow.fund(
            job_id=row.pk, amount_micros=amount_micros, key=f"extend:{row.pk}:{by}:{key}", by=by
        )
        # Under the lock of the job's row nobody else adds funds.
        if escrow.summary(row.pk).funded_micros == before:
            raise KeyUsed("The key was used before; nothing was moved. Take a new one.")
        nudge.nudge("marketplace.open_tasks")
        return row


def pause(*, job: Job, by: UUID) -> Job:
    """No new claims for now; what is claimed may be submitted and is paid. Twice is as once."""
    return _turn(job, Job.State.LIVE, Job.State.PAUSED)


def resume(*, job: Job, by: UUID) -> Job:
    """Take claims again. Twice is as once."""
    return _turn(job, Job.State.PAUSED, Job.State.LIVE)


def _turn(job: Job, before: str, after: str) -> Job:
    with transaction.atomic():
        row = _locked(job)
        if row.state == after:
            return row
        if row.state != before:
            raise IllegalState(f"The job is {row.state}.", state=row.state)
        states.move(row, after, state_changed_at=clock.now())
    if after == Job.State.LIVE:
        nudge.nudge("marketplace.open_tasks")
    return row


def cancel(*, job: Job, by: UUID, reason: str = "") -> Job:
    """End a job early: open slots close, claimed work is still submitted and paid, the rest of the
    budget returns to the wallet. A draft is over at once. Twice is as once. Raises IllegalState.
    """
    with transaction.atomic():
        row = _locked(job)
        if row.state == Job.State.CANCELLED or (
            row.state == Job.State.CLOSING and row.next_state == Job.State.CANCELLED
        ):
            return row
        if row.state == Job.State.DRAFT:
            now = clock.now()
            states.move(
                row,
                Job.State.CANCELLED,
                closed_at=now,
                state_changed_at=now,
                state_reason=reason,
            )
            return row
        if row.state not in (Job.State.LIVE, Job.State.PAUSED):
            raise IllegalState(f"The job is {row.state}.", state=row.state)
        closing.begin(job=row, next_state=Job.State.CANCELLED, reason=reason)
    nudge.nudge("marketplace.finish_jobs")
    return row


def suspend(*, job: Job, reason: str, by: UUID) -> Job:
    """An admin stops new claims and says why; what is claimed already is paid. Twice is as once.

    Raises IllegalState, or Invalid without a reason.
    """
    if not reason.strip():
        raise errors.Invalid("A reason is needed.", errors={"reason": ["Say why."]})
    with transaction.atomic():
        row = _locked(job)
        if row.state == Job.State.SUSPENDED:
            return row
        if row.state not in (Job.State.LIVE, Job.State.PAUSED):
            raise IllegalState(f"The job is {row.state}.", state=row.state)
        states.move(
            row,
            Job.State.SUSPENDED,
            next_state=row.state,
            state_reason=reason,
            state_changed_at=clock.now(),
        )
        return row


def unsuspend(*, job: Job, by: UUID) -> Job:
    """Back to where the job was before it was suspended. Raises IllegalState."""
    with transaction.atomic():
        row = _locked(job)
        if row.state != Job.State.SUSPENDED:
            raise IllegalState(f"The job is {row.state}.", state=row.state)
        states.move(
            row, row.next_state, next_state="", state_reason="", state_changed_at=clock.now()
        )
        return row


def _locked(job: Job) -> Job:
    """The job's row, locked. FOR NO KEY UPDATE: new claims and answers refer to it meanwhile."""
    return (
        Job.objects.select_for_update(no_key=True, of=("self",))
        .select_related("interface")
        .get(pk=job.pk)
    )
