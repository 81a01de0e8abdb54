"""What the money tables hold to by themselves: the posting function and the guards around it."""

from django.db import migrations

from core.states import transition_trigger

EARNING_TRANSITIONS = {
    "pending": ("available", "held"),
    "available": ("held",),
    "held": ("available",),
}

# The chart of accounts (payments/models/accounts.py): what a code means, or an error.
CHART = """
CREATE FUNCTION payments_chart(
    code text, OUT kind text, OUT is_tracked boolean, OUT owner_type text, OUT owner_id uuid
) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    part text[];
BEGIN
    is_tracked := false;
    owner_type := '';
    kind := CASE
        WHEN code IN ('stripe:balance', 'bank:operating', 'play:mint') THEN 'asset'
        WHEN code = 'platform:fees' THEN 'income'
        WHEN code IN ('stripe:fees', 'bad_debt', 'goodwill') THEN 'expense'
        WHEN code IN ('refunds:in_flight', 'suspense') THEN 'liability'
    END;
    IF kind IS NOT NULL THEN
        RETURN;
    END IF;
    part := regexp_match(code, '^(receivable:)?(requester|job|worker):'
        '([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(:[a-z_]+)?$');
    IF part IS NULL OR part[2] || coalesce(part[1], '') || coalesce(part[4], '') NOT IN (
        'requester:balance', 'job:escrow', 'worker:pending', 'worker:available',
        'worker:in_flight', 'worker:held', 'requesterreceivable:', 'workerreceivable:'
    ) THEN
        RAISE EXCEPTION 'the chart has no account %', code USING ERRCODE = 'PW001';
    END IF;
    kind := CASE WHEN part[1] IS NULL THEN 'liability' ELSE 'asset' END;
    is_tracked := true;
    owner_type := part[2];
    owner_id := part[3]::uuid;
END $$;

CREATE FUNCTION payments_account(wanted text, money text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found_id bigint;
BEGIN
    SELECT id INTO found_id FROM payments_ledgeraccount WHERE code = wanted AND currency = money;
    IF found_id IS NULL THEN
        INSERT INTO payments_ledgeraccount
            (code, currency, kind, is_tracked, owner_type, owner_id, created_at)
        SELECT wanted, money, c.kind, c.is_tracked, c.owner_type, c.owner_id, core_now()
        FROM payments_chart(wanted) c
        ON CONFLICT (code, currency) DO NOTHING;
        -- A second statement: it sees the row that a neighbour made meanwhile.
        SELECT id INTO found_id FROM payments_ledgeraccount
        WHERE code = wanted AND currency = money;
    END IF;
    RETURN found_id;
END $$;

CREATE FUNCTION payments_account_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payments_ledgerbalance (account_id, amount_micros, floor_micros, last_entry_id)
    VALUES (NEW.id, 0, 0, 0);
    RETURN NULL;
END $$;
CREATE TRIGGER ledgeraccount_has_balance AFTER INSERT ON payments_ledgeraccount
    FOR EACH ROW WHEN (NEW.is_tracked) EXECUTE FUNCTION payments_account_balance();
"""

