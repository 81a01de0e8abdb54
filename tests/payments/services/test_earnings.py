from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from core import clock
from core.ids import new_id
from payments import selectors, tasks
from payments.models import Earning, LedgerTransaction
from payments.services import earnings, escrow, ledger
from tests.factories import payments as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def whose():
    return make.requester(credit_micros=10_000_000)


@pytest.fixture
def job(whose):
    """A funded job with ten slots reserved."""
    job_id = make.funded_job(whose, 5_000_000)
    assert escrow.reserve(job_id=job_id, line="work", amount_micros=300_000)
    return job_id


@pytest.fixture
def worker():
    return make.person()


def credit(*work):
    return earnings.credit(list(work), now=clock.now())


def fees():
    entries = selectors.statement(ledger.PLATFORM_FEES, "XTS")
    return -sum(entry["amount_micros"] for entry in entries)


def test_an_accepted_answer_is_paid_out_of_its_reserve(whose, job, worker):
    one = make.accepted(job, whose, worker, risk_notes=["submitted late"])
    assert credit(one) == 1
    found = escrow.summary(job)
    assert found.lines["work"] == 270_000
    assert (found.spent_micros, found.fees_micros) == (18_000, 3_600)
    assert found.balance == 5_000_000 - 21_600
    assert found.free == 5_000_000 - 21_600 - 270_000  # 8 400 of the reserve is free again
    assert earnings.buckets(worker, "XTS") == selectors.Buckets("XTS", pending=18_000)
    assert fees() == 3_600
    row = Earning.objects.get(assignment_ref=one.assignment_id)
    assert (row.amount_micros, row.fee_micros, row.state) == (18_000, 3_600, "pending")
    assert row.quote == one.quote
    assert row.risk_notes == ["submitted late"]
    assert row.available_at - row.created_at == timedelta(days=3)
    assert row.transaction.idem_key == f"accept:{one.assignment_id}"


def test_paying_twice_is_as_once(whose, job, worker):
    one, other = make.accepted(job, whose, worker), make.accepted(job, whose, worker)
    assert credit(one) == 1
    assert credit(one, other) == 1
    assert credit(one, other) == 0
    assert earnings.buckets(worker, "XTS").pending == 36_000
    assert escrow.summary(job).lines["work"] == 240_000
    assert Earning.objects.count() == 2


def test_an_answer_is_never_paid_another_amount(whose, job, worker):
    one = make.accepted(job, whose, worker)
    credit(one)
    dearer = make.accepted(
        job, whose, worker, amount_micros=18_100, assignment_id=one.assignment_id
    )
    with pytest.raises(ledger.KeyReused):
        credit(dearer)


def test_a_batch_takes_a_fixed_number_of_statements(whose, job, django_assert_num_queries):
    people = [make.person() for _ in range(3)]
    batch = [make.accepted(job, whose, people[n % 3]) for n in range(10)]
    now = clock.now()
    with django_assert_num_queries(6):  # lock, post, record, sum up, and a savepoint around them
        assert earnings.credit(batch, now=now) == 10
    assert credit() == 0
    assert LedgerTransaction.objects.filter(kind="accept").count() == 10
    assert [earnings.buckets(one, "XTS").pending for one in people] == [72_000, 54_000, 54_000]
    assert escrow.summary(job).lines["work"] == 0


def test_one_list_pays_answers_of_several_jobs_and_lines(whose, job, worker):
    other = make.funded_job(whose, 1_000_000)
    escrow.reserve(job_id=other, line="gold", amount_micros=30_000)
    escrow.move(job_id=job, from_line="work", to_line="contested", amount_micros=30_000)
    credit(
        make.accepted(job, whose, worker),
        make.accepted(job, whose, worker, line="contested"),
        make.accepted(other, whose, worker, line="gold"),
    )
    lines = escrow.summary(job).lines
    assert (lines["work"], lines["contested"]) == (240_000, 0)
    assert escrow.summary(other).lines["gold"] == 0
    assert earnings.buckets(worker, "XTS").pending == 54_000


def test_pay_without_a_fee(whose, job, worker):
    credit(make.accepted(job, whose, worker, fee_micros=0))
    row = Earning.objects.get()
    assert row.transaction.legs == 2
    assert fees() == 0


