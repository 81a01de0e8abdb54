"""What the tables hold to by themselves: transitions, frozen quotes, kept rows, storage."""

from django.db import migrations

from core.states import transition_trigger

ASSIGNMENT_TRANSITIONS = {
    "claimed": ("submitted", "returned", "expired"),
    "submitted": ("claimed", "accepted", "rejected"),
    "expired": ("submitted",),
    "rejected": ("accepted",),
    "accepted": ("reversed",),
    "returned": (),
    "reversed": (),
}
OFFER_TRANSITIONS = {
    "offered": ("accepted", "declined", "lapsed", "withdrawn"),
    "accepted": (),
    "declined": (),
    "lapsed": (),
    "withdrawn": (),
}
ATTEMPT_TRANSITIONS = {
    "open": ("passed", "failed", "abandoned"),
    "passed": (),
    "failed": (),
    "abandoned": (),
}
CONTEST_TRANSITIONS = {
    "open": ("upheld", "denied", "lapsed"),
    "upheld": (),
    "denied": (),
    "lapsed": (),
}

# Who claimed what for which pay is written once, at the claim.
_QUOTE = (
    "id", "job_id", "task_id", "worker_id", "role", "claimed_at", "currency", "units",
    "unit_price", "tier", "tier_lower_bound", "specialty_factor", "floor_per_hour_micros",
    "seconds_per_unit", "fee_rate", "card_version", "guaranteed_micros", "bonus_max_micros",
    "fee_micros", "reserve_micros",
)  # fmt: skip

ASSIGNMENT = f"""
CREATE FUNCTION workers_assignment_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a claim keeps its task, its worker and its quote'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER assignment_is_frozen BEFORE UPDATE OF {", ".join(_QUOTE)} ON workers_assignment
    FOR EACH ROW WHEN (
        ({", ".join(f"OLD.{name}" for name in _QUOTE)}) IS DISTINCT FROM
        ({", ".join(f"NEW.{name}" for name in _QUOTE)}))
    EXECUTE FUNCTION workers_assignment_is_frozen();
CREATE TRIGGER assignment_stays BEFORE DELETE ON workers_assignment
    FOR EACH ROW EXECUTE FUNCTION workers_assignment_is_frozen();
"""

# A graded answer of an exam is evidence.
EXAM = """
CREATE FUNCTION workers_examanswer_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an answered question stays as it was answered'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER examanswer_is_kept BEFORE UPDATE OR DELETE ON workers_examanswer
    FOR EACH ROW WHEN (OLD.answered_at IS NOT NULL)
    EXECUTE FUNCTION workers_examanswer_is_kept();
"""

# Claims and submits change these rows in place: room on the page keeps the updates heap-only, and
# small steps of vacuum keep the partial indexes (live, due, to judge, to settle) short.
STORAGE = """
ALTER TABLE workers_workerjob SET (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 500
);
ALTER TABLE workers_assignment SET (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0.05
);
ALTER TABLE workers_worker SET (fillfactor = 70);
ALTER TABLE workers_skillrecord SET (fillfactor = 70);
ALTER TABLE workers_availability SET (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 500
);
"""


class Migration(migrations.Migration):
    dependencies = [("workers", "0001_initial")]

    operations = [
        transition_trigger("workers_assignment", "state", ASSIGNMENT_TRANSITIONS),
        transition_trigger("workers_offer", "state", OFFER_TRANSITIONS),
        transition_trigger("workers_attempt", "state", ATTEMPT_TRANSITIONS),
        transition_trigger("workers_contest", "state", CONTEST_TRANSITIONS),
        migrations.RunSQL(
            ASSIGNMENT,
            "DROP TRIGGER assignment_is_frozen ON workers_assignment;"
            "DROP TRIGGER assignment_stays ON workers_assignment;"
            "DROP FUNCTION workers_assignment_is_frozen();",
        ),
        migrations.RunSQL(
            EXAM,
            "DROP TRIGGER examanswer_is_kept ON workers_examanswer;"
            "DROP FUNCTION workers_examanswer_is_kept();",
        ),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
    ]