# Everything is locked in one order: new accounts by code, keys by key, balances by account. Two
# calls can so never wait for each other in a ring; that is why a database transaction posts once.
POST = """
CREATE FUNCTION payments_post(batch jsonb)
RETURNS TABLE (idem_key text, transaction_id uuid, is_new boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    fresh uuid[];
    leg_of uuid[];
    leg_n smallint[];
    leg_account bigint[];
    leg_amount bigint[];
    bad record;
BEGIN
    SELECT t.key INTO bad
    FROM jsonb_to_recordset(batch) AS t(key text, legs jsonb)
    WHERE jsonb_array_length(t.legs) < 2 OR 0 <> (
        SELECT sum((leg->>1)::numeric) FROM jsonb_array_elements(t.legs) AS leg
    ) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transaction % does not balance', bad.key USING ERRCODE = 'PW001';
    END IF;

    PERFORM payments_account(missing.code, missing.currency) FROM (
        SELECT DISTINCT leg->>0 AS code, t.currency
        FROM jsonb_to_recordset(batch) AS t(currency text, legs jsonb)
        CROSS JOIN LATERAL jsonb_array_elements(t.legs) AS leg
        WHERE NOT EXISTS (
            SELECT 1 FROM payments_ledgeraccount a
            WHERE a.code = leg->>0 AND a.currency = t.currency
        )
        ORDER BY 1, 2
    ) missing;

    WITH made AS (
        INSERT INTO payments_ledgertransaction
            (id, idem_key, kind, currency, legs, legs_digest, reverses_id, event_at, created_at,
             xact_id, memo, actor)
        SELECT t.id, t.key, t.kind, t.currency, jsonb_array_length(t.legs),
            payments_legs_digest(t.currency, t.legs), t.reverses,
            coalesce(t.event_at, core_now()), core_now(), 0, coalesce(t.memo, ''), t.actor
        FROM jsonb_to_recordset(batch) AS t(
            id uuid, key text, kind text, currency text, legs jsonb, reverses uuid,
            event_at timestamptz, memo text, actor uuid
        )
        ORDER BY t.key
        ON CONFLICT (idem_key) DO NOTHING
        RETURNING id
    )
    SELECT array_agg(id) INTO fresh FROM made;

    IF coalesce(cardinality(fresh), 0) < jsonb_array_length(batch) THEN
        SELECT t.key INTO bad
        FROM jsonb_to_recordset(batch) AS t(key text, currency text, legs jsonb)
        JOIN payments_ledgertransaction known ON known.idem_key = t.key
        WHERE known.legs_digest <> payments_legs_digest(t.currency, t.legs) LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'key % was used for another movement', bad.key
                USING ERRCODE = 'PW409', DETAIL = bad.key;
        END IF;
    END IF;

    IF fresh IS NOT NULL THEN
        SELECT array_agg(t.id), array_agg(leg.n), array_agg(a.id), array_agg((leg.pair->>1)::bigint)
        INTO leg_of, leg_n, leg_account, leg_amount
        FROM jsonb_to_recordset(batch) AS t(id uuid, currency text, legs jsonb)
        CROSS JOIN LATERAL jsonb_array_elements(t.legs) WITH ORDINALITY AS leg(pair, n)
        JOIN payments_ledgeraccount a ON a.code = leg.pair->>0 AND a.currency = t.currency
        WHERE t.id = ANY (fresh);

        PERFORM 1 FROM payments_ledgerbalance b
        WHERE b.account_id = ANY (leg_account) ORDER BY b.account_id FOR NO KEY UPDATE;

        SELECT a.code, b.amount_micros, b.floor_micros, moved.amount INTO bad
        FROM (
            SELECT l.account, sum(l.amount) AS amount
            FROM unnest(leg_account, leg_amount) AS l(account, amount) GROUP BY l.account
        ) moved
        JOIN payments_ledgeraccount a ON a.id = moved.account
        JOIN payments_ledgerbalance b ON b.account_id = a.id
        WHERE moved.amount * payments_side(a.kind) < 0
          AND b.amount_micros + moved.amount * payments_side(a.kind) < b.floor_micros
        ORDER BY a.id LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'too little on %', bad.code USING ERRCODE = 'PW402',
                DETAIL = jsonb_build_object(
                    'code', bad.code, 'balance', bad.amount_micros, 'wanted', abs(bad.amount)
                )::text;
        END IF;

        INSERT INTO payments_ledgerentry (transaction_id, n, account_id, amount_micros)
        SELECT * FROM unnest(leg_of, leg_n, leg_account, leg_amount);
    END IF;

    RETURN QUERY
        SELECT t.key, known.id, known.id = t.id AND known.id = ANY (fresh)
        FROM jsonb_to_recordset(batch) AS t(id uuid, key text)
        JOIN payments_ledgertransaction known ON known.idem_key = t.key;
END $$;

-- Debits are positive in entries; balances are kept on the account's natural side.
CREATE FUNCTION payments_side(kind text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN kind IN ('asset', 'expense') THEN 1 ELSE -1 END;

CREATE FUNCTION payments_legs_digest(currency text, legs jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT sha256(convert_to(currency || E'\\n' || string_agg(
        (leg->>0) || ' ' || (leg->>1)::bigint, E'\\n'
        ORDER BY (leg->>0) COLLATE "C", (leg->>1)::bigint
    ), 'UTF8'))
    FROM jsonb_array_elements(legs) AS leg
);
"""

