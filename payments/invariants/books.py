"""What must always be true of the books. Each selects the rows that break it.

Most are also held by constraints and triggers; the audit finds what got past them.
"""

from __future__ import annotations

from core.audit import invariant


@invariant(
    id="P1", says="every ledger transaction has all its legs, at least two, and sums to zero"
)
def transactions_balance() -> str:
    """And with them the whole ledger."""
    return """
        SELECT t.id, t.idem_key, t.legs, count(e.id) AS found, coalesce(sum(e.amount_micros), 0) AS off
        FROM payments_ledgertransaction t
        LEFT JOIN payments_ledgerentry e ON e.transaction_id = t.id
        GROUP BY t.id
        HAVING count(e.id) <> t.legs OR t.legs < 2 OR coalesce(sum(e.amount_micros), 0) <> 0
    """


@invariant(
    id="P2", says="a transaction and its accounts have one currency; play money meets no cash"
)
def currencies_do_not_mix() -> str:
    """Nothing but play money comes from the mint, and play money never leaves."""
    return """
        SELECT e.id, t.idem_key, a.code, a.currency, t.currency AS of_transaction
        FROM payments_ledgerentry e
        JOIN payments_ledgertransaction t ON t.id = e.transaction_id
        JOIN payments_ledgeraccount a ON a.id = e.account_id
        WHERE a.currency <> t.currency
           OR (a.code = 'play:mint' AND a.currency <> 'XTS')
           OR (a.currency = 'XTS' AND (
                a.code IN ('stripe:balance', 'bank:operating', 'refunds:in_flight')
                OR right(a.code, 10) = ':in_flight'))
    """


@invariant(id="P3", says="no wallet, escrow or worker's balance is below its floor")
def floors_hold() -> str:
    """The floor of every tracked account is zero."""
    return """
        SELECT b.account_id, a.code, a.currency, b.amount_micros, b.floor_micros
        FROM payments_ledgerbalance b JOIN payments_ledgeraccount a ON a.id = b.account_id
        WHERE b.floor_micros IS NULL OR b.floor_micros <> 0 OR b.amount_micros < b.floor_micros
    """


@invariant(id="P4", says="every tracked account's balance is the sum of its entries")
def balances_are_sums() -> str:
    """On its natural side; an account without a balance row is a finding too."""
    return """
        SELECT a.id, a.code, a.currency, b.amount_micros, e.total
        FROM payments_ledgeraccount a
        LEFT JOIN payments_ledgerbalance b ON b.account_id = a.id
        LEFT JOIN (
            SELECT account_id, sum(amount_micros) AS total, max(id) AS latest
            FROM payments_ledgerentry GROUP BY account_id
        ) e ON e.account_id = a.id
        WHERE a.is_tracked AND (
                b.account_id IS NULL
                OR b.amount_micros <> coalesce(e.total, 0) * payments_side(a.kind)
                OR b.last_entry_id <> coalesce(e.latest, 0))
           OR NOT a.is_tracked AND b.account_id IS NOT NULL
    """


@invariant(id="P5", says="every account is what the chart says of its code")
def accounts_are_in_the_chart() -> str:
    """Kind, owner, and whether it has a floor."""
    return """
        SELECT a.id, a.code, a.currency, a.kind, a.is_tracked, a.owner_type, a.owner_id
        FROM payments_ledgeraccount a CROSS JOIN LATERAL payments_chart(a.code) c
        WHERE (a.kind, a.is_tracked, a.owner_type) <> (c.kind, c.is_tracked, c.owner_type)
           OR a.owner_id IS DISTINCT FROM c.owner_id
    """


@invariant(id="P6", says="a transaction is taken back at most once, later, and in its own currency")
def reversals_are_single() -> str:
    """A correction is a transaction of its own that names what it corrects."""
    return """
        SELECT r.id, r.idem_key, r.reverses_id
        FROM payments_ledgertransaction r
        JOIN payments_ledgertransaction t ON t.id = r.reverses_id
        WHERE r.currency <> t.currency OR r.id = t.id OR r.created_at < t.created_at
           OR (SELECT count(*) FROM payments_ledgertransaction o WHERE o.reverses_id = t.id) > 1
    """


