"""What must always be true of the floor's rows."""

from __future__ import annotations

from core.audit import invariant


@invariant(id="C1", says="every organization has an owner")
def owned() -> str:
    """Somebody must be able to run it."""
    return """
        SELECT o.id, o.name FROM core_organization o
        WHERE NOT EXISTS (
            SELECT 1 FROM core_membership m WHERE m.organization_id = o.id AND m.role = 'owner'
        )
    """


@invariant(id="C2", says="an answer kept under an idempotency key is whole")
def answers_are_whole() -> str:
    """A status without the time it was given, or the other way round, was not written by us."""
    return """
        SELECT id, key, status, completed_at FROM core_idempotencykey
        WHERE (status IS NULL) <> (completed_at IS NULL)
    """
