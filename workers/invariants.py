"""What must always be true of the labour plane's rows. Each selects the rows that break it."""

from __future__ import annotations

from core.audit import invariant

#: How long after its time a row may wait for its sweep, and a statement for its turn.
GRACE, INSTANT = "interval '15 minutes'", "interval '10 seconds'"
GUARDS = (
    "assignment_is_frozen", "assignment_stays", "examanswer_is_kept",
    "workers_assignment_state_moves", "workers_offer_state_moves",
    "workers_attempt_state_moves", "workers_contest_state_moves",
)  # fmt: skip


@invariant(
    id="W1", says="one claim for each worker and task, one live claim in a job and one ahead of it"
)
def claims_are_single() -> str:
    """Also enforced by constraints."""
    return """
        SELECT worker_id, task_id AS about, count(*) AS n FROM workers_assignment
        GROUP BY worker_id, task_id HAVING count(*) > 1
        UNION ALL
        SELECT worker_id, job_id, count(*) FROM workers_assignment WHERE state = 'claimed'
        GROUP BY worker_id, job_id HAVING count(*) > 2 OR count(DISTINCT lane) < count(*)
    """


@invariant(id="W2", says="a task's taken slots are its claims, its answers and its open offers")
def slots_are_held() -> str:
    """Neither stranded nor given twice. An answer keeps its slot when it is rejected."""
    return """
        SELECT t.id, t.job_id, t.state, t.taken, coalesce(a.n, 0) AS claims_and_answers,
            coalesce(o.n, 0) AS offers
        FROM marketplace_task t
        LEFT JOIN (
            SELECT task_id, count(*) AS n FROM workers_assignment
            WHERE role = 'work' AND state NOT IN ('returned', 'expired') GROUP BY task_id
        ) a ON a.task_id = t.id
        LEFT JOIN (
            SELECT task_id, count(*) AS n FROM workers_offer WHERE state = 'offered'
            GROUP BY task_id
        ) o ON o.task_id = t.id
        WHERE t.role = 'work' AND t.taken <> coalesce(a.n, 0) + coalesce(o.n, 0)
    """


@invariant(id="W3", says="a claim ends once, and soon after its time")
def claims_end() -> str:
    """Submitted, returned or expired; never two of them, never none for long."""
    return f"""
        SELECT id, state, expires_at, submitted_at, returned_at, expired_at FROM workers_assignment
        WHERE (state = 'claimed' AND (
                expires_at < core_now() - {GRACE} OR submitted_at IS NOT NULL
                OR returned_at IS NOT NULL OR expired_at IS NOT NULL))
           OR (state = 'returned' AND (returned_at IS NULL OR expired_at IS NOT NULL
                OR submitted_at IS NOT NULL))
           OR (state = 'expired' AND (expired_at IS NULL OR returned_at IS NOT NULL))
           OR (state IN ('submitted', 'accepted', 'rejected', 'reversed') AND (
                submitted_at IS NULL OR returned_at IS NOT NULL))
    """  # noqa: S608 - our own words


@invariant(id="W4", says="every answer that was acknowledged is there, as it was submitted")
def answers_are_kept() -> str:
    """Its hash is taken again. Numbers that JSON can write in two ways are not compared."""
    return r"""
        SELECT a.id AS assignment_id, n.id AS annotation_id,
            CASE WHEN n.id IS NULL THEN 'lost' WHEN a.id IS NULL THEN 'nobody''s'
                WHEN a.answer_hash IS NULL THEN 'not acknowledged' ELSE 'changed' END AS fault
        FROM (SELECT * FROM workers_assignment WHERE answer_hash IS NOT NULL) a
        FULL JOIN marketplace_annotation n ON n.assignment_ref = a.id
        WHERE a.id IS NULL OR n.id IS NULL OR n.task_id <> a.task_id OR n.author_ref <> a.worker_id
           OR (sha256(convert_to(workers_canonical(n.answer), 'UTF8')) <> a.answer_hash
               AND n.answer::text !~ '\d{16}|\.0{4}|(^|[\[: ])0(\.0+)?($|[],}])')
    """


@invariant(
    id="W5", says="every accepted answer has exactly one earning, as promised; no other has one"
)
def accepted_is_paid() -> str:
    """A reversed one keeps its earning: the ledger takes it back."""
    return """
        SELECT a.id AS assignment_id, a.state, e.id AS earning_id, e.amount_micros
        FROM workers_assignment a FULL JOIN payments_earning e ON e.assignment_ref = a.id
        WHERE a.id IS NULL
           OR (a.state IN ('accepted', 'reversed') AND (
                e.id IS NULL OR e.amount_micros <> a.guaranteed_micros
                OR e.fee_micros <> a.fee_micros OR e.worker_id <> a.worker_id
                OR e.job_id <> a.job_id OR e.currency <> a.currency))
           OR (a.state NOT IN ('accepted', 'reversed') AND e.id IS NOT NULL)
    """


@invariant(id="W6", says="states change along the tables of transitions: the guards are in place")
def guards_are_in_place() -> str:
    """A disabled or dropped trigger would let a row move where it must not."""
    names = ", ".join(f"'{name}'" for name in GUARDS)
    return f"""
        SELECT wanted.name FROM unnest(ARRAY[{names}]) AS wanted(name)
        LEFT JOIN pg_trigger g ON g.tgname = wanted.name AND g.tgenabled <> 'D'
        WHERE g.oid IS NULL
    """  # noqa: S608 - our own words


