"""Emptying the database after a test that committed.

Django would truncate every table, which the books refuse, and lose the rows that migrations made.
"""

from __future__ import annotations

from django.apps import apps
from django.db import connection, transaction
from django.test import TransactionTestCase

#: What migrations and Django itself put there stays.
KEPT = {"django_migrations", "django_content_type", "auth_permission", "payments_ratecard"}


def install() -> None:
    """Let tests of transactions end with ``empty`` in place of Django's flush."""
    TransactionTestCase._fixture_teardown = lambda _self: empty()


def empty() -> None:
    """Delete every row that tests made; as a replica does, without triggers."""
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)} - KEPT
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in sorted(tables):
            cursor.execute(f'DELETE FROM "{table}"')
        if apps.is_installed("payments"):
            cursor.execute("DELETE FROM payments_ratecard WHERE created_by_id IS NOT NULL")