@invariant(id="P7", says="what a job's lines reserve is on its escrow account")
def lines_are_covered() -> str:
    """No line is negative either."""
    return """
        SELECT e.job_id, payments_reserved(e) AS reserved, b.amount_micros
        FROM payments_escrow e LEFT JOIN payments_ledgerbalance b ON b.account_id = e.account_id
        WHERE b.account_id IS NULL OR payments_reserved(e) > b.amount_micros
           OR least(e.work_micros, e.gold_micros, e.exam_micros, e.escalation_micros,
                    e.contested_micros) < 0
    """


@invariant(
    id="P8", says="of what a job was given: spent, fees, returned and what is left are all of it"
)
def jobs_add_up() -> str:
    """By the escrow's own sums, and by the ledger."""
    return """
        SELECT e.job_id, e.funded_micros, e.spent_micros, e.fees_micros, e.returned_micros,
            b.amount_micros AS balance, l.*
        FROM payments_escrow e
        JOIN payments_ledgeraccount a ON a.id = e.account_id
        LEFT JOIN payments_ledgerbalance b ON b.account_id = e.account_id
        LEFT JOIN LATERAL (
            SELECT
                coalesce(sum(-x.amount_micros) FILTER (WHERE t.kind = 'fund'), 0) AS ledger_funded,
                coalesce(sum(x.amount_micros) FILTER (WHERE t.kind = 'close'), 0)
                    AS ledger_returned,
                coalesce(sum(x.amount_micros) FILTER (WHERE t.kind NOT IN ('fund', 'close')), 0)
                    AS ledger_paid
            FROM payments_ledgerentry x JOIN payments_ledgertransaction t ON t.id = x.transaction_id
            WHERE x.account_id = e.account_id
        ) l ON true
        WHERE e.funded_micros
                <> e.spent_micros + e.fees_micros + e.returned_micros + coalesce(b.amount_micros, 0)
           OR e.funded_micros <> l.ledger_funded
           OR e.returned_micros <> l.ledger_returned
           OR e.spent_micros + e.fees_micros <> l.ledger_paid
           OR a.code <> 'job:' || e.job_id || ':escrow' OR a.currency <> e.currency
    """


@invariant(id="P9", says="an escrow account belongs to a job's escrow; a closed one is empty")
def closed_is_empty() -> str:
    """Nothing is reserved for a job that is over, and nothing left behind."""
    return """
        SELECT a.id, a.code, e.job_id, e.closed_at, b.amount_micros
        FROM payments_ledgeraccount a
        LEFT JOIN payments_escrow e ON e.account_id = a.id
        LEFT JOIN payments_ledgerbalance b ON b.account_id = a.id
        WHERE a.owner_type = 'job' AND (
            e.job_id IS NULL AND b.amount_micros <> 0
            OR e.closed_at IS NOT NULL AND (b.amount_micros <> 0 OR payments_reserved(e) <> 0))
    """


@invariant(id="P10", says="every earning has exactly one pay in the ledger, of its amount and fee")
def earnings_are_posted() -> str:
    """To its worker, out of its job, under its answer's key; and no pay without an earning."""
    return """
        SELECT g.id AS earning, t.id AS transaction, g.assignment_ref, t.idem_key
        FROM payments_earning g
        FULL JOIN (SELECT * FROM payments_ledgertransaction WHERE kind = 'accept') t
            ON t.id = g.transaction_id
        WHERE g.id IS NULL OR t.id IS NULL
           OR t.idem_key <> 'accept:' || g.assignment_ref OR t.currency <> g.currency
           OR NOT EXISTS (
                SELECT 1 FROM payments_ledgerentry e
                JOIN payments_ledgeraccount a ON a.id = e.account_id
                WHERE e.transaction_id = t.id
                GROUP BY e.transaction_id
                HAVING sum(e.amount_micros) FILTER (
                        WHERE a.code = 'worker:' || g.worker_id || ':pending') = -g.amount_micros
                   AND coalesce(sum(e.amount_micros) FILTER (
                        WHERE a.code = 'platform:fees'), 0) = -g.fee_micros
                   AND sum(e.amount_micros) FILTER (WHERE a.code = 'job:' || g.job_id || ':escrow')
                        = g.amount_micros + g.fee_micros)
    """