@invariant(id="W7", says="nobody works on their own organization's job or reviews their own work")
def nobody_is_both_sides() -> str:
    """Who joined the organization after the claim did nothing wrong."""
    return """
        SELECT a.id AS assignment_id, a.worker_id, 'own job' AS fault
        FROM workers_assignment a
        JOIN marketplace_job j ON j.id = a.job_id
        JOIN core_membership m
            ON m.user_id = a.worker_id AND m.organization_id = j.organization_id
        WHERE m.created_at < a.claimed_at
        UNION ALL
        SELECT id, worker_id, 'own review' FROM workers_assignment WHERE reviewed_by = worker_id
        UNION ALL
        SELECT a.id, a.worker_id, 'own contest'
        FROM workers_contest c JOIN workers_assignment a ON a.id = c.assignment_id
        WHERE c.ended_by = a.worker_id
    """


@invariant(id="W8", says="a job that was stopped gave no claim and no offer after that")
def stopped_is_stopped() -> str:
    """A statement that was under way at that moment is given an instant."""
    return f"""
        SELECT a.id, a.job_id, a.claimed_at AS given_at, j.state, j.state_changed_at
        FROM workers_assignment a JOIN marketplace_job j ON j.id = a.job_id
        WHERE j.state <> 'live' AND a.claimed_at > j.state_changed_at + {INSTANT}
        UNION ALL
        SELECT o.id, o.job_id, o.offered_at, j.state, j.state_changed_at
        FROM workers_offer o JOIN marketplace_job j ON j.id = o.job_id
        WHERE j.state <> 'live' AND o.offered_at > j.state_changed_at + {INSTANT}
    """  # noqa: S608 - our own words


@invariant(id="W9", says="an accepted offer is its worker's claim; who has an open one is busy")
def offers_fit() -> str:
    """And an offer ends soon after its time."""
    return f"""
        SELECT o.id, o.worker_id, o.state, o.expires_at
        FROM workers_offer o
        LEFT JOIN workers_assignment a ON a.id = o.assignment_id
        LEFT JOIN workers_availability v ON v.worker_id = o.worker_id
        WHERE (o.state = 'accepted' AND (
                a.id IS NULL OR a.worker_id <> o.worker_id OR a.task_id <> o.task_id))
           OR (o.state <> 'accepted' AND a.id IS NOT NULL)
           OR (o.state = 'offered' AND (
                v.is_busy IS NOT TRUE OR o.expires_at < core_now() - {GRACE}))
        UNION ALL
        SELECT NULL, worker_id, 'offered twice', max(expires_at) FROM workers_offer
        WHERE state = 'offered' GROUP BY worker_id HAVING count(*) > 1
    """  # noqa: S608 - our own words


@invariant(id="W10", says="a job's gold line is its workers' credits and the gold not yet paid")
def gold_is_reserved() -> str:
    """Each credit at the price it was reserved at."""
    return _line(
        "gold",
        """
        SELECT job_id, gold_credit * gold_unit_micros FROM workers_workerjob WHERE gold_credit > 0
        UNION ALL
        SELECT job_id, reserve_micros FROM workers_assignment
        WHERE role = 'gold' AND state IN ('claimed', 'submitted')
        """,
    )


@invariant(id="W11", says="a job's contested line is the rejections that can still be paid")
def contested_is_reserved() -> str:
    """Within their window, or contested and not decided."""
    return _line(
        "contested",
        """
        SELECT job_id, reserve_micros FROM workers_assignment
        WHERE state = 'rejected' AND settled_at IS NULL
        """,
    )


@invariant(
    id="W12", says="a job's work line is its free slots, its offers and the work not yet paid"
)
def work_is_reserved() -> str:
    """To the last micro-unit: nothing is promised twice, nothing kept back for nothing."""
    return _line(
        "work",
        """
        SELECT job_id, remaining * slot_reserve_micros FROM marketplace_task WHERE remaining > 0
        UNION ALL
        SELECT t.job_id, t.slot_reserve_micros
        FROM workers_offer o JOIN marketplace_task t ON t.id = o.task_id
        WHERE o.state = 'offered' AND t.role = 'work'
        UNION ALL
        SELECT job_id, reserve_micros FROM workers_assignment
        WHERE role = 'work' AND state IN ('claimed', 'submitted')
        """,
    )


@invariant(id="W13", says="a contest and its rejection tell the same")
def contests_fit() -> str:
    """Open: unpaid and still reserved. Denied: over. Upheld, or unanswered: paid."""
    return """
        SELECT c.id, c.state, a.state AS assignment_state, a.settled_at
        FROM workers_contest c JOIN workers_assignment a ON a.id = c.assignment_id
        WHERE (c.state = 'open' AND (a.state <> 'rejected' OR a.settled_at IS NOT NULL))
           OR (c.state = 'denied' AND (a.state <> 'rejected' OR a.settled_at IS NULL))
           OR (c.state IN ('upheld', 'lapsed') AND a.state NOT IN ('accepted', 'reversed'))
    """


def _line(name: str, owed: str) -> str:
    """Jobs whose escrow line is not what the rows behind it add up to."""
    return f"""
        SELECT coalesce(e.job_id, x.job_id) AS job_id, e.{name}_micros AS reserved, x.owed
        FROM payments_escrow e
        FULL JOIN (
            SELECT job_id, sum(micros)::bigint AS owed FROM ({owed}) AS each(job_id, micros)
            GROUP BY job_id
        ) x ON x.job_id = e.job_id
        WHERE coalesce(e.{name}_micros, 0) <> coalesce(x.owed, 0)
    """  # noqa: S608 - our own words
