"""Sixteen clients at one ledger, on real PostgreSQL."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from core import audit, clock
from core.ids import new_id
from payments.models import Earning, LedgerAccount, LedgerTransaction
from payments.services import earnings, escrow, ledger, wallets
from tests.factories import payments as make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

CLIENTS = 16


def together(act: Callable[[int], Any], count: int = CLIENTS) -> list[Any]:
    """Run an act in so many threads that start at the same moment; errors are answers."""
    start = threading.Barrier(count, timeout=20)

    def run(number: int) -> Any:
        try:
            start.wait()
            return act(number)
        except Exception as problem:  # noqa: BLE001
            return problem
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def books_are_good() -> None:
    broken = [one for one in audit.run_all() if one.id.startswith("P") and not one.ok]
    assert broken == []


def no_deadlock(answers: list[Any]) -> None:
    assert [one for one in answers if isinstance(one, OperationalError)] == []


def brought(wallet: str, amount: int, key: str | None = None) -> ledger.Posting:
    return ledger.move(
        key=key or f"topup:{new_id()}",
        kind=ledger.Kind.TOPUP,
        currency="XTS",
        debit=ledger.PLAY_MINT,
        credit=wallet,
        amount_micros=amount,
    )


def test_lists_over_the_same_accounts_never_lock_in_a_ring() -> None:
    """Random lists over few accounts, legs in random order, some keys raced for."""
    codes = [ledger.requester_balance(new_id()) for _ in range(8)]
    make.post(*[brought(code, 10**9) for code in codes])
    shared = [f"shared:{n}" for n in range(40)]

    def act(number: int) -> int:
        luck = random.Random(number)
        moved = 0
        for _ in range(25):
            postings = []
            for _ in range(luck.randint(1, 8)):
                a, b, c = luck.sample(codes, 3)
                legs = [(a, 30), (b, -10), (c, -20)]
                luck.shuffle(legs)
                postings.append(ledger.Posting(f"{number}:{new_id()}", "offset", "XTS", legs))
            key = luck.choice(shared)
            raced = ledger.move(
                key=key, kind="offset", currency="XTS", debit=codes[0], credit=codes[7],
                amount_micros=7,
            )  # fmt: skip
            postings.insert(luck.randrange(len(postings) + 1), raced)
            moved += sum(one.is_new for one in make.post(*postings))
        return moved

    answers = together(act)
    no_deadlock(answers)
    assert all(isinstance(one, int) for one in answers), answers
    assert LedgerTransaction.objects.filter(kind="offset").count() == sum(answers)
    assert sum(make.balance(code) for code in codes) == 8 * 10**9
    raced = LedgerTransaction.objects.filter(idem_key__startswith="shared:").count()
    assert 0 < raced <= len(shared)
    books_are_good()


def test_one_key_is_posted_by_one_of_many() -> None:
    wallet = ledger.requester_balance(make.requester())
    answers = together(lambda _: make.post(brought(wallet, 500, "topup:pi_1"))[0])
    assert sum(one.is_new for one in answers) == 1
    assert len({one.id for one in answers}) == 1
    assert make.balance(wallet) == 500


def test_one_key_with_two_meanings_has_one_winner() -> None:
    wallet = ledger.requester_balance(make.requester())
    answers = together(lambda n: make.post(brought(wallet, 500 + n % 2, "topup:pi_1"))[0])
    refused = [one for one in answers if isinstance(one, ledger.KeyReused)]
    assert len(refused) == CLIENTS // 2
    assert make.balance(wallet) in (500, 501)


def test_an_account_is_made_once_on_first_use() -> None:
    new = [ledger.requester_balance(new_id()) for _ in range(6)]

    def act(number: int) -> Any:
        order = random.Random(number).sample(new, len(new))
        return make.post(*[brought(code, 1) for code in order])

    answers = together(act)
    assert all(isinstance(one, list) for one in answers), answers
    assert LedgerAccount.objects.filter(code__in=new).count() == len(new)
    assert [make.balance(code) for code in new] == [CLIENTS] * len(new)
    books_are_good()


def test_a_wallet_is_never_overspent() -> None:
    whose = make.requester(credit_micros=1_000)
    jobs = [new_id() for _ in range(CLIENTS)]
    for job in jobs:
        escrow.open(job_id=job, organization_id=whose, currency="XTS")
    answers = together(
        lambda n: escrow.fund(job_id=jobs[n], amount_micros=100, key=f"launch:{jobs[n]}", by=whose)
    )
    assert Counter(type(one) for one in answers) == {type(None): 10, escrow.InsufficientFunds: 6}
    assert wallets.balance(whose, "XTS") == 0
    books_are_good()


def test_a_repeated_launch_is_funded_once() -> None:
    whose = make.requester(credit_micros=1_000)
    job = new_id()

    def act(_number: int) -> None:
        with transaction.atomic():
            escrow.open(job_id=job, organization_id=whose, currency="XTS")
            escrow.fund(job_id=job, amount_micros=100, key=f"launch:{job}", by=whose)

    assert together(act) == [None] * CLIENTS
    assert escrow.summary(job).funded_micros == 100
    assert wallets.balance(whose, "XTS") == 900
    books_are_good()


def test_a_top_up_asked_for_twice_is_one() -> None:
    by = make.person()
    whose = make.requester()
    answers = together(
        lambda _: (
            wallets.start_topup(
                organization_id=whose, amount_micros=700, currency="XTS", by=by, key="k"
            ).pk
        )
    )
    assert len(set(answers)) == 1, answers
    assert wallets.balance(whose, "XTS") == 700
    books_are_good()


# --- one job's funds -------------------------------------------------------------------------
def test_no_more_is_reserved_than_is_there() -> None:
    whose = make.requester(credit_micros=10_000)
    job = make.funded_job(whose, 10_000)
    answers = together(
        lambda _: sum(
            escrow.reserve_up_to(job_id=job, line="work", unit_micros=30, count=7)
            for _ in range(20)
        )
    )
    assert sum(answers) == 10_000 // 30
    assert escrow.summary(job).lines["work"] == sum(answers) * 30


def test_a_reserve_that_waited_sees_what_was_paid_meanwhile() -> None:
    """Read with the row's lock in one statement, the balance would be the one of before."""
    whose = make.requester(credit_micros=30_000)
    worker = make.person()
    job = make.funded_job(whose, 30_000)
    assert escrow.reserve(job_id=job, line="work", amount_micros=30_000)
    paid, asked = threading.Event(), threading.Event()

    def pay(_number: int) -> int:
        with transaction.atomic():
            done = earnings.credit([make.accepted(job, whose, worker)], now=clock.now())
            paid.set()
            asked.wait(10)
            _until_somebody_waits()
        return done

    def ask(_number: int) -> int:
        paid.wait(10)
        asked.set()
        return escrow.reserve_up_to(job_id=job, line="work", unit_micros=100, count=1_000)

    assert together(lambda n: (pay, ask)[n](n), 2) == [1, 84]  # 8 400 of the reserve came back
    books_are_good()


