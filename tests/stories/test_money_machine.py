"""Random lives of wallets, jobs and workers against a plain model, with crashes and repeats.

Every step may be lost after it was done (its transaction given up, as when a process dies before
the commit) and is then done again; many are done twice. After each, the books must be as the model
says; now and then and at the end the audit must be clean.
"""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core import audit, clock
from core.ids import new_id
from payments import money, selectors
from payments.models import LINES
from payments.services import earnings, escrow, ledger, wallets
from tests.factories import payments as make

amounts = st.integers(1, 1_500_000)
picks = st.integers(0, 10**6)
lines = st.sampled_from(LINES)
#: Who, days of hold, how much of the reserve in 200ths, fee rate.
works = st.tuples(
    st.integers(0, 2), st.integers(0, 7), st.integers(1, 100), st.decimals(0, "0.3", places=4)
)
ends = st.sampled_from(["once", "once", "twice", "lost"])

CHECKS = [id for id in audit.registry() if id.startswith("P") and id != "P17"]  # noqa: A001


@dataclass
class ModelJob:
    whose: int
    free: int = 0
    lines: dict[str, list[int]] = field(default_factory=lambda: {line: [] for line in LINES})
    spent: int = 0
    fees: int = 0
    is_closed: bool = False

    @property
    def reserved(self):
        return sum(sum(slots) for slots in self.lines.values())


@dataclass
class ModelWorker:
    pending: list[tuple[int, int]] = field(default_factory=list)  # day of release, amount
    available: int = 0


