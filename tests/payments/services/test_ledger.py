"""The ledger through its service, and attacked by raw SQL."""

from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from core.ids import new_id
from payments.models import LedgerAccount, LedgerEntry, LedgerTransaction
from payments.services import ledger
from tests.factories import payments as make

pytestmark = pytest.mark.django_db


def sql(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else cursor.rowcount


def at_commit():
    """What a commit would check."""
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("SET CONSTRAINTS ALL DEFERRED")


def topup(wallet, amount, key=None, currency="XTS"):
    source = ledger.PLAY_MINT if currency == "XTS" else ledger.STRIPE_BALANCE
    return ledger.move(
        key=key or f"topup:{new_id()}",
        kind=ledger.Kind.TOPUP,
        currency=currency,
        debit=source,
        credit=wallet,
        amount_micros=amount,
    )


def raw_transaction(legs=2, currency="XTS", **columns):
    """A row of a transaction by hand; its id."""
    pk = new_id()
    values = {"id": pk, "idem_key": f"raw:{pk}", "kind": "topup", "currency": currency, "legs": legs,
              "legs_digest": b"x", "event_at": "now()", "created_at": "now()", "xact_id": 0,
              "memo": "", **columns}  # fmt: skip
    names = ", ".join(values)
    places = ", ".join(["%s"] * len(values))
    sql(f"INSERT INTO payments_ledgertransaction ({names}) VALUES ({places})", *values.values())
    return pk


def raw_leg(transaction_id, n, account_id, amount):
    sql(
        "INSERT INTO payments_ledgerentry (transaction_id, n, account_id, amount_micros)"
        " VALUES (%s, %s, %s, %s)",
        transaction_id, n, account_id, amount,
    )  # fmt: skip


@pytest.fixture
def wallet():
    return ledger.requester_balance(make.requester())


@pytest.fixture
def accounts(wallet):
    """The ids of a wallet and the mint, with 1000 moved between them."""
    make.post(topup(wallet, 1000))
    ids = dict(LedgerAccount.objects.filter(currency="XTS").values_list("code", "id"))
    return ids[wallet], ids[ledger.PLAY_MINT]


# --- posting ---------------------------------------------------------------------------------
def test_a_posting_moves_money_and_opens_accounts_on_first_use(wallet):
    (posted,) = make.post(topup(wallet, 5_000))
    assert posted.is_new
    assert make.balance(wallet) == 5_000
    row = LedgerTransaction.objects.get(pk=posted.id)
    assert (row.idem_key, row.legs, row.currency) == (posted.key, 2, "XTS")
    legs = LedgerEntry.objects.filter(transaction=row).order_by("n")
    assert [leg.amount_micros for leg in legs] == [5_000, -5_000]
    account = LedgerAccount.objects.get(code=wallet)
    assert (account.kind, account.is_tracked, account.owner_type) == (
        "liability",
        True,
        "requester",
    )
    assert not LedgerAccount.objects.get(code=ledger.PLAY_MINT).is_tracked


def test_a_list_is_posted_in_one_statement_in_its_order(wallet, django_assert_num_queries):
    postings = [topup(wallet, amount) for amount in range(1, 101)]
    with transaction.atomic(), django_assert_num_queries(1):
        posted = ledger.post(postings)
    assert [one.key for one in posted] == [one.key for one in postings]
    assert all(one.is_new for one in posted)
    assert make.balance(wallet) == 5_050


def test_nothing_to_post_is_nothing():
    assert make.post() == []


def test_the_same_key_and_legs_are_the_same_transaction(wallet):
    one = topup(wallet, 700, "topup:pi_1")
    (first,) = make.post(one)
    again = make.post(one, topup(wallet, 1, "topup:pi_2"))
    assert [entry.is_new for entry in again] == [False, True]
    assert again[0].id == first.id
    assert make.balance(wallet) == 701


def test_the_order_of_legs_makes_no_other_movement(wallet):
    one = topup(wallet, 700, "topup:pi_1")
    turned = ledger.Posting(one.key, one.kind, one.currency, tuple(reversed(one.legs)))
    make.post(one)
    assert not make.post(turned)[0].is_new


def test_a_key_twice_in_one_list_is_posted_once(wallet):
    one = topup(wallet, 700, "topup:pi_1")
    first, second = make.post(one, one)
    assert (first.is_new, second.is_new) == (True, False)
    assert first.id == second.id
    assert make.balance(wallet) == 700


@pytest.mark.parametrize("change", ["amount", "account", "currency"])
def test_the_same_key_with_other_legs_is_refused(wallet, change):
    make.post(topup(wallet, 700, "topup:pi_1"))
    other = {
        "amount": topup(wallet, 701, "topup:pi_1"),
        "account": topup(ledger.requester_balance(new_id()), 700, "topup:pi_1"),
        "currency": topup(wallet, 700, "topup:pi_1", "USD"),
    }[change]
    with pytest.raises(ledger.KeyReused):
        make.post(other)
    assert make.balance(wallet) == 700


def test_a_balance_stops_at_its_floor_and_says_what_is_there(wallet):
    make.post(topup(wallet, 700))
    job = ledger.job_escrow(new_id())
    spend = ledger.move(
        key="fund:1", kind="fund", currency="XTS", debit=wallet, credit=job, amount_micros=701
    )
    with pytest.raises(ledger.BelowFloor) as short:
        make.post(spend)
    assert (short.value.account, short.value.balance_micros) == (wallet, 700)
    assert make.balance(job) == 0


def test_a_list_is_judged_by_where_it_ends(wallet):
    """What one transaction of a list needs, another may bring."""
    job = ledger.job_escrow(new_id())
    spend = ledger.move(
        key="fund:1", kind="fund", currency="XTS", debit=wallet, credit=job, amount_micros=500
    )
    make.post(spend, topup(wallet, 500))
    assert (make.balance(wallet), make.balance(job)) == (0, 500)


def test_one_account_holds_each_currency_apart(wallet):
    make.post(topup(wallet, 10), topup(wallet, 20, currency="USD"))
    assert (make.balance(wallet, "XTS"), make.balance(wallet, "USD")) == (10, 20)


@pytest.mark.parametrize(
    "legs",
    [
        [("play:mint", 5)],
        [],
        [("play:mint", 5), ("suspense", -4)],
        [("play:mint", 5), ("worker:me:pending", -5)],
        [("play:mint", 5), ("job:00000000-0000-0000-0000-000000000000:balance", -5)],
        [("play:mint", 5), ("petty:cash", -5)],
        [("play:mint", 5), ("REQUESTER:00000000-0000-0000-0000-000000000000:balance", -5)],
    ],
)
def test_what_is_no_transaction_is_refused(legs):
    with pytest.raises(ledger.NotPostable):
        make.post(ledger.Posting("k", "topup", "XTS", legs))


@pytest.mark.parametrize("amount", [10**19, 2**63, 10**16 + 1])
def test_no_amount_is_too_large_for_an_account(wallet, amount):
    with pytest.raises(ledger.TooMuch):
        make.post(topup(wallet, amount))


def test_no_balance_overflows(wallet):
    for _ in range(9):
        make.post(*[topup(wallet, 10**16) for _ in range(100)])
    with pytest.raises(ledger.TooMuch):
        make.post(*[topup(wallet, 10**16) for _ in range(100)])
    assert make.balance(wallet) == 9 * 10**18


def test_a_leg_of_nothing_is_refused(wallet):
    legs = [("play:mint", 5), (wallet, -5), ("suspense", 0)]
    with pytest.raises(IntegrityError):
        make.post(ledger.Posting("k", "topup", "XTS", legs))


@pytest.mark.parametrize(
    "code",
    [ledger.STRIPE_BALANCE, ledger.BANK_OPERATING, ledger.REFUNDS_IN_FLIGHT,
     ledger.worker_in_flight(UUID(int=7))],
)  # fmt: skip
def test_play_money_meets_no_cash(code):
    with pytest.raises(IntegrityError):
        make.post(ledger.move(key="k", kind="topup", currency="XTS", debit=ledger.PLAY_MINT,
                              credit=code, amount_micros=5))  # fmt: skip


def test_only_play_money_is_minted(wallet):
    with pytest.raises(IntegrityError):
        make.post(ledger.move(key="k", kind="topup", currency="USD", debit=ledger.PLAY_MINT,
                              credit=wallet, amount_micros=5))  # fmt: skip


def test_a_transaction_is_taken_back_once(wallet):
    (posted,) = make.post(topup(wallet, 700))
    back = {
        key: ledger.move(
            key=key, kind="suspense", currency="XTS", debit=wallet, credit=ledger.PLAY_MINT,
            amount_micros=700, reverses=posted.id,
        )
        for key in ("back:1", "back:2")
    }  # fmt: skip
    make.post(back["back:1"])
    assert make.post(back["back:1"])[0].is_new is False
    make.post(topup(wallet, 700))
    with pytest.raises(IntegrityError):
        make.post(back["back:2"])


def test_savepoints_are_one_transaction(wallet):
    """A posting after and inside savepoints, one of them given up."""
    with transaction.atomic():
        with transaction.atomic():
            kept = ledger.post([topup(wallet, 1)])
        savepoint = transaction.savepoint()
        ledger.post([topup(wallet, 10)])
        transaction.savepoint_rollback(savepoint)
        with transaction.atomic(), transaction.atomic():
            ledger.post([topup(wallet, 100)])
    at_commit()
    assert kept[0].is_new
    assert make.balance(wallet) == 101


# --- attacks ---------------------------------------------------------------------------------
def refused(attack, *, at_end=False):
    with pytest.raises(IntegrityError), transaction.atomic():  # noqa: PT012
        attack()
        if at_end:
            at_commit()


def test_an_unbalanced_transaction_does_not_commit(accounts):
    wallet, mint = accounts

    def attack():
        pk = raw_transaction()
        raw_leg(pk, 1, mint, 10)
        raw_leg(pk, 2, wallet, -9)

    refused(attack, at_end=True)


@pytest.mark.parametrize("legs", [2, 3])
def test_a_transaction_without_all_its_legs_does_not_commit(accounts, legs):
    wallet, mint = accounts

    def attack():
        pk = raw_transaction(legs=legs)
        if legs == 3:
            raw_leg(pk, 1, mint, 10)
            raw_leg(pk, 2, wallet, -10)

    refused(attack, at_end=True)


def test_a_transaction_has_two_legs_at_least():
    refused(lambda: raw_transaction(legs=1))


def test_a_full_transaction_takes_no_late_leg(accounts):
    """Not even in its own database transaction, after the check was forced early."""
    wallet, mint = accounts
    pk = raw_transaction()
    raw_leg(pk, 1, mint, 10)
    raw_leg(pk, 2, wallet, -10)
    at_commit()
    refused(lambda: raw_leg(pk, 3, wallet, -10))
    refused(lambda: raw_leg(pk, 2, wallet, -10))
    assert sql("SELECT count(*) FROM payments_ledgerentry WHERE transaction_id = %s", pk) == [(2,)]


def test_a_leg_of_another_currency_is_refused(accounts):
    _, mint = accounts
    make.post(topup("suspense", 5, currency="USD"))
    suspense = LedgerAccount.objects.get(code="suspense", currency="USD").pk

    def attack():
        pk = raw_transaction()
        raw_leg(pk, 1, mint, 10)
        raw_leg(pk, 2, suspense, -10)

    refused(attack)


def test_a_leg_without_its_transaction_is_refused(accounts):
    wallet, _ = accounts
    refused(lambda: raw_leg(new_id(), 1, wallet, 5), at_end=True)


def test_raw_entries_move_their_balances_too(accounts):
    """And stop at the floor: there is no way around it."""
    wallet, mint = accounts
    pk = raw_transaction()
    raw_leg(pk, 1, mint, -1000)
    raw_leg(pk, 2, wallet, 1000)
    at_commit()
    assert sql(
        "SELECT amount_micros FROM payments_ledgerbalance WHERE account_id = %s", wallet
    ) == [(0,)]

    def attack():
        pk = raw_transaction()
        raw_leg(pk, 1, mint, -1)
        raw_leg(pk, 2, wallet, 1)

    refused(attack)


@pytest.mark.parametrize(
    "attack",
    [
        "DELETE FROM payments_ledgerentry",
        "DELETE FROM payments_ledgertransaction",
        "DELETE FROM payments_ledgeraccount WHERE code = 'suspense'",
        "DELETE FROM payments_ledgerbalance",
        "UPDATE payments_ledgerentry SET amount_micros = amount_micros",
        "UPDATE payments_ledgertransaction SET memo = 'x' WHERE false",
        "UPDATE payments_ledgeraccount SET is_tracked = false",
        "UPDATE payments_ledgerbalance SET amount_micros = amount_micros + 1",
        "UPDATE payments_ledgerbalance SET floor_micros = NULL",
        "TRUNCATE payments_ledgerentry",
        "TRUNCATE payments_ledgertransaction CASCADE",
        "TRUNCATE payments_ledgerbalance",
        "TRUNCATE payments_ledgeraccount CASCADE",
    ],
)
def test_the_books_are_written_once(accounts, attack):
    at_commit()
    refused(lambda: sql(attack))


def test_nobody_backdates_the_stamp_of_a_transaction(accounts):
    """The database transaction's id is set by a trigger, whatever was given."""
    pk = raw_transaction(xact_id=1)
    ((stamp, ours),) = sql(
        "SELECT xact_id, pg_current_xact_id()::text::bigint FROM payments_ledgertransaction"
        " WHERE id = %s",
        pk,
    )
    assert stamp == ours
    wallet, mint = accounts
    raw_leg(pk, 1, mint, 10)
    raw_leg(pk, 2, wallet, -10)


@pytest.mark.django_db(transaction=True)
def test_an_old_transaction_takes_no_late_leg():
    wallet = ledger.requester_balance(make.requester())
    (posted,) = make.post(topup(wallet, 1000))
    account = LedgerAccount.objects.get(code=wallet).pk
    sql("ALTER TABLE payments_ledgerentry DROP CONSTRAINT ledgerentry_leg")
    try:
        for attack in (lambda: raw_leg(posted.id, 1, account, -5),
                       lambda: raw_leg(posted.id, 3, account, -5)):  # fmt: skip
            match = pytest.raises(IntegrityError, match="does not belong")
            with match, transaction.atomic(), transaction.atomic():
                attack()
    finally:
        sql("ALTER TABLE payments_ledgerentry"
            " ADD CONSTRAINT ledgerentry_leg UNIQUE (transaction_id, n)")  # fmt: skip
    assert make.balance(wallet) == 1000
