"""The hot statements: claim, submit, assign. Each is one round trip; ``services.hot`` runs them.

They are raw SQL because the claim path must do a constant amount of work whatever the size of the
job and whatever this worker has done already. Tables they touch, in every plane:

=========================  ======================================================================
core_membership            read: a requester's member gets no task of that requester's jobs
marketplace_job            read: state, required qualifications, time limit, price basis
marketplace_task           read, counted down (``taken``, ``remaining``, ``is_open``)
marketplace_annotation     inserted by the submit
workers_worker             read: suspended or not
workers_skillrecord        read: suspended in the job's specialty or not
workers_grant              read: qualifications held
workers_workerjob          locked and moved: cursor, laps, gold credit
workers_assignment         inserted by the claim, changed by the submit
core_apitoken, core_user   read by the submit's loader (authentication in the same round trip)
=========================  ======================================================================

The order of locks is always cursor row, task row, assignment row.
"""

# ruff: noqa: S608 - put together from the constants of this file, never from what a caller sent

from __future__ import annotations

from collections.abc import Sequence

from core.http import auth

WALK = 20  # open entries looked at in one request, done ones included


# The arithmetic of payments.pricing, exactly: a quotient that does not end is never rounded twice.
def _up(exact: str) -> str:
    """SQL of an amount rounded up to 0.0001."""
    return f"(div({exact}, 100) + sign(mod({exact}, 100))) * 100"


_FLOOR = "ok.floor_per_hour_micros * ok.seconds_per_unit * p.units"
GUARANTEED = f"""
    greatest(
        round(ok.unit_price * p.units, -2),
        (div({_FLOOR}, 360000) + sign(mod({_FLOOR}, 360000))) * 100
    )::bigint
"""
BONUS = "round(q.guaranteed * ok.bonus_pct, -2)::bigint"
FEE = f"({_up('q.guaranteed * ok.fee_rate')})::bigint"

_PLACE = """
cur AS MATERIALIZED (
    SELECT * FROM workers_workerjob
    WHERE job_id = %(job)s AND worker_id = %(worker)s
    FOR UPDATE SKIP LOCKED
),
live AS MATERIALIZED (
    SELECT a.id, a.task_id, a.lane, a.expires_at
    FROM workers_assignment a
    WHERE a.job_id = %(job)s AND a.worker_id = %(worker)s AND a.state = 'claimed'
      AND EXISTS (SELECT 1 FROM cur)
),
ok AS MATERIALIZED (
    SELECT cur.*, j.currency, j.seconds_per_unit, j.bonus_pct, j.time_limit_seconds, j.interface_id,
        random() < cur.gold_share AND cur.gold_credit > 0 AS want_gold,
        held.n AS held, held.last_lane, held.last_expiry,
        CASE
            WHEN held.is_overdue THEN 'overdue'
            WHEN held.n >= (CASE WHEN %(ahead)s AND j.allow_ahead THEN 2 ELSE 1 END) THEN 'held'
            WHEN j.state <> 'live' THEN 'job_not_live'
            WHEN w.is_suspended OR EXISTS (
                SELECT 1 FROM workers_skillrecord s
                WHERE s.worker_id = cur.worker_id AND s.specialty = j.specialty AND s.is_suspended
            ) THEN 'suspended'
            WHEN EXISTS (
                SELECT 1 FROM core_membership m
                WHERE m.user_id = cur.worker_id AND m.organization_id = j.organization_id
            ) THEN 'own_job'
            WHEN EXISTS (
                SELECT 1 FROM unnest(j.required_qualifications) AS q(id)
                WHERE NOT EXISTS (
                    SELECT 1 FROM workers_grant g
                    WHERE g.worker_id = cur.worker_id AND g.qualification_id = q.id
                      AND g.revoked_at IS NULL
                      AND (g.expires_at IS NULL OR g.expires_at > core_now())
                )
            ) THEN 'not_qualified'
            WHEN cur.is_stale OR cur.card_version <> j.card_version THEN 'reprice'
            WHEN cur.next_lap_at > core_now() AND NOT %(hinted)s THEN 'resting'
            ELSE 'go'
        END AS verdict
    FROM cur
    JOIN marketplace_job j ON j.id = cur.job_id
    JOIN workers_worker w ON w.user_id = cur.worker_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS n, max(live.lane) AS last_lane, max(live.expires_at) AS last_expiry,
            coalesce(bool_or(live.expires_at <= core_now()), false) AS is_overdue
        FROM live
    ) held
)
"""

