import pytest
from django.db import IntegrityError, connection, transaction

from core import errors
from core.ids import new_id
from payments.models import Escrow
from payments.services import escrow, ledger, wallets
from tests.factories import payments as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def whose():
    return make.requester(credit_micros=10_000)


@pytest.fixture
def job(whose):
    return make.funded_job(whose, 6_000)


def attack(statement, *values):
    connection.check_constraints()
    with connection.cursor() as cursor, pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012
        cursor.execute(statement, values)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


# --- funding ---------------------------------------------------------------------------------
def test_a_launch_moves_the_budget_out_of_the_wallet(whose, job):
    assert wallets.balance(whose, "XTS") == 4_000
    found = escrow.summary(job)
    assert (found.balance, found.free, found.spent_micros, found.fees_micros) == (
        6_000,
        6_000,
        0,
        0,
    )
    assert found.lines == {"work": 0, "gold": 0, "exam": 0, "escalation": 0, "contested": 0}


def test_opening_twice_is_as_once(whose, job):
    escrow.open(job_id=job, organization_id=whose, currency="XTS")
    assert escrow.summary(job).balance == 6_000


def test_the_same_key_funds_once(whose, job):
    by = new_id()
    for _ in range(2):
        escrow.fund(job_id=job, amount_micros=1_000, key=f"extend:{job}:a", by=by)
    escrow.fund(job_id=job, amount_micros=1_000, key=f"extend:{job}:b", by=by)
    found = escrow.summary(job)
    assert (found.balance, found.funded_micros) == (8_000, 8_000)
    with pytest.raises(ledger.KeyReused):
        escrow.fund(job_id=job, amount_micros=1_001, key=f"extend:{job}:a", by=by)


def test_a_short_wallet_funds_nothing_and_says_how_short(whose, job):
    with pytest.raises(escrow.InsufficientFunds) as short:
        escrow.fund(job_id=job, amount_micros=4_001, key="x", by=new_id())
    assert short.value.status == 409
    assert short.value.code == "insufficient_funds"
    assert short.value.extra == {"balance_micros": 4_000, "needed_micros": 4_001}
    assert wallets.balance(whose, "XTS") == 4_000
    escrow.fund(job_id=job, amount_micros=4_000, key="x", by=new_id())
    assert wallets.balance(whose, "XTS") == 0


def test_an_empty_wallet_is_short_too():
    job_id = new_id()
    escrow.open(job_id=job_id, organization_id=make.requester(), currency="USD")
    with pytest.raises(escrow.InsufficientFunds):
        escrow.fund(job_id=job_id, amount_micros=1, key="x", by=new_id())


def test_play_money_funds_no_job_of_money(whose):
    job_id = new_id()
    escrow.open(job_id=job_id, organization_id=whose, currency="USD")
    with pytest.raises(escrow.InsufficientFunds):
        escrow.fund(job_id=job_id, amount_micros=1, key="x", by=new_id())


@pytest.mark.parametrize("amount", [0, -1, 10**16 + 1])
def test_what_is_no_amount_is_refused(job, amount):
    with pytest.raises(errors.Invalid):
        escrow.fund(job_id=job, amount_micros=amount, key="x", by=new_id())


def test_a_job_without_escrow():
    stranger = new_id()
    assert escrow.free(stranger) == 0
    assert escrow.summaries([stranger]) == {}
    assert not escrow.reserve(job_id=stranger, line="work", amount_micros=1)
    assert escrow.reserve_up_to(job_id=stranger, line="work", unit_micros=1, count=5) == 0
    for ask in (
        lambda: escrow.summary(stranger),
        lambda: escrow.fund(job_id=stranger, amount_micros=1, key="x", by=new_id()),
        lambda: escrow.close(job_id=stranger, by=new_id()),
    ):
        with pytest.raises(escrow.NoEscrow):
            ask()


# --- lines -----------------------------------------------------------------------------------
def test_a_line_claims_all_or_nothing(job):
    assert escrow.reserve(job_id=job, line="work", amount_micros=5_000)
    assert not escrow.reserve(job_id=job, line="gold", amount_micros=1_001)
    assert escrow.reserve(job_id=job, line="gold", amount_micros=1_000)
    assert escrow.free(job) == 0
    assert escrow.reserve(job_id=job, line="gold", amount_micros=0)
    found = escrow.summary(job)
    assert (found.balance, found.lines["work"], found.lines["gold"]) == (6_000, 5_000, 1_000)