# Legs come with their transaction or not at all, and every one of them moves its balance.
LEGS = """
CREATE FUNCTION payments_transaction_is_stamped() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.xact_id := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END $$;
CREATE TRIGGER ledgertransaction_is_stamped BEFORE INSERT ON payments_ledgertransaction
    FOR EACH ROW EXECUTE FUNCTION payments_transaction_is_stamped();

CREATE FUNCTION payments_transaction_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found bigint;
    total numeric;
BEGIN
    SELECT count(*), coalesce(sum(amount_micros), 0) INTO found, total
    FROM payments_ledgerentry WHERE transaction_id = NEW.id;
    IF found <> NEW.legs OR total <> 0 THEN
        RAISE EXCEPTION 'transaction % has % of % legs and is off by %',
            NEW.idem_key, found, NEW.legs, total
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledgertransaction_balances AFTER INSERT ON payments_ledgertransaction
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION payments_transaction_balances();

CREATE FUNCTION payments_legs_belong() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bad record;
BEGIN
    -- The transaction's own id of its database transaction: the same inside every savepoint.
    SELECT t.idem_key, a.code INTO bad
    FROM legs l
    JOIN payments_ledgertransaction t ON t.id = l.transaction_id
    JOIN payments_ledgeraccount a ON a.id = l.account_id
    WHERE t.xact_id <> pg_current_xact_id()::text::bigint
       OR l.n > t.legs OR a.currency <> t.currency
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a leg on % does not belong to transaction %', bad.code, bad.idem_key
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    PERFORM 1 FROM payments_ledgerbalance b
    WHERE b.account_id IN (SELECT account_id FROM legs) ORDER BY b.account_id FOR NO KEY UPDATE;
    UPDATE payments_ledgerbalance b
    SET amount_micros = b.amount_micros + moved.amount * payments_side(a.kind),
        last_entry_id = moved.latest
    FROM (
        SELECT account_id, sum(amount_micros)::bigint AS amount, max(id) AS latest
        FROM legs GROUP BY account_id
    ) moved
    JOIN payments_ledgeraccount a ON a.id = moved.account_id AND a.is_tracked
    WHERE b.account_id = moved.account_id;
    RETURN NULL;
END $$;
CREATE TRIGGER ledgerentry_belongs AFTER INSERT ON payments_ledgerentry
    REFERENCING NEW TABLE AS legs FOR EACH STATEMENT EXECUTE FUNCTION payments_legs_belong();
"""

# The books are written once.
KEPT = """
CREATE FUNCTION payments_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: it is kept as it was written', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER ledgertransaction_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE
    ON payments_ledgertransaction FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER ledgerentry_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE
    ON payments_ledgerentry FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER ledgeraccount_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE
    ON payments_ledgeraccount FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER ratecard_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE
    ON payments_ratecard FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER ledgerbalance_stays BEFORE DELETE OR TRUNCATE
    ON payments_ledgerbalance FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
-- Entries move balances (by the trigger above); nothing else does.
CREATE TRIGGER ledgerbalance_is_moved_by_entries BEFORE UPDATE ON payments_ledgerbalance
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER escrow_stays BEFORE DELETE OR TRUNCATE
    ON payments_escrow FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER escrow_is_one_jobs
    BEFORE UPDATE OF job_id, organization_id, currency, account_id, opened_at
    ON payments_escrow FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER escrow_stays_closed BEFORE UPDATE ON payments_escrow
    FOR EACH ROW WHEN (OLD.closed_at IS NOT NULL) EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER earning_stays BEFORE DELETE OR TRUNCATE
    ON payments_earning FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER earning_is_kept
    BEFORE UPDATE OF id, assignment_ref, worker_id, job_id, organization_id, currency,
        amount_micros, fee_micros, line, quote, transaction_id, created_at
    ON payments_earning FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
"""

