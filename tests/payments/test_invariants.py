"""Every invariant of the books finds what it is there to find.

The guards are taken away inside a transaction that is given up, then the books are broken.
"""

from datetime import timedelta

import pytest
from django.db import connection, transaction

from core import audit, clock
from core.ids import new_id
from payments.services import earnings, escrow, ledger
from tests.factories import payments as make

pytestmark = pytest.mark.django_db

OURS = sorted(id for id in audit.registry() if id.startswith("P"))  # noqa: A001


def sql(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def books():
    """A job that is running and one that is over, paid and released work, in both currencies."""
    for currency in ("USD", "XTS"):
        whose = make.requester(credit_micros=10_000_000, currency=currency)
        worker = make.person()
        job = make.funded_job(whose, 5_000_000, currency)
        escrow.reserve(job_id=job, line="work", amount_micros=300_000)
        work = [make.accepted(job, whose, worker, currency=currency) for _ in range(3)]
        earnings.credit(work[:2], now=clock.now())
        clock.shift(timedelta(days=4))
        earnings.release_matured()
        earnings.credit(work[2:], now=clock.now())
        over = make.funded_job(whose, 1_000_000, currency)
        escrow.close(job_id=over, by=new_id())
    connection.check_constraints()


def found(one):
    return audit.check(one).rows


@pytest.mark.parametrize("one", OURS)
def test_good_books_are_clean(books, one):
    assert found(one) == 0, audit.check(one).sample


# One way, or more, to break each; constraints that would refuse the deed go first.
WITHOUT_GUARDS = "SET LOCAL session_replication_role = replica;"
ACCEPTED = "(SELECT id FROM payments_ledgertransaction WHERE kind = 'accept' LIMIT 1)"
BREAKS = {
    "P1": f"""
DELETE FROM payments_ledgerentry WHERE transaction_id = {ACCEPTED} AND n = 1

UPDATE payments_ledgerentry SET amount_micros = amount_micros + 1
    WHERE transaction_id = {ACCEPTED} AND n = 1

DELETE FROM payments_ledgerentry WHERE transaction_id = {ACCEPTED}

INSERT INTO payments_ledgerentry (transaction_id, n, account_id, amount_micros)
    SELECT {ACCEPTED}, 4, id, 5 FROM payments_ledgeraccount LIMIT 1
""",
    "P2": """
UPDATE payments_ledgertransaction SET currency = 'XTS' WHERE currency = 'USD'

ALTER TABLE payments_ledgeraccount DROP CONSTRAINT ledgeraccount_play_money;
UPDATE payments_ledgeraccount SET code = 'stripe:balance' WHERE code = 'play:mint'
""",
    "P3": """
ALTER TABLE payments_ledgerbalance DROP CONSTRAINT ledgerbalance_floor;
UPDATE payments_ledgerbalance SET amount_micros = -1

UPDATE payments_ledgerbalance SET floor_micros = NULL
""",
    "P4": """
UPDATE payments_ledgerbalance SET amount_micros = amount_micros + 1

UPDATE payments_ledgerbalance SET last_entry_id = 0

DELETE FROM payments_ledgerbalance
""",
    "P5": """
UPDATE payments_ledgeraccount SET kind = 'asset' WHERE owner_type = 'worker'

UPDATE payments_ledgeraccount SET owner_id = gen_random_uuid() WHERE owner_type = 'worker'
""",
    "P6": f"""
UPDATE payments_ledgertransaction SET reverses_id = {ACCEPTED} WHERE id = {ACCEPTED}

ALTER TABLE payments_ledgertransaction DROP CONSTRAINT payments_ledgertransaction_reverses_id_key;
UPDATE payments_ledgertransaction SET reverses_id = {ACCEPTED} WHERE kind = 'topup'
""",
    "P7": """
UPDATE payments_escrow SET work_micros = work_micros + 5000000,
    funded_micros = funded_micros + 5000000 WHERE closed_at IS NULL

ALTER TABLE payments_escrow DROP CONSTRAINT escrow_lines;
UPDATE payments_escrow SET gold_micros = -1 WHERE closed_at IS NULL
""",
    "P8": """
UPDATE payments_escrow SET spent_micros = spent_micros - 1, fees_micros = fees_micros + 1,
    funded_micros = funded_micros + 1 WHERE closed_at IS NULL

UPDATE payments_escrow SET returned_micros = 0

ALTER TABLE payments_escrow DROP CONSTRAINT escrow_adds_up;
UPDATE payments_escrow SET spent_micros = spent_micros + 1
""",
    "P9": """
ALTER TABLE payments_escrow DROP CONSTRAINT escrow_closed_is_empty;
UPDATE payments_escrow SET closed_at = now()

DELETE FROM payments_escrow WHERE closed_at IS NULL
""",
    "P10": f"""
DELETE FROM payments_earning

UPDATE payments_earning SET amount_micros = amount_micros + 1

UPDATE payments_earning SET fee_micros = fee_micros + 1

UPDATE payments_earning SET job_id = gen_random_uuid()

UPDATE payments_earning SET worker_id = gen_random_uuid()

UPDATE payments_earning SET assignment_ref = gen_random_uuid()

DELETE FROM payments_ledgertransaction WHERE id = {ACCEPTED}
""",
    "P11": """
UPDATE payments_earning SET quote = quote || '{"guaranteed_micros": 1}'

UPDATE payments_earning SET quote = quote || '{"currency": "EUR"}'
""",
    "P12": """
UPDATE payments_earning SET state = 'pending', released_at = NULL, release_id = NULL

DELETE FROM payments_earning WHERE state = 'pending'
""",
    "P13": """
UPDATE payments_earning SET release_id = NULL, state = 'held', hold_reason = 'x'
    WHERE state = 'available'

UPDATE payments_earning SET released_at = available_at - interval '1 day'
    WHERE state = 'available'
""",
    "P14": """
DELETE FROM payments_earning WHERE state = 'available'

UPDATE payments_ledgerbalance b SET amount_micros = amount_micros + 1
    FROM payments_ledgeraccount a WHERE a.id = b.account_id AND a.owner_type = 'worker'
""",
    "P15": """
UPDATE payments_ledgeraccount SET code = replace(code, ':available', ':in_flight')
    WHERE currency = 'USD'
""",
    "P16": f"""
UPDATE payments_ledgeraccount SET code = 'suspense' WHERE code = 'stripe:balance'

WITH opened AS (
    INSERT INTO payments_ledgeraccount (code, currency, kind, is_tracked, owner_type,
        created_at)
    SELECT 'suspense', 'USD', 'liability', false, '', now() RETURNING id
)
INSERT INTO payments_ledgerentry (transaction_id, n, account_id, amount_micros)
    SELECT {ACCEPTED}, 4, id, -5 FROM opened
""",
    "P17": """
ALTER TABLE payments_ledgerentry DISABLE TRIGGER ledgerentry_is_kept

DROP TRIGGER ledgertransaction_balances ON payments_ledgertransaction

ALTER TABLE payments_earning ENABLE REPLICA TRIGGER earning_is_kept
""",
}
BROKEN = [(one, deed) for one, deeds in BREAKS.items() for deed in deeds.strip().split("\n\n")]


@pytest.mark.parametrize(("one", "deed"), BROKEN)
def test_broken_books_are_found(books, one, deed):
    with transaction.atomic():
        sql(WITHOUT_GUARDS + deed)
        assert found(one) > 0
        transaction.set_rollback(True)
    assert found(one) == 0


def test_money_that_nobody_can_explain_is_found(books):
    """No guard forbids this one: a difference must have a place."""
    make.post(
        ledger.move(
            key="suspense:1", kind="suspense", currency="USD", debit="suspense",
            credit=ledger.STRIPE_BALANCE, amount_micros=5,
        )
    )  # fmt: skip
    assert found("P16") == 1


def test_every_invariant_is_broken_here():
    assert set(BREAKS) == set(OURS)


def test_every_guard_is_watched():
    """A trigger on a money table that the audit does not know of could be dropped unseen."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
            " AND tgrelid::regclass::text LIKE 'payments_%'"
        )
        there = {row[0] for row in cursor.fetchall()}
    watched = audit.registry()["P17"].sql()
    assert {name for name in there if f"'{name}'" not in watched} == set()