@invariant(id="P11", says="an earning pays what its quote promised, fee included")
def earnings_keep_their_quote() -> str:
    """The receipt and the pay are one."""
    return """
        SELECT id, assignment_ref, amount_micros, fee_micros, quote FROM payments_earning
        WHERE quote->>'currency' <> currency
           OR (quote->>'guaranteed_micros')::bigint <> amount_micros
           OR (quote->>'fee_micros')::bigint <> fee_micros
    """


@invariant(id="P12", says="a worker's pending balance is the sum of the pending earnings")
def pending_is_explained() -> str:
    """Per worker and currency."""
    return """
        SELECT coalesce(a.owner_id, g.worker_id) AS worker, coalesce(a.currency, g.currency)
            AS currency, a.amount_micros AS on_account, g.amount_micros AS of_earnings
        FROM (
            SELECT a.owner_id, a.currency, b.amount_micros
            FROM payments_ledgeraccount a JOIN payments_ledgerbalance b ON b.account_id = a.id
            WHERE a.owner_type = 'worker' AND right(a.code, 8) = ':pending'
        ) a
        FULL JOIN (
            SELECT worker_id, currency, sum(amount_micros) AS amount_micros
            FROM payments_earning WHERE state = 'pending' GROUP BY worker_id, currency
        ) g ON g.worker_id = a.owner_id AND g.currency = a.currency
        WHERE coalesce(a.amount_micros, 0) <> coalesce(g.amount_micros, 0)
    """


@invariant(id="P13", says="a release moved exactly the earnings that name it, after their hold")
def releases_are_explained() -> str:
    """And every released earning names one."""
    return """
        SELECT t.id, t.idem_key, e.moved, g.released
        FROM payments_ledgertransaction t
        LEFT JOIN LATERAL (
            SELECT sum(x.amount_micros) AS moved FROM payments_ledgerentry x
            WHERE x.transaction_id = t.id AND x.amount_micros > 0
        ) e ON true
        LEFT JOIN LATERAL (
            SELECT sum(y.amount_micros) AS released,
                bool_and(y.released_at >= y.available_at) AS is_due
            FROM payments_earning y WHERE y.release_id = t.id
        ) g ON true
        WHERE t.kind = 'release' AND (
            e.moved IS DISTINCT FROM g.released OR NOT coalesce(g.is_due, false))
    """


@invariant(id="P14", says="what a worker has, is being paid and was paid is what the worker earned")
def workers_add_up() -> str:
    """Per worker and currency: the four balances, and the payouts that left, are all earnings."""
    return """
        SELECT w.id AS worker, w.currency, coalesce(here.micros, 0) AS here,
            coalesce(paid.micros, 0) AS paid, coalesce(earned.micros, 0) AS earned
        FROM (
            SELECT worker_id AS id, currency FROM payments_earning
            UNION SELECT worker_id, currency FROM payments_payout
            UNION SELECT owner_id, currency FROM payments_ledgeraccount
                WHERE owner_type = 'worker' AND kind = 'liability'
        ) w
        LEFT JOIN (
            SELECT a.owner_id, a.currency, sum(b.amount_micros) AS micros
            FROM payments_ledgeraccount a JOIN payments_ledgerbalance b ON b.account_id = a.id
            WHERE a.owner_type = 'worker' AND a.kind = 'liability'
            GROUP BY a.owner_id, a.currency
        ) here ON here.owner_id = w.id AND here.currency = w.currency
        LEFT JOIN (
            SELECT worker_id, currency, sum(amount_micros - reversed_micros) AS micros
            FROM payments_payout WHERE state IN ('sent', 'paid', 'bank_failed', 'reversed')
            GROUP BY worker_id, currency
        ) paid ON paid.worker_id = w.id AND paid.currency = w.currency
        LEFT JOIN (
            SELECT worker_id, currency, sum(amount_micros) AS micros
            FROM payments_earning GROUP BY worker_id, currency
        ) earned ON earned.worker_id = w.id AND earned.currency = w.currency
        WHERE coalesce(here.micros, 0) + coalesce(paid.micros, 0) <> coalesce(earned.micros, 0)
    """


