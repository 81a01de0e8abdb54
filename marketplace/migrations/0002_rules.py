"""What the tables hold to by themselves: transitions, frozen facts, kept answers, storage."""

from django.db import migrations

from core.states import transition_trigger

JOB_TRANSITIONS = {
    "draft": ("live", "cancelled"),
    "live": ("paused", "closing", "suspended"),
    "paused": ("live", "closing", "suspended"),
    "suspended": ("live", "paused"),
    "closing": ("completed", "cancelled"),
    "completed": (),
    "cancelled": (),
}
TASK_TRANSITIONS = {
    "parked": ("open", "cancelled"),
    "open": ("resolved", "escalated", "cancelled", "parked"),
    "escalated": ("resolved", "cancelled"),
    "resolved": ("open",),
    "cancelled": (),
}
EXPORT_TRANSITIONS = {
    "queued": ("running", "failed"),
    "running": ("done", "failed"),
    "done": (),
    "failed": (),
}
DELIVERY_TRANSITIONS = {
    "pending": ("delivered", "failed"),
    "failed": ("pending",),
    "delivered": ("pending",),
}

INTERFACE = """
CREATE FUNCTION marketplace_interface_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an interface never changes; make the next version'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER interface_is_fixed BEFORE UPDATE OR DELETE ON marketplace_interface
    FOR EACH ROW EXECUTE FUNCTION marketplace_interface_is_fixed();
"""

JOB = """
CREATE FUNCTION marketplace_job_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a launched job keeps what its prices depend on'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER job_is_frozen BEFORE UPDATE ON marketplace_job
    FOR EACH ROW WHEN (OLD.launched_at IS NOT NULL AND
        (OLD.organization_id, OLD.interface_id, OLD.purpose, OLD.specialty, OLD.unit,
         OLD.base_rate_micros, OLD.seconds_per_unit, OLD.difficulty, OLD.bonus_pct,
         OLD.currency, OLD.sandbox, OLD.card_version, OLD.launched_at)
        IS DISTINCT FROM
        (NEW.organization_id, NEW.interface_id, NEW.purpose, NEW.specialty, NEW.unit,
         NEW.base_rate_micros, NEW.seconds_per_unit, NEW.difficulty, NEW.bonus_pct,
         NEW.currency, NEW.sandbox, NEW.card_version, NEW.launched_at))
    EXECUTE FUNCTION marketplace_job_is_frozen();
"""

# What was said stays said: an answer changes its flags only, and once it was judged it stays.
ANNOTATION = """
CREATE FUNCTION marketplace_annotation_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an answer is kept as it was given'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER annotation_is_kept
    BEFORE UPDATE OF id, task_id, interface_id, assignment_ref, author_ref, answer, created_at
    ON marketplace_annotation
    FOR EACH ROW EXECUTE FUNCTION marketplace_annotation_is_kept();
CREATE TRIGGER annotation_stays BEFORE DELETE ON marketplace_annotation
    FOR EACH ROW WHEN (OLD.is_counted)
    EXECUTE FUNCTION marketplace_annotation_is_kept();
"""

# A conclusion is history as soon as it is written: only "current" may be taken from it.
RESOLUTION = """
CREATE FUNCTION marketplace_resolution_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a resolution is kept as it was made'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER resolution_is_kept
    BEFORE UPDATE OF id, task_id, interface_id, round, value, confidence, rule, votes, answers,
        is_escalated, decided_by_id, created_at
    ON marketplace_resolution
    FOR EACH ROW EXECUTE FUNCTION marketplace_resolution_is_kept();
CREATE TRIGGER resolution_stays BEFORE DELETE ON marketplace_resolution
    FOR EACH ROW EXECUTE FUNCTION marketplace_resolution_is_kept();
CREATE TRIGGER resolution_stays_past BEFORE UPDATE OF is_current ON marketplace_resolution
    FOR EACH ROW WHEN (NEW.is_current AND NOT OLD.is_current)
    EXECUTE FUNCTION marketplace_resolution_is_kept();
"""

# Claims count slots down in place: room on the page keeps those updates heap-only, and small
# steps of vacuum keep the open index free of dead entries.
STORAGE = """
ALTER TABLE marketplace_task SET (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0.05
);
ALTER TABLE marketplace_annotation SET (fillfactor = 90);
ALTER SEQUENCE marketplace_task_pos_seq OWNED BY marketplace_task.pos;
"""


def drop(table: str, *triggers: str, function: str) -> str:
    """The way back: triggers first, then their function."""
    dropped = "".join(f"DROP TRIGGER {name} ON {table};" for name in triggers)
    return f"{dropped} DROP FUNCTION {function}();"


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0001_initial")]

    operations = [
        transition_trigger("marketplace_job", "state", JOB_TRANSITIONS),
        transition_trigger("marketplace_task", "state", TASK_TRANSITIONS),
        transition_trigger("marketplace_export", "state", EXPORT_TRANSITIONS),
        transition_trigger("marketplace_webhookdelivery", "state", DELIVERY_TRANSITIONS),
        migrations.RunSQL(
            INTERFACE,
            drop(
                "marketplace_interface",
                "interface_is_fixed",
                function="marketplace_interface_is_fixed",
            ),
        ),
        migrations.RunSQL(
            JOB, drop("marketplace_job", "job_is_frozen", function="marketplace_job_is_frozen")
        ),
        migrations.RunSQL(
            ANNOTATION,
            drop(
                "marketplace_annotation",
                "annotation_is_kept",
                "annotation_stays",
                function="marketplace_annotation_is_kept",
            ),
        ),
        migrations.RunSQL(
            RESOLUTION,
            drop(
                "marketplace_resolution",
                "resolution_is_kept",
                "resolution_stays",
                "resolution_stays_past",
                function="marketplace_resolution_is_kept",
            ),
        ),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
    ]
