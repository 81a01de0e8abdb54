import psycopg
import pytest
from django.db import connection


@pytest.mark.django_db
def test_tests_run_on_postgresql_18_of_their_own():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int, current_setting('fsync')")
        version, fsync = cursor.fetchone()
    assert version >= 180000
    assert fsync == "off"
    assert connection.settings_dict["NAME"].startswith("test_piecework")
    assert psycopg.pq.version() > 0