_NOT_DONE = """
    NOT EXISTS (
        SELECT 1 FROM workers_assignment a
        WHERE a.task_id = t.id AND a.worker_id = %(worker)s
        OFFSET 0  -- keeps this an index probe for each row looked at, never a join over all
    )
"""

_COLUMNS = "t.id, t.pos, t.units, t.data, t.media, t.slot_reserve_micros"

# Within the walk there is work for this worker, locked by a neighbour or not.
_FREE = f"""
    EXISTS (
        SELECT 1 FROM marketplace_task t
        WHERE t.job_id = %(job)s AND t.is_open
          AND t.pos > (SELECT pos FROM ok) AND t.pos <= (SELECT last FROM edge)
          AND {_NOT_DONE}
    )
"""

# Gold comes in between work only: nobody is paid checks of a job that has no work left for them.
_PICK = f"""
edge AS MATERIALIZED (
    SELECT count(*) AS n, max(x.pos) AS last FROM (
        SELECT t.pos FROM marketplace_task t
        WHERE t.job_id = %(job)s AND t.is_open AND t.pos > (SELECT pos FROM ok)
          AND (SELECT verdict = 'go' FROM ok)
        ORDER BY t.pos LIMIT {WALK}
    ) x
),
gold AS MATERIALIZED (
    SELECT {_COLUMNS} FROM marketplace_task t
    WHERE t.job_id = %(job)s AND t.role = 'gold' AND t.state = 'open'
      AND (SELECT verdict = 'go' AND want_gold AND {_FREE} FROM ok)
      AND t.pos > (SELECT gold_pos FROM ok)
      AND t.slot_reserve_micros <= (SELECT gold_unit_micros FROM ok)
      AND {_NOT_DONE}
    ORDER BY t.pos LIMIT 1
),
work AS MATERIALIZED (
    SELECT {_COLUMNS} FROM marketplace_task t
    WHERE t.job_id = %(job)s AND t.is_open
      AND t.pos > (SELECT pos FROM ok) AND t.pos <= (SELECT last FROM edge)
      AND NOT EXISTS (SELECT 1 FROM gold)
      AND {_NOT_DONE}
    ORDER BY t.pos LIMIT 1
    FOR NO KEY UPDATE OF t SKIP LOCKED
)
"""

# Play-money jobs only: the caller names the tasks it can answer (replays of recorded answers).
_PICK_HINTED = f"""
gold AS MATERIALIZED (
    SELECT {_COLUMNS} FROM marketplace_task t
    WHERE t.job_id = %(job)s AND t.role = 'gold' AND t.state = 'open'
      AND t.external_id = ANY(%(hints)s)
      AND (SELECT verdict = 'go' AND gold_credit > 0 FROM ok)
      AND t.slot_reserve_micros <= (SELECT gold_unit_micros FROM ok)
      AND {_NOT_DONE}
    ORDER BY array_position(%(hints)s, t.external_id::text) LIMIT 1
),
edge AS MATERIALIZED (SELECT {WALK} AS n, (SELECT pos FROM ok) AS last),
work AS MATERIALIZED (
    SELECT {_COLUMNS} FROM marketplace_task t
    WHERE t.job_id = %(job)s AND t.is_open AND t.external_id = ANY(%(hints)s)
      AND (SELECT verdict = 'go' FROM ok) AND NOT EXISTS (SELECT 1 FROM gold)
      AND {_NOT_DONE}
    ORDER BY array_position(%(hints)s, t.external_id::text) LIMIT 1
    FOR NO KEY UPDATE OF t SKIP LOCKED
)
"""