def test_as_many_units_as_are_free(job, django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(3):  # a savepoint around one statement
        assert escrow.reserve_up_to(job_id=job, line="gold", unit_micros=700, count=3) == 3
    assert escrow.reserve_up_to(job_id=job, line="gold", unit_micros=700, count=100) == 5
    assert escrow.reserve_up_to(job_id=job, line="gold", unit_micros=700, count=1) == 0
    assert escrow.reserve_up_to(job_id=job, line="gold", unit_micros=0, count=9) == 9
    assert escrow.reserve_up_to(job_id=job, line="gold", unit_micros=1, count=0) == 0
    assert escrow.summary(job).lines["gold"] == 8 * 700


@pytest.mark.parametrize("line", ["work", "gold", "exam", "escalation", "contested"])
def test_every_line_is_its_own(job, line):
    assert escrow.reserve(job_id=job, line=line, amount_micros=100)
    assert escrow.summary(job).lines[line] == 100
    escrow.unreserve(job_id=job, line=line, amount_micros=100)
    assert not any(escrow.summary(job).lines.values())


def test_a_rejected_answers_reserve_waits_on_its_own_line(job):
    escrow.reserve(job_id=job, line="work", amount_micros=300)
    escrow.move(job_id=job, from_line="work", to_line="contested", amount_micros=200)
    lines = escrow.summary(job).lines
    assert (lines["work"], lines["contested"]) == (100, 200)
    assert escrow.free(job) == 5_700
    escrow.unreserve(job_id=job, line="contested", amount_micros=200)
    assert escrow.free(job) == 5_900


def test_no_line_goes_below_zero(job):
    escrow.reserve(job_id=job, line="work", amount_micros=300)
    for ask in (
        lambda: escrow.unreserve(job_id=job, line="work", amount_micros=301),
        lambda: escrow.move(job_id=job, from_line="work", to_line="gold", amount_micros=301),
        lambda: escrow.unreserve(job_id=job, line="gold", amount_micros=1),
    ):
        with pytest.raises(IntegrityError):
            ask()
    assert escrow.summary(job).lines["work"] == 300


@pytest.mark.parametrize(
    "ask",
    [
        lambda job: escrow.reserve(job_id=job, line="lunch", amount_micros=1),
        lambda job: escrow.unreserve(job_id=job, line="work_micros", amount_micros=1),
        lambda job: escrow.move(job_id=job, from_line="work", to_line="me", amount_micros=1),
        lambda job: escrow.unreserve(job_id=job, line="work", amount_micros=-1),
        lambda job: escrow.move(job_id=job, from_line="work", to_line="gold", amount_micros=-1),
    ],
)
def test_mistakes_of_ours_are_loud(job, ask):
    with pytest.raises(ValueError):
        ask(job)


def test_nothing_negative_is_reserved(job):
    from django.db import DatabaseError

    with pytest.raises(DatabaseError):
        escrow.reserve(job_id=job, line="work", amount_micros=-1)


def test_summaries_come_in_one_statement(whose, job, django_assert_num_queries):
    others = [make.funded_job(whose, 100) for _ in range(3)]
    with django_assert_num_queries(1):
        found = escrow.summaries([job, *others, new_id()])
    assert {pk: one.balance for pk, one in found.items()} == {
        job: 6_000, **dict.fromkeys(others, 100),
    }  # fmt: skip


# --- the end ---------------------------------------------------------------------------------
def test_what_is_left_goes_back_and_the_escrow_is_over(whose, job):
    assert escrow.close(job_id=job, by=new_id()) == 6_000
    assert wallets.balance(whose, "XTS") == 10_000
    found = escrow.summary(job)
    assert (found.is_closed, found.balance, found.returned_micros) == (True, 0, 6_000)
    assert escrow.close(job_id=job, by=new_id()) == 6_000
    assert wallets.balance(whose, "XTS") == 10_000
    assert not escrow.reserve(job_id=job, line="work", amount_micros=0)
    with pytest.raises(escrow.EscrowClosed):
        escrow.fund(job_id=job, amount_micros=1, key="late", by=new_id())


def test_reserved_funds_do_not_go_back(job):
    escrow.reserve(job_id=job, line="contested", amount_micros=1)
    with pytest.raises(escrow.StillReserved):
        escrow.close(job_id=job, by=new_id())
    escrow.unreserve(job_id=job, line="contested", amount_micros=1)
    assert escrow.close(job_id=job, by=new_id()) == 6_000


def test_an_escrow_that_was_never_funded_closes(whose):
    job_id = new_id()
    escrow.open(job_id=job_id, organization_id=whose, currency="XTS")
    assert escrow.close(job_id=job_id, by=new_id()) == 0


# --- attacks ---------------------------------------------------------------------------------
def test_lines_never_exceed_the_balance(job):
    attack("UPDATE payments_escrow SET work_micros = 6001, funded_micros = 9000")
    attack("UPDATE payments_escrow SET work_micros = 6000, gold_micros = 1")


def test_the_balance_never_falls_below_the_lines(whose, job):
    escrow.reserve(job_id=job, line="work", amount_micros=6_000)
    with pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012
        make.post(
            ledger.move(
                key="sneak", kind="close", currency="XTS", debit=ledger.job_escrow(job),
                credit=ledger.requester_balance(whose), amount_micros=1,
            )
        )  # fmt: skip
        connection.check_constraints()


def test_an_escrow_keeps_its_job_and_its_end(whose, job):
    attack("UPDATE payments_escrow SET organization_id = %s", make.requester())
    attack("UPDATE payments_escrow SET currency = 'USD'")
    attack("UPDATE payments_escrow SET spent_micros = -1")
    attack("DELETE FROM payments_escrow")
    attack("TRUNCATE payments_escrow")
    escrow.close(job_id=job, by=new_id())
    attack("UPDATE payments_escrow SET closed_at = NULL")
    attack("UPDATE payments_escrow SET work_micros = 0")
    assert Escrow.objects.get(pk=job).closed_at is not None