class Books(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.around = transaction.atomic()
        self.around.__enter__()
        self.by = make.person()
        self.requesters = [make.requester() for _ in range(2)]
        self.people = [make.person() for _ in range(3)]
        self.wallets = [0, 0]
        self.workers = [ModelWorker() for _ in self.people]
        self.jobs, self.paid = {}, []
        self.minted = self.day = self.steps = 0

    def teardown(self):
        self.audit()
        transaction.set_rollback(True)
        self.around.__exit__(None, None, None)

    def done(self, act, how):
        """Do it: once, twice, or lost before its commit and then again; the last answer."""
        if how == "lost":
            lost = transaction.savepoint()
            act()
            transaction.savepoint_rollback(lost)
        if how == "twice":
            act()
        return act()

    def pick(self, number, fits=lambda job: True):
        """One of the jobs that fit, and its id; None where none does."""
        fitting = [(pk, job) for pk, job in self.jobs.items() if fits(job)]
        return fitting[number % len(fitting)] if fitting else (None, None)

    def has_slots(self):
        return any(job.reserved for job in self.jobs.values())

    def is_running(self):
        return any(not job.is_closed for job in self.jobs.values())

    @initialize()
    def begin(self):
        """Both requesters have money and a job with a few slots on every line."""
        for whose in (0, 1):
            self.top_up(whose, 9_000_000, "once")
            self.launch(whose, 4_000_000, "once")
        for number in (0, 1):
            for line in LINES:
                self.reserve(number, line, 100_000 + 50_000 * number, 3)

    # --- the requester -----------------------------------------------------------------------
    @rule(whose=st.integers(0, 1), amount=amounts, how=ends)
    def top_up(self, whose, amount, how):
        key = str(new_id())
        self.done(
            lambda: wallets.start_topup(
                organization_id=self.requesters[whose], amount_micros=amount, currency="XTS",
                by=self.by, key=key,
            ),
            how,
        )  # fmt: skip
        self.wallets[whose] += amount
        self.minted += amount

    @rule(whose=st.integers(0, 1), amount=amounts, how=ends)
    def launch(self, whose, amount, how):
        pk = new_id()

        def act():
            escrow.open(job_id=pk, organization_id=self.requesters[whose], currency="XTS")
            escrow.fund(job_id=pk, amount_micros=amount, key=f"launch:{pk}", by=self.by)

        self.fund(act, ModelJob(whose), pk, amount, how)

    @precondition(is_running)
    @rule(number=picks, amount=amounts, how=ends)
    def extend(self, number, amount, how):
        pk, job = self.pick(number, lambda job: not job.is_closed)
        key = f"extend:{pk}:{new_id()}"
        self.fund(
            lambda: escrow.fund(job_id=pk, amount_micros=amount, key=key, by=self.by),
            job, pk, amount, how,
        )  # fmt: skip

    def fund(self, act, job, pk, amount, how):
        if amount > self.wallets[job.whose]:
            with pytest.raises(escrow.InsufficientFunds), transaction.atomic():
                act()
            return
        self.done(act, how)
        self.wallets[job.whose] -= amount
        job.free += amount
        self.jobs[pk] = job

    # --- slots -------------------------------------------------------------------------------
    @rule(number=picks, line=lines, unit=st.integers(0, 600_000), count=st.integers(0, 6))
    def reserve(self, number, line, unit, count):
        pk, job = self.pick(number)
        got = escrow.reserve_up_to(job_id=pk, line=line, unit_micros=unit, count=count)
        if job.is_closed:
            assert got == 0
            return
        assert got == (min(count, job.free // unit) if unit else count)
        job.lines[line] += [unit] * got
        job.free -= unit * got

    @precondition(has_slots)
    @rule(number=picks, line=lines, to=lines)
    def shift(self, number, line, to):
        pk, job = self.pick(number, lambda job: job.lines[line])
        if job is None:
            return
        slot = job.lines[line].pop()
        escrow.move(job_id=pk, from_line=line, to_line=to, amount_micros=slot)
        job.lines[to].append(slot)

    @precondition(has_slots)
    @rule(number=picks, line=lines)
    def give_up(self, number, line):
        pk, job = self.pick(number, lambda job: job.lines[line])
        if job is None:
            return
        slot = job.lines[line].pop()
        escrow.unreserve(job_id=pk, line=line, amount_micros=slot)
        job.free += slot

    # --- the worker --------------------------------------------------------------------------
    @precondition(has_slots)
    @rule(number=picks, line=lines, work=works, how=ends)
    def accept(self, number, line, work, how):
        who, days, share, rate = work
        pk, job = self.pick(number, lambda job: any(slot >= 1_000 for slot in job.lines[line]))
        if job is None:
            return
        slot = next(slot for slot in job.lines[line] if slot >= 1_000)
        pay = max(slot * share // 200 // 100 * 100, 100)
        fee = money.fee(pay, rate)
        work = make.accepted(
            pk, self.requesters[job.whose], self.people[who], amount_micros=pay, fee_micros=fee,
            reserve_micros=slot, line=line, hold_days=days,
        )  # fmt: skip
        self.done(lambda: earnings.credit([work], now=clock.now()), how)
        job.lines[line].remove(slot)
        job.free += slot - pay - fee
        job.spent += pay
        job.fees += fee
        self.workers[who].pending.append((self.day + days, pay))
        self.paid.append(work)

    @precondition(lambda self: self.paid)
    @rule(number=picks)
    def accept_again(self, number):
        work = self.paid[number % len(self.paid)]
        assert earnings.credit([work], now=clock.now()) == 0

    @rule(days=st.integers(0, 3), how=ends)
    def days_pass(self, days, how):
        # A second more, so that a hold of whole days is over by then.
        clock.shift(timedelta(days=days, seconds=1))
        self.day += days
        self.done(earnings.release_matured, how)
        for worker in self.workers:
            worker.available += sum(pay for due, pay in worker.pending if due <= self.day)
            worker.pending = [one for one in worker.pending if one[0] > self.day]

    # --- the end -----------------------------------------------------------------------------
    @precondition(is_running)
    @rule(number=picks, how=ends)
    def close(self, number, how):
        """Slots that are left are given up first, as a job that ends does; or it is refused."""
        pk, job = self.pick(number, lambda job: not job.is_closed)
        if number % 3 == 0:
            for line, slots in job.lines.items():
                escrow.unreserve(job_id=pk, line=line, amount_micros=sum(slots))
                job.free += sum(slots)
                slots.clear()
        if job.reserved:
            with pytest.raises(escrow.StillReserved), transaction.atomic():
                escrow.close(job_id=pk, by=self.by)
            return
        assert self.done(lambda: escrow.close(job_id=pk, by=self.by), how) == job.free
        self.wallets[job.whose] += job.free
        job.free, job.is_closed = 0, True
        for slots in job.lines.values():
            slots.clear()

    # --- after each --------------------------------------------------------------------------
    @invariant()
    def the_books_are_as_the_model(self):
        connection.check_constraints()
        for who, organization in enumerate(self.requesters):
            assert wallets.balance(organization, "XTS") == self.wallets[who]
        for pk, found in escrow.summaries(self.jobs).items():
            job = self.jobs[pk]
            assert found.lines == {line: sum(slots) for line, slots in job.lines.items()}
            assert (found.free, found.is_closed) == (job.free, job.is_closed)
            assert (found.spent_micros, found.fees_micros) == (job.spent, job.fees)
        for worker, pk in zip(self.workers, self.people, strict=True):
            bucket = earnings.buckets(pk, "XTS")
            assert bucket.pending == sum(pay for _, pay in worker.pending)
            assert bucket.available == worker.available

    @invariant()
    def no_money_comes_or_goes(self):
        fees = -sum(
            selectors.statement(ledger.PLATFORM_FEES, "XTS").values_list("amount_micros", flat=True)
        )
        assert self.minted == (
            sum(self.wallets)
            + sum(job.free + job.reserved for job in self.jobs.values())
            + sum(sum(pay for _, pay in one.pending) + one.available for one in self.workers)
            + fees
        )

    @invariant()
    def the_audit_is_clean_now_and_then(self):
        self.steps += 1
        if self.steps % 5 == 0:
            self.audit()

    def audit(self):
        assert [one for one in map(audit.check, CHECKS) if not one.ok] == []


@pytest.mark.slow
@pytest.mark.django_db
def test_random_lives_keep_the_books():
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