@pytest.mark.parametrize(
    "facts",
    [
        {"reserve_micros": 300_001},  # more than the line holds
        {"line": "gold"},  # a line that holds nothing
        {"amount_micros": 4_900_000},  # the account would do, the lines' cover would not
    ],
)
def test_what_is_not_reserved_is_not_paid(whose, job, worker, facts):
    with pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012
        credit(make.accepted(job, whose, worker, **facts))
        connection.check_constraints()
    assert not Earning.objects.exists()
    assert earnings.buckets(worker, "XTS").pending == 0


def test_an_answer_of_a_job_without_funds(whose, worker):
    with pytest.raises(escrow.NoEscrow):
        credit(make.accepted(new_id(), whose, worker))


def test_a_promise_in_another_currency_is_a_mistake_of_ours(whose, job, worker):
    with pytest.raises(ValueError):
        credit(make.accepted(job, whose, worker, currency="USD"))


# --- the end of the hold ---------------------------------------------------------------------
def test_pay_is_pending_until_its_hold_is_over(whose, job, worker):
    credit(
        make.accepted(job, whose, worker, hold_days=3),
        make.accepted(job, whose, worker, hold_days=7),
    )
    assert earnings.release_matured() == 0
    assert earnings.oldest_matured() is None
    clock.shift(timedelta(days=3, seconds=5))
    assert earnings.oldest_matured() == pytest.approx(5, abs=5)
    assert earnings.release_matured() == 1
    assert earnings.release_matured() == 0
    assert earnings.buckets(worker, "XTS") == selectors.Buckets("XTS", 18_000, 18_000)
    clock.shift(timedelta(days=4))
    assert tasks.release_earnings() == 1
    found = earnings.buckets(worker, "XTS")
    assert (found.pending, found.available, found.total) == (0, 36_000, 36_000)


def test_a_run_releases_each_worker_in_one_transaction(whose, job):
    people = [make.person() for _ in range(3)]
    credit(*[make.accepted(job, whose, people[n % 3]) for n in range(10)])
    clock.shift(timedelta(days=4))
    assert earnings.release_matured() == 10
    released = LedgerTransaction.objects.filter(kind="release")
    assert released.count() == 3
    first = Earning.objects.filter(worker_id=people[0])
    assert first.count() == 4
    assert set(first.values_list("state", flat=True)) == {"available"}
    assert len(set(first.values_list("release", flat=True))) == 1


def test_a_run_is_bounded(whose, job, worker):
    credit(*[make.accepted(job, whose, worker) for _ in range(5)])
    clock.shift(timedelta(days=4))
    assert [earnings.release_matured(limit=2) for _ in range(4)] == [2, 2, 1, 0]


# --- attacks ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE payments_earning SET amount_micros = 1",
        "UPDATE payments_earning SET worker_id = worker_id",
        "UPDATE payments_earning SET quote = '{}'",
        "UPDATE payments_earning SET state = 'available'",  # without the facts of a release
        "UPDATE payments_earning SET released_at = now()",
        "DELETE FROM payments_earning",
        "TRUNCATE payments_earning",
    ],
)
def test_an_earning_is_kept_as_it_was_made(whose, job, worker, attack):
    credit(make.accepted(job, whose, worker))
    connection.check_constraints()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(attack)


def test_an_available_earning_never_goes_back_to_pending(whose, job, worker):
    credit(make.accepted(job, whose, worker))
    clock.shift(timedelta(days=4))
    earnings.release_matured()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_earning SET state = 'pending', released_at = NULL, release_id = NULL"
        )


# --- reading ---------------------------------------------------------------------------------
def test_a_receipt_tells_the_formula_and_the_legs(whose, job, worker):
    credit(make.accepted(job, whose, worker))
    earning = selectors.earnings_of(worker).get()
    found = selectors.receipt(worker, earning.pk)
    assert found.explanation.startswith("1 item x XTS 0.0180/item")
    assert found.legs == [
        (ledger.job_escrow(job), 21_600),
        (ledger.worker_pending(worker), -18_000),
        (ledger.PLATFORM_FEES, -3_600),
    ]
    assert found.transaction.kind == "accept"


def test_nobody_sees_anothers_receipt(whose, job, worker):
    credit(make.accepted(job, whose, worker))
    assert selectors.receipt(make.person(), Earning.objects.get().pk) is None
    assert not selectors.earnings_of(make.person()).exists()


def test_balances_of_accounts_that_were_never_used():
    assert selectors.wallet(new_id(), "USD") == 0
    assert earnings.buckets(new_id()) == selectors.Buckets("USD")
