"""Idempotency keys in the long run."""

from django.db import connection

KEPT = "25 hours"
BATCH = 5000


def forget() -> int:
    """Delete a batch of keys older than a day, with the answers they kept; how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM core_idempotencykey WHERE id IN (
                SELECT id FROM core_idempotencykey
                WHERE created_at < now() - %s::interval
                ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED
            )
            """,
            [KEPT, BATCH],
        )
        return int(cursor.rowcount)