ESCROW = """
CREATE FUNCTION payments_reserved(e payments_escrow) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (e).work_micros + (e).gold_micros + (e).exam_micros + (e).escalation_micros
        + (e).contested_micros
$$;

-- How many units could be reserved, from 0 to wanted; they are then reserved.
CREATE FUNCTION payments_reserve(job uuid, line text, unit bigint, wanted integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    e payments_escrow;
    free bigint;
    units integer;
BEGIN
    IF unit < 0 OR wanted < 0 THEN
        RAISE EXCEPTION 'nothing negative is reserved' USING ERRCODE = 'PW001';
    END IF;
    SELECT * INTO e FROM payments_escrow WHERE job_id = job FOR NO KEY UPDATE;
    IF NOT FOUND OR e.closed_at IS NOT NULL THEN
        RETURN 0;
    END IF;
    -- A second statement: it sees what the lock's last holder committed.
    SELECT b.amount_micros - payments_reserved(e) INTO free
    FROM payments_ledgerbalance b WHERE b.account_id = e.account_id;
    units := CASE WHEN unit = 0 THEN wanted ELSE least(wanted, greatest(free, 0) / unit) END;
    IF units > 0 AND unit > 0 THEN
        PERFORM payments_shift(job, line, unit * units);
    END IF;
    RETURN units;
END $$;

CREATE FUNCTION payments_shift(job uuid, line text, amount bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF line NOT IN ('work', 'gold', 'exam', 'escalation', 'contested') THEN
        RAISE EXCEPTION 'an escrow has no line %', line USING ERRCODE = 'PW001';
    END IF;
    UPDATE payments_escrow SET
        work_micros = work_micros + CASE WHEN line = 'work' THEN amount ELSE 0 END,
        gold_micros = gold_micros + CASE WHEN line = 'gold' THEN amount ELSE 0 END,
        exam_micros = exam_micros + CASE WHEN line = 'exam' THEN amount ELSE 0 END,
        escalation_micros =
            escalation_micros + CASE WHEN line = 'escalation' THEN amount ELSE 0 END,
        contested_micros = contested_micros + CASE WHEN line = 'contested' THEN amount ELSE 0 END
    WHERE job_id = job;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'job % has no escrow', job USING ERRCODE = 'PW404';
    END IF;
END $$;

-- At the end of every database transaction that raised a line or lowered the account.
CREATE FUNCTION payments_escrow_covers_lines() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bad record;
BEGIN
    SELECT e.job_id, payments_reserved(e) AS reserved, b.amount_micros INTO bad
    FROM payments_escrow e JOIN payments_ledgerbalance b ON b.account_id = e.account_id
    WHERE e.account_id = NEW.account_id AND payments_reserved(e) > b.amount_micros;
    IF FOUND THEN
        RAISE EXCEPTION 'job % has % reserved and % on its escrow account',
            bad.job_id, bad.reserved, bad.amount_micros
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER escrow_covers_lines AFTER INSERT OR UPDATE ON payments_escrow
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION payments_escrow_covers_lines();
CREATE CONSTRAINT TRIGGER ledgerbalance_covers_lines AFTER UPDATE ON payments_ledgerbalance
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.amount_micros < OLD.amount_micros)
    EXECUTE FUNCTION payments_escrow_covers_lines();
"""

# Balances and escrows are updated in place all day: room on the page keeps that heap-only.
STORAGE = """
ALTER TABLE payments_ledgerbalance SET (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000
);
ALTER TABLE payments_escrow SET (fillfactor = 50);
ALTER TABLE payments_earning SET (fillfactor = 85);
"""


def without(tables: dict[str, tuple[str, ...]], *functions: str) -> str:
    """The way back: triggers first, then functions."""
    dropped = "".join(
        f"DROP TRIGGER {name} ON payments_{table};"
        for table, names in tables.items()
        for name in names
    )
    return dropped + "".join(f"DROP FUNCTION {name};" for name in functions)


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial"), ("core", "0002_clock")]

    operations = [
        migrations.RunSQL(
            CHART,
            without(
                {"ledgeraccount": ("ledgeraccount_has_balance",)},
                "payments_account_balance()",
                "payments_account(text, text)",
                "payments_chart(text)",
            ),
        ),
        migrations.RunSQL(
            POST,
            without(
                {},
                "payments_post(jsonb)",
                "payments_legs_digest(text, jsonb)",
                "payments_side(text)",
            ),
        ),
        migrations.RunSQL(
            LEGS,
            without(
                {
                    "ledgertransaction": (
                        "ledgertransaction_is_stamped",
                        "ledgertransaction_balances",
                    ),
                    "ledgerentry": ("ledgerentry_belongs",),
                },
                "payments_legs_belong()",
                "payments_transaction_balances()",
                "payments_transaction_is_stamped()",
            ),
        ),
        migrations.RunSQL(
            KEPT,
            without(
                {
                    "ledgertransaction": ("ledgertransaction_is_kept",),
                    "ledgerentry": ("ledgerentry_is_kept",),
                    "ledgeraccount": ("ledgeraccount_is_kept",),
                    "ratecard": ("ratecard_is_kept",),
                    "ledgerbalance": ("ledgerbalance_stays", "ledgerbalance_is_moved_by_entries"),
                    "escrow": ("escrow_stays", "escrow_is_one_jobs", "escrow_stays_closed"),
                    "earning": ("earning_stays", "earning_is_kept"),
                },
                "payments_is_kept()",
            ),
        ),
        migrations.RunSQL(
            ESCROW,
            without(
                {
                    "escrow": ("escrow_covers_lines",),
                    "ledgerbalance": ("ledgerbalance_covers_lines",),
                },
                "payments_escrow_covers_lines()",
                "payments_reserve(uuid, text, bigint, integer)",
                "payments_shift(uuid, text, bigint)",
                "payments_reserved(payments_escrow)",
            ),
        ),
        transition_trigger("payments_earning", "state", EARNING_TRANSITIONS),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
    ]
