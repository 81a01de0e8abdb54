"""What operators ask a running site."""

import pytest
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder

from config import views
from core import sweeps

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ready(monkeypatch):
    """A process that has not looked at the migrations yet."""
    monkeypatch.setattr(views.Readiness, "is_migrated", False)


@pytest.fixture
def lag(monkeypatch):
    """Put sweeps that lag by so many seconds in place of the site's."""

    def put(**ages):
        found = {
            name: sweeps.Sweep(
                name, "default", 5.0, lambda: 0, None if age == "untold" else lambda age=age: age
            )
            for name, age in ages.items()
        }
        monkeypatch.setattr(sweeps, "_registry", found)

    return put


@pytest.fixture
def no_database(monkeypatch):
    def refuse(*_args):
        raise OperationalError("the server is away")

    monkeypatch.setattr(views.Readiness, "waiting_migrations", refuse)
    monkeypatch.setattr(views, "oldest_due", refuse)


def test_a_site_that_can_work_says_so(client):
    told = client.get("/readyz")
    assert told.status_code == 200
    body = told.json()
    assert (body["status"], body["database"], body["migrations_waiting"]) == ("ok", "ok", 0)
    assert body["oldest_due_seconds"]
    assert views.Readiness.is_migrated


def test_a_migration_that_waits_takes_the_process_out(client):
    row = MigrationRecorder.Migration.objects.filter(app="workers").latest("id")
    row.delete()
    told = client.get("/readyz")
    assert (told.status_code, told.json()["status"]) == (503, "unready")
    assert (told.json()["migrations_waiting"], told.json()["oldest_due_seconds"]) == (1, {})
    row.save(force_insert=True)
    assert client.get("/readyz").status_code == 200


def test_without_a_database_it_is_unready_but_alive(client, no_database):
    told = client.get("/readyz")
    assert (told.status_code, told.json()) == (
        503, {"status": "unready", "database": "unreachable"},
    )  # fmt: skip
    assert client.get("/healthz").json() == {"status": "ok"}


def test_a_sweep_that_lags_is_named_and_takes_nothing_out(client, lag):
    lag(late=views.LAGGING_SECONDS + 0.26, early=12.04, none=None, ahead=-3.0, silent="untold")
    told = client.get("/readyz")
    assert (told.status_code, told.json()["status"]) == (200, "ok")
    assert told.json()["lagging"] == ["late"]
    assert told.json()["oldest_due_seconds"] == {
        "late": 300.3, "early": 12.0, "none": 0.0, "ahead": 0.0,
    }  # fmt: skip


def test_metrics_tell_how_far_each_sweep_lags(client, lag, settings):
    settings.METRICS_TOKEN = None
    lag(late=400.5)
    text = client.get("/metrics").content.decode()
    assert 'piecework_oldest_due_seconds{sweep="late"} 400.5' in text
    assert "piecework_request_seconds_count" in text


def test_metrics_of_requests_are_there_without_a_database(client, no_database, settings):
    settings.METRICS_TOKEN = None
    told = client.get("/metrics")
    assert told.status_code == 200
    assert b"piecework_request_seconds" in told.content
    assert b"oldest_due_seconds{" not in told.content


@pytest.mark.parametrize(
    ("expected", "given", "status"),
    [
        ("", None, 404),
        ("", "Bearer ", 404),
        ("t0ken", None, 404),
        ("t0ken", "Bearer other", 404),
        ("t0ken", "Bearer t0ken2", 404),
        ("t0ken", "Bearer \xe9", 404),
        ("t0ken", "Bearer t0ken", 200),
    ],
)
def test_metrics_are_for_who_has_the_token(client, settings, expected, given, status):
    settings.METRICS_TOKEN = expected
    meta = {} if given is None else {"HTTP_AUTHORIZATION": given}
    assert client.get("/metrics", **meta).status_code == status


def test_orchestrators_ask_by_address_and_nobody_else_does(client):
    for place, status in (("/healthz", 200), ("/readyz", 200), ("/", 400), ("/api/v1/jobs", 400)):
        assert client.get(place, HTTP_HOST="10.1.2.3").status_code == status, place
