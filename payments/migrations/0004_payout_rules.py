"""What the tables of money in and out hold to by themselves: transitions, history, two persons."""

from django.db import migrations

from core.states import transition_trigger

TOPUP_TRANSITIONS = {
    "new": ("open", "paid", "failed"),
    "open": ("processing", "paid", "expired"),
    "processing": ("paid", "failed"),
    "paid": (),
    "expired": (),
    "failed": (),
}
EVENT_TRANSITIONS = {
    "received": ("done", "ignored", "failed"),
    "failed": ("received",),
    "done": (),
    "ignored": (),
}
PAYOUT_TRANSITIONS = {
    "requested": ("blocked", "needs_review", "approved", "rejected", "cancelled", "held"),
    "blocked": ("requested", "rejected", "cancelled", "held"),
    "needs_review": ("approved", "rejected", "cancelled", "held"),
    "approved": ("sending", "blocked", "needs_review", "cancelled", "held"),
    "held": ("requested", "rejected"),
    "sending": ("sent", "approved", "blocked", "unknown", "failed"),
    "unknown": ("sent", "approved"),
    "sent": ("paid", "bank_failed", "reversed"),
    "paid": ("bank_failed", "reversed"),
    "bank_failed": ("paid", "reversed"),
    "reversed": (),
    "failed": (),
    "rejected": (),
    "cancelled": (),
}

# Who is paid how much never changes; what a call is made with stays as it is under its key.
FROZEN = """
CREATE TRIGGER payout_is_kept BEFORE UPDATE OF id, worker_id, amount_micros, currency, created_at
    ON payments_payout FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER payout_stays BEFORE DELETE OR TRUNCATE
    ON payments_payout FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER payout_call_is_kept BEFORE UPDATE OF destination, epoch, transfer_id
    ON payments_payout FOR EACH ROW
    WHEN ((OLD.state IN ('sending', 'unknown') AND NEW.state IN ('sending', 'unknown', 'sent')
           AND (OLD.destination, OLD.epoch) IS DISTINCT FROM (NEW.destination, NEW.epoch))
       OR NEW.epoch < OLD.epoch
       OR (OLD.transfer_id IS NOT NULL AND NEW.transfer_id IS DISTINCT FROM OLD.transfer_id))
    EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER payoutevent_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE
    ON payments_payoutevent FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER payoutapproval_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE
    ON payments_payoutapproval FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER topup_is_kept
    BEFORE UPDATE OF id, organization_id, created_by_id, amount_micros, currency, key, created_at
    ON payments_topup FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER topup_stays BEFORE DELETE OR TRUNCATE
    ON payments_topup FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
CREATE TRIGGER stripeevent_is_kept
    BEFORE UPDATE OF id, event_id, type, account, object_id, livemode, payload, created_at,
        received_at
    ON payments_stripeevent FOR EACH STATEMENT EXECUTE FUNCTION payments_is_kept();
"""

# Nobody approves what is paid to them, and a payout is approved by as many as it needs.
APPROVED = """
CREATE FUNCTION payments_approval_is_anothers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM payments_payout WHERE id = NEW.payout_id AND worker_id = NEW.by_id
    ) THEN
        RAISE EXCEPTION 'nobody approves a payout of their own'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payoutapproval_is_anothers BEFORE INSERT ON payments_payoutapproval
    FOR EACH ROW EXECUTE FUNCTION payments_approval_is_anothers();

CREATE FUNCTION payments_payout_has_approvals() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    have integer;
BEGIN
    SELECT count(*) INTO have FROM payments_payoutapproval
    WHERE payout_id = NEW.id AND round = NEW.review_round;
    IF have < NEW.approvals_needed THEN
        RAISE EXCEPTION 'payout % has % of % approvals', NEW.id, have, NEW.approvals_needed
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payout_has_approvals BEFORE UPDATE OF state ON payments_payout FOR EACH ROW
    WHEN (NEW.state IN ('approved', 'sending') AND OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION payments_payout_has_approvals();
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
    dependencies = [("payments", "0003_rates")]

    operations = [
        transition_trigger("payments_topup", "state", TOPUP_TRANSITIONS),
        transition_trigger("payments_stripeevent", "state", EVENT_TRANSITIONS),
        transition_trigger("payments_payout", "state", PAYOUT_TRANSITIONS),
        migrations.RunSQL(
            FROZEN,
            without(
                {
                    "payout": ("payout_is_kept", "payout_stays", "payout_call_is_kept"),
                    "payoutevent": ("payoutevent_is_kept",),
                    "payoutapproval": ("payoutapproval_is_kept",),
                    "topup": ("topup_is_kept", "topup_stays"),
                    "stripeevent": ("stripeevent_is_kept",),
                }
            ),
        ),
        migrations.RunSQL(
            APPROVED,
            without(
                {
                    "payoutapproval": ("payoutapproval_is_anothers",),
                    "payout": ("payout_has_approvals",),
                },
                "payments_approval_is_anothers()",
                "payments_payout_has_approvals()",
            ),
        ),
    ]