@invariant(id="P15", says="what is in flight to a worker is the worker's payout on its way")
def in_flight_is_explained() -> str:
    """Every payout that has not left and is not over, and nothing else."""
    return """
        SELECT coalesce(a.owner_id, p.worker_id) AS worker, coalesce(a.currency, p.currency)
            AS currency, a.amount_micros AS on_account, p.amount_micros AS of_payouts
        FROM (
            SELECT a.owner_id, a.currency, b.amount_micros
            FROM payments_ledgeraccount a JOIN payments_ledgerbalance b ON b.account_id = a.id
            WHERE a.owner_type = 'worker' AND right(a.code, 10) = ':in_flight'
        ) a
        FULL JOIN (
            SELECT worker_id, currency, sum(amount_micros) AS amount_micros FROM payments_payout
            WHERE state IN ('requested', 'blocked', 'needs_review', 'approved', 'sending',
                            'unknown', 'held')
            GROUP BY worker_id, currency
        ) p ON p.worker_id = a.owner_id AND p.currency = a.currency
        WHERE coalesce(a.amount_micros, 0) <> coalesce(p.amount_micros, 0)
    """


@invariant(id="P16", says="nothing waits unmatched on the suspense account")
def nothing_is_unmatched() -> str:
    """What Stripe shows and we cannot explain is put there until somebody finds out."""
    return """
        SELECT a.id, a.currency, sum(e.amount_micros) AS unmatched
        FROM payments_ledgerentry e JOIN payments_ledgeraccount a ON a.id = e.account_id
        WHERE a.code = 'suspense' GROUP BY a.id HAVING sum(e.amount_micros) <> 0
    """


@invariant(id="P17", says="the guards of the books are in place")
def guards_are_in_place() -> str:
    """A disabled or dropped trigger would let the books be changed."""
    return """
        SELECT wanted.name FROM unnest(ARRAY[
            'ledgertransaction_is_stamped',
            'ledgertransaction_balances',
            'ledgertransaction_is_kept',
            'ledgerentry_belongs',
            'ledgerentry_is_kept',
            'ledgeraccount_has_balance',
            'ledgeraccount_is_kept',
            'ledgerbalance_stays',
            'ledgerbalance_is_moved_by_entries',
            'ledgerbalance_covers_lines',
            'escrow_stays',
            'escrow_is_one_jobs',
            'escrow_stays_closed',
            'escrow_covers_lines',
            'earning_stays',
            'earning_is_kept',
            'payments_earning_state_moves',
            'ratecard_is_kept',
            'topup_is_kept',
            'topup_stays',
            'payments_topup_state_moves',
            'stripeevent_is_kept',
            'payments_stripeevent_state_moves',
            'payout_is_kept',
            'payout_stays',
            'payout_call_is_kept',
            'payout_has_approvals',
            'payments_payout_state_moves',
            'payoutevent_is_kept',
            'payoutapproval_is_kept',
            'payoutapproval_is_anothers'
        ]) AS wanted(name)
        LEFT JOIN pg_trigger g ON g.tgname = wanted.name AND g.tgenabled IN ('O', 'A')
        WHERE g.oid IS NULL
    """