def _until_somebody_waits() -> None:
    for _ in range(200):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted"
                " AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            )
            if cursor.fetchone()[0]:
                return
        threading.Event().wait(0.02)
    raise AssertionError("nobody came to wait")


def test_paying_reserving_funding_and_giving_back_at_once() -> None:
    """Everything that can happen to the funds of three jobs which share requester and workers."""
    whose = make.requester(credit_micros=100_000_000)
    people = [make.person() for _ in range(5)]
    jobs = [make.funded_job(whose, 3_000_000) for _ in range(3)]

    def act(number: int) -> int:
        luck = random.Random(number)
        paid = 0
        for turn in range(15):
            job = luck.choice(jobs)
            with transaction.atomic():
                got = escrow.reserve_up_to(job_id=job, line="work", unit_micros=30_000, count=4)
            work = [make.accepted(job, whose, luck.choice(people)) for _ in range(max(got - 1, 0))]
            with transaction.atomic():
                paid += earnings.credit(work, now=clock.now())
            if got:
                escrow.move(job_id=job, from_line="work", to_line="contested", amount_micros=30_000)
                escrow.unreserve(job_id=job, line="contested", amount_micros=30_000)
            if turn % 5 == 0:
                escrow.fund(
                    job_id=job, amount_micros=100_000, key=f"extend:{number}:{turn}", by=whose
                )
        return paid

    answers = together(act)
    no_deadlock(answers)
    assert all(isinstance(one, int) for one in answers), answers
    assert Earning.objects.count() == sum(answers)
    assert all(not any(one.lines.values()) for one in escrow.summaries(jobs).values())
    assert sum(earnings.buckets(one, "XTS").pending for one in people) == 18_000 * sum(answers)
    books_are_good()


def test_the_same_answers_settled_twice_at_once_are_paid_once() -> None:
    whose = make.requester(credit_micros=10_000_000)
    worker = make.person()
    job = make.funded_job(whose, 5_000_000)
    escrow.reserve(job_id=job, line="work", amount_micros=50 * 30_000)
    work = [make.accepted(job, whose, worker) for _ in range(50)]
    now = clock.now()
    answers = together(lambda _: earnings.credit(work, now=now), 8)
    assert sorted(answers) == [0] * 7 + [50]
    assert earnings.buckets(worker, "XTS").pending == 50 * 18_000
    books_are_good()


def test_a_job_that_closes_takes_no_more_money() -> None:
    for _ in range(10):
        _race_for_the_end()
    books_are_good()


def _race_for_the_end() -> None:
    whose = make.requester(credit_micros=2_000)
    job = make.funded_job(whose, 1_000)
    acts = (
        lambda: escrow.close(job_id=job, by=whose),
        lambda: escrow.reserve(job_id=job, line="work", amount_micros=1_000),
        lambda: escrow.fund(job_id=job, amount_micros=500, key=f"e:{job}", by=whose),
    )
    together(lambda n: acts[n](), 3)
    found = escrow.summary(job)
    assert wallets.balance(whose, "XTS") + found.balance == 2_000
    assert found.is_closed is (found.lines["work"] == 0)


def test_several_runs_release_every_earning_once() -> None:
    whose = make.requester(credit_micros=100_000_000)
    people = [make.person() for _ in range(7)]
    job = make.funded_job(whose, 50_000_000)
    escrow.reserve(job_id=job, line="work", amount_micros=300 * 30_000)
    earnings.credit(
        [make.accepted(job, whose, people[n % 7], hold_days=0) for n in range(300)],
        now=clock.now() - timedelta(seconds=1),
    )

    def act(_number: int) -> int:
        released = 0
        for _ in range(30):
            released += earnings.release_matured(limit=20)
        return released

    answers = together(act, 6)
    no_deadlock(answers)
    assert sum(answers) == 300, answers
    assert sum(earnings.buckets(one, "XTS").available for one in people) == 300 * 18_000
    books_are_good()
