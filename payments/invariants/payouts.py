"""What must always be true of money that comes in and goes out. Each selects the rows that break it.

Most are also held by constraints and triggers; the audit finds what got past them.
"""

from __future__ import annotations

from core.audit import invariant
from payments.models import Payout


@invariant(id="S1", says="a payout that left is one transfer in the ledger, of its amount")
def left_once() -> str:
    """And no transfer is there without its payout."""
    return """
        SELECT p.id AS payout, p.state, p.transfer_id, t.idem_key, t.moved
        FROM (
            SELECT * FROM payments_payout
            WHERE state IN ('sent', 'paid', 'bank_failed', 'reversed') OR transfer_id IS NOT NULL
        ) p
        FULL JOIN (
            SELECT t.idem_key, t.currency, a.owner_id, sum(e.amount_micros) AS moved
            FROM payments_ledgertransaction t
            JOIN payments_ledgerentry e ON e.transaction_id = t.id AND e.amount_micros > 0
            JOIN payments_ledgeraccount a ON a.id = e.account_id
            WHERE t.kind = 'transfer' GROUP BY t.id, a.owner_id
        ) t ON t.idem_key = 'transfer:' || p.transfer_id
        WHERE p.id IS NULL OR t.idem_key IS NULL OR t.moved <> p.amount_micros
           OR t.owner_id <> p.worker_id OR t.currency <> p.currency
    """


@invariant(id="S2", says="every payout took its money once, and gave it back if it did not leave")
def taken_and_given_back() -> str:
    """Rejected, cancelled and failed ones did, and no others."""
    return """
        SELECT p.id, p.state, taken.micros AS taken, given.micros AS given_back
        FROM payments_payout p
        LEFT JOIN LATERAL (
            SELECT sum(e.amount_micros) AS micros
            FROM payments_ledgertransaction t JOIN payments_ledgerentry e ON e.transaction_id = t.id
            WHERE t.idem_key = 'payout:' || p.id AND e.amount_micros > 0
        ) taken ON true
        LEFT JOIN LATERAL (
            SELECT sum(e.amount_micros) AS micros
            FROM payments_ledgertransaction t JOIN payments_ledgerentry e ON e.transaction_id = t.id
            WHERE t.idem_key = 'payout-undo:' || p.id AND e.amount_micros > 0
        ) given ON true
        WHERE taken.micros IS DISTINCT FROM p.amount_micros
           OR given.micros IS DISTINCT FROM (
                CASE WHEN p.state IN ('rejected', 'cancelled', 'failed') THEN p.amount_micros END)
    """


@invariant(id="S3", says="a payout goes out with the approvals it needs, and nobody's own")
def approved_by_others() -> str:
    """Each person counts once, in the round that the payout is in."""
    return """
        SELECT p.id, p.state, p.approvals_needed, count(a.id) AS given
        FROM payments_payout p
        LEFT JOIN payments_payoutapproval a ON a.payout_id = p.id AND a.round = p.review_round
        WHERE p.state IN ('approved', 'sending', 'unknown', 'sent', 'paid', 'bank_failed',
                          'reversed')
           OR a.by_id = p.worker_id
        GROUP BY p.id
        HAVING count(DISTINCT a.by_id) < p.approvals_needed
            OR coalesce(bool_or(a.by_id = p.worker_id), false)
    """


@invariant(id="S4", says="a payout's history leads from its request to where it is, step by step")
def history_is_whole() -> str:
    """Along the table of transitions and no other way."""
    edges = ", ".join(
        f"('{before}', '{after}')"
        for before, afters in Payout.TRANSITIONS.items()
        for after in afters
    )
    return f"""
        SELECT p.id, p.state, s.step, s.from_state, s.to_state, s.before
        FROM payments_payout p
        LEFT JOIN LATERAL (
            SELECT e.id AS step, e.from_state, e.to_state,
                lag(e.to_state, 1, '') OVER (ORDER BY e.id) AS before,
                lead(e.id) OVER (ORDER BY e.id) IS NULL AS is_last
            FROM payments_payoutevent e WHERE e.payout_id = p.id
        ) s ON true
        WHERE s.step IS NULL OR s.from_state <> s.before
           OR (s.is_last AND s.to_state <> p.state)
           OR (s.from_state = '' AND s.to_state <> 'requested')
           OR (s.from_state NOT IN ('', s.to_state)
               AND (s.from_state, s.to_state) NOT IN (VALUES {edges}))
    """  # noqa: S608 - our own words


@invariant(id="S5", says="a paid top-up is credited once, of its amount, and no other is")
def topups_are_credited() -> str:
    """Under the payment's key; play money under the top-up's own."""
    return """
        SELECT u.id, u.state, u.amount_micros, c.micros AS credited
        FROM payments_topup u
        LEFT JOIN LATERAL (
            SELECT sum(-e.amount_micros) AS micros
            FROM payments_ledgertransaction t
            JOIN payments_ledgerentry e ON e.transaction_id = t.id
            JOIN payments_ledgeraccount a ON a.id = e.account_id
            WHERE t.idem_key = 'topup:' || coalesce(u.payment_id, u.id::text)
              AND a.code = 'requester:' || u.organization_id || ':balance'
              AND t.currency = u.currency
        ) c ON true
        WHERE c.micros IS DISTINCT FROM (CASE WHEN u.state = 'paid' THEN u.amount_micros END)
    """


@invariant(
    id="S6", says="a worker has one payout on its way at most, and every transfer is one payout's"
)
def one_at_a_time() -> str:
    """An id of Stripe's stands for one row of ours."""
    return """
        SELECT 'worker' AS of, worker_id::text AS id, count(*) FROM payments_payout
        WHERE state IN ('requested', 'blocked', 'needs_review', 'approved', 'sending', 'unknown',
                        'held')
        GROUP BY worker_id HAVING count(*) > 1
        UNION ALL
        SELECT 'transfer', transfer_id, count(*) FROM payments_payout
        WHERE transfer_id IS NOT NULL GROUP BY transfer_id HAVING count(*) > 1
    """