_INSERT = f"""
INSERT INTO workers_assignment (
    id, job_id, task_id, worker_id, role, state, lane, claimed_at, expires_at,
    extensions, is_late, draft_version, reject_reason, reject_evidence,
    currency, units, unit_price, tier, tier_lower_bound, specialty_factor,
    floor_per_hour_micros, seconds_per_unit, fee_rate, card_version,
    guaranteed_micros, bonus_max_micros, fee_micros, reserve_micros)
SELECT %(assignment)s, ok.job_id, p.id, ok.worker_id, p.role, 'claimed',
    CASE WHEN ok.held > 0 THEN 1 - ok.last_lane ELSE 0 END,
    core_now(),
    core_now() + make_interval(secs => ok.time_limit_seconds)
        + CASE WHEN ok.held > 0 THEN greatest(ok.last_expiry - core_now(), interval '0')
               ELSE interval '0' END,
    0, false, 0, '', '',
    ok.currency, p.units, ok.unit_price, ok.tier, ok.tier_lower_bound, ok.specialty_factor,
    ok.floor_per_hour_micros, ok.seconds_per_unit, ok.fee_rate, ok.card_version,
    q.guaranteed, {BONUS}, {FEE}, p.reserve
FROM ok
CROSS JOIN picked p
CROSS JOIN LATERAL (SELECT {GUARANTEED} AS guaranteed) q
RETURNING *
"""

_QUOTED = (
    "currency",
    "units",
    "unit_price",
    "tier",
    "tier_lower_bound",
    "specialty_factor",
    "floor_per_hour_micros",
    "seconds_per_unit",
    "fee_rate",
    "card_version",
    "guaranteed_micros",
    "bonus_max_micros",
    "fee_micros",
)
_RETURNED = ("id", "job_id", "task_id", "lane", "expires_at", "draft", "draft_version", *_QUOTED)
_AS_TEXT = {
    "draft",
    "units",
    "unit_price",
    "tier",
    "tier_lower_bound",
    "specialty_factor",
    "seconds_per_unit",
    "fee_rate",
}


def _columns(alias: str, names: Sequence[str] = _RETURNED) -> str:
    return ", ".join(
        f"{alias}.{name}::text AS {name}" if name in _AS_TEXT else f"{alias}.{name}"
        for name in names
    )


def _claim_sql(pick: str) -> str:
    return f"""
WITH {_PLACE},
{pick},
busy AS MATERIALIZED (
    -- Something is free for this worker but locked by a neighbour at this moment.
    SELECT CASE
        WHEN EXISTS (SELECT 1 FROM work) OR EXISTS (SELECT 1 FROM gold) OR %(hinted)s THEN false
        ELSE {_FREE}
    END AS yes
),
picked AS MATERIALIZED (
    SELECT gold.*, 'gold' AS role, (SELECT gold_unit_micros FROM ok) AS reserve FROM gold
    UNION ALL
    SELECT work.*, 'work', work.slot_reserve_micros FROM work
),
counted AS (
    UPDATE marketplace_task t
    SET taken = t.taken + 1, remaining = t.remaining - 1, is_open = t.remaining > 1
    FROM work WHERE t.id = work.id
),
made AS ({_INSERT}),
moved AS (
    UPDATE workers_workerjob wj SET
        pos = CASE WHEN %(hinted)s OR gold.id IS NOT NULL OR busy.yes THEN wj.pos
                   WHEN work.id IS NOT NULL THEN work.pos
                   WHEN edge.n >= {WALK} THEN edge.last ELSE 0 END,
        empty_laps = CASE WHEN work.id IS NOT NULL OR gold.id IS NOT NULL THEN 0
                          WHEN edge.n >= {WALK} OR busy.yes THEN wj.empty_laps
                          ELSE least(wj.empty_laps + 1, 4) END,
        next_lap_at = CASE WHEN work.id IS NULL AND gold.id IS NULL AND NOT busy.yes
                                AND edge.n < {WALK} AND wj.empty_laps >= 1
                           THEN core_now() + make_interval(secs => least(2 ^ wj.empty_laps, 10))
                      END,
        gold_pos = CASE WHEN %(hinted)s THEN wj.gold_pos ELSE coalesce(gold.pos, wj.gold_pos) END,
        gold_credit = wj.gold_credit - (gold.id IS NOT NULL)::int
    FROM ok CROSS JOIN edge CROSS JOIN busy LEFT JOIN gold ON true LEFT JOIN work ON true
    WHERE wj.id = ok.id AND ok.verdict = 'go'
)
SELECT ok.verdict, ok.interface_id, ok.empty_laps, edge.n AS walked, busy.yes AS busy,
    extract(epoch FROM ok.next_lap_at - core_now())::float8 AS rest, core_now() AS server_time,
    a.data, a.media, {", ".join("a." + c for c in _RETURNED)}
FROM ok CROSS JOIN edge CROSS JOIN busy
LEFT JOIN LATERAL (
    SELECT p.data::text AS data, p.media::text AS media, m.claimed_at, {_columns("m")}
    FROM made m JOIN picked p ON p.id = m.task_id
    UNION ALL
    SELECT t.data::text, t.media::text, x.claimed_at, {_columns("x")}
    FROM live
    JOIN workers_assignment x ON x.id = live.id
    JOIN marketplace_task t ON t.id = x.task_id
    WHERE ok.verdict = 'held'
) a ON true
ORDER BY a.claimed_at
"""


