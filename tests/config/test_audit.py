"""`manage.py audit`: one snapshot, one line an invariant, exit 1 on a breach."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from core import audit

CLEAN = {"says": "two is two", "sql": "SELECT 1 AS id WHERE 1 <> 1"}


@pytest.fixture
def invariants(monkeypatch):
    """Invariants of our own in place of the planes'."""
    own = {}

    def state(name, says, sql):
        own[name] = audit.Invariant(name, says, lambda: sql)

    monkeypatch.setattr(audit, "registry", lambda: own)
    return state


def test_what_holds_is_said_line_by_line(invariants, db, capsys):
    invariants("A1", **CLEAN)
    invariants("A2", **CLEAN)
    call_command("audit")
    said = capsys.readouterr().out.splitlines()
    assert said == ["A1    ok  two is two", "A2    ok  two is two", "2 invariants hold."]


def test_a_breach_names_itself_and_some_of_its_rows(invariants, db, capsys):
    invariants("A1", **CLEAN)
    invariants("A2", "no numbers", "SELECT n, 'row ' || n AS name FROM generate_series(1, 30) n")
    with pytest.raises(CommandError, match="Broken: A2"):
        call_command("audit")
    said = capsys.readouterr().out.splitlines()
    assert said[1] == "A2    BROKEN by 30 rows  no numbers"
    assert said[2].strip() == '{"n": 1, "name": "row 1"}'
    assert len(said) == 7


def test_scripts_get_one_list_and_an_exit_status(invariants, db, capsys):
    invariants("A1", **CLEAN)
    call_command("audit", "--json")
    assert json.loads(capsys.readouterr().out) == [
        {"id": "A1", "says": "two is two", "ok": True, "rows": 0, "sample": []}
    ]
    invariants("A2", "no bytes", r"SELECT '\x00ff'::bytea AS digest, interval '1 day' AS age")
    with pytest.raises(SystemExit) as stopped:
        call_command("audit", "--json")
    assert stopped.value.code == 1
    found = json.loads(capsys.readouterr().out)[1]
    assert (found["ok"], found["rows"]) == (False, 1)
    assert found["sample"] == [{"digest": "00ff", "age": "P1DT00H00M00S"}]


@pytest.mark.django_db(transaction=True)
def test_everything_is_seen_in_one_read_only_snapshot(invariants, capsys):
    invariants(
        "A1", "reads only", "SELECT 1 AS id WHERE current_setting('transaction_read_only') <> 'on'"
    )
    invariants(
        "A2", "sees one moment",
        "SELECT 1 AS id WHERE current_setting('transaction_isolation') <> 'repeatable read'",
    )  # fmt: skip
    call_command("audit")
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        assert cursor.fetchone()[0] == "off"


@pytest.mark.django_db
def test_every_plane_states_invariants_and_a_fresh_site_keeps_them(capsys):
    call_command("audit", "--json")
    found = json.loads(capsys.readouterr().out)
    planes = {one.sql.__module__.split(".")[0] for one in audit.registry().values()}
    assert planes == {"core", "payments", "marketplace", "workers"}
    assert all(finding["ok"] for finding in found)