CLAIM = _claim_sql(_PICK)
CLAIM_HINTED = _claim_sql(_PICK_HINTED)

LOAD_FOR_SUBMIT = f"""
SELECT {auth.CALLER_COLUMNS},
    a.id, a.state, a.job_id, j.interface_id, j.undo_seconds, {_columns("a", _QUOTED)}
FROM {auth.CALLER_TABLES}
LEFT JOIN workers_assignment a ON a.id = %(assignment)s AND a.worker_id = u.id
LEFT JOIN marketplace_job j ON j.id = a.job_id
WHERE {auth.CALLER_WHERE}
"""

SUBMIT = """
WITH done AS (
    UPDATE workers_assignment SET
        state = 'submitted', submitted_at = core_now(), is_late = expires_at <= core_now(),
        answer_hash = %(hash)s, draft = NULL,
        judge_after = core_now() + make_interval(secs => %(undo)s)
    WHERE id = %(assignment)s AND worker_id = %(worker)s AND state = 'claimed'
    RETURNING id, task_id, worker_id, is_late, submitted_at, judge_after
),
said AS (
    INSERT INTO marketplace_annotation (
        id, task_id, interface_id, assignment_ref, author_ref, answer,
        is_late, is_counted, is_excluded, round, created_at)
    SELECT %(annotation)s, done.task_id, %(interface)s, done.id, done.worker_id, %(answer)s::jsonb,
        done.is_late, false, false, t.round, done.submitted_at
    FROM done JOIN marketplace_task t ON t.id = done.task_id
)
SELECT is_late, submitted_at, judge_after FROM done
"""


# The slot of work is held by the offer; gold uses one of the worker's credits, if there still is one.
ASSIGN = f"""
WITH {_PLACE.replace("FOR UPDATE SKIP LOCKED", "FOR UPDATE")},
picked AS MATERIALIZED (
    SELECT {_COLUMNS}, t.role,
        CASE t.role WHEN 'gold' THEN ok.gold_unit_micros ELSE t.slot_reserve_micros END AS reserve
    FROM marketplace_task t CROSS JOIN ok
    WHERE t.id = %(task)s AND t.job_id = ok.job_id AND ok.verdict IN ('go', 'resting')
      AND (t.role = 'work' OR (
          t.role = 'gold' AND t.state = 'open' AND ok.gold_credit > 0
          AND t.slot_reserve_micros <= ok.gold_unit_micros))
),
made AS ({_INSERT}),
moved AS (
    UPDATE workers_workerjob wj SET gold_credit = wj.gold_credit - 1, gold_pos = p.pos
    FROM ok CROSS JOIN picked p WHERE wj.id = ok.id AND p.role = 'gold'
)
SELECT ok.verdict, ok.interface_id, core_now() AS server_time,
    p.data::text AS data, p.media::text AS media, {_columns("m")}
FROM ok LEFT JOIN (made m JOIN picked p ON p.id = m.task_id) ON true
"""

# A live claim as the claim statement shows it.
CLAIMED = f"""
SELECT j.interface_id, core_now() AS server_time,
    t.data::text AS data, t.media::text AS media, {_columns("a")}
FROM workers_assignment a
JOIN marketplace_task t ON t.id = a.task_id
JOIN marketplace_job j ON j.id = a.job_id
WHERE a.id = %(assignment)s AND a.worker_id = %(worker)s AND a.state = 'claimed'
"""
