"""The embedded servers, started for real in folders of their own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
import redis
from django.db import connection

from config import embedded
from config.embedded import places, postgres, valkey

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.django_db
def test_the_suite_runs_on_a_fast_postgresql_18_of_its_own():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int")
        assert cursor.fetchone()[0] >= 180000
    assert connection.settings_dict["NAME"].startswith("test_piecework")


@pytest.fixture
def data(monkeypatch):
    """A data folder of its own, whose servers are stopped and whose sockets go at the end."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    folder = Path(tempfile.mkdtemp(prefix="piecework-test-"))
    monkeypatch.setenv("PIECEWORK_DATA", str(folder))
    places.reachable.cache_clear()
    places.runner.cache_clear()
    yield folder
    site = places.site()
    embedded.stop()
    shutil.rmtree(site.sockets, ignore_errors=True)
    shutil.rmtree(folder)
    places.reachable.cache_clear()
    places.runner.cache_clear()


def rows(site):
    with psycopg.connect(postgres.url(site)) as client:
        return client.execute("SELECT count(*) FROM kept").fetchone()[0]


@pytest.mark.slow
def test_postgresql_keeps_what_it_acknowledged_over_kill_and_restart(data):
    embedded.ensure(with_valkey=False)
    site = places.site()
    with psycopg.connect(postgres.url(site)) as client:
        client.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000)")
    first = postgres.server_pid(site)
    os.kill(first, signal.SIGKILL)
    assert postgres.probe(site) == "down"
    embedded.ensure(with_valkey=False)
    assert postgres.server_pid(site) != first
    assert rows(site) == 1000
    postgres.stop(site)
    assert postgres.probe(site) == "down"
    embedded.ensure(with_valkey=False)
    assert rows(site) == 1000


@pytest.mark.slow
def test_a_server_that_answers_is_used_again(data):
    embedded.ensure()
    site = places.site()
    before = postgres.server_pid(site), valkey.server_pid(site)
    embedded.ensure()
    assert (postgres.server_pid(site), valkey.server_pid(site)) == before
    with psycopg.connect(postgres.url(site)) as client:
        assert client.execute("SHOW fsync").fetchone() == ("on",)
        assert client.execute("SHOW listen_addresses").fetchone() == ("",)
        provider = "SELECT datlocprovider FROM pg_database WHERE datname = 'piecework'"
        assert client.execute(provider).fetchone() == ("b",)


@pytest.mark.slow
def test_processes_that_race_for_the_first_start_share_one_server(data):
    program = (
        "from config import embedded; from config.embedded import places, postgres;"
        "embedded.ensure(with_valkey=False); print(postgres.server_pid(places.site()))"
    )
    racers = [
        subprocess.Popen([sys.executable, "-c", program], cwd=CHECKOUT, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    pids = {racer.communicate(timeout=60)[0].strip() for racer in racers}
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0]
    assert len(pids) == 1


@pytest.mark.slow
def test_valkey_keeps_its_log_over_kill_and_restart(data):
    site = places.site()
    valkey.ensure(site)
    client = redis.Redis.from_url(valkey.url(site))
    client.set("kept", "yes")
    time.sleep(1.2)  # its log is synced every second
    os.kill(valkey.server_pid(site), signal.SIGKILL)
    client.close()
    valkey.ensure(site)
    client = redis.Redis.from_url(valkey.url(site))
    assert client.get("kept") == b"yes"
    assert client.config_get("port") == {"port": "0"}
    client.close()
    valkey.stop(site)
    assert not valkey.answers(site)


@pytest.mark.slow
def test_stopping_what_does_not_run_is_nothing(data):
    embedded.stop()
    embedded.ensure()
    embedded.stop()
    embedded.stop()
    assert postgres.probe(places.site()) == "down"


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
@pytest.mark.parametrize("way", ["namespace", "nobody"])
def test_root_never_runs_the_server_as_root(data, monkeypatch, way):
    if way == "nobody":
        monkeypatch.setenv("PIECEWORK_DROP_PRIVILEGES", "nobody")
    elif subprocess.run([*places._NAMESPACE, "true"], check=False).returncode:
        pytest.skip("this system refuses user namespaces")
    before = {parent: parent.stat().st_mode for parent in (data, *data.parents)}
    embedded.ensure()
    site = places.site()
    status = Path(f"/proc/{postgres.server_pid(site)}/status").read_text()
    uid = next(line for line in status.splitlines() if line.startswith("Uid")).split()[1]
    assert uid == ("0" if way == "namespace" else "65534")  # 0 outside is 65534 inside
    namespaces = [Path(f"/proc/{pid}/ns/user").readlink() for pid in (os.getpid(),)]
    own = Path(f"/proc/{postgres.server_pid(site)}/ns/user").readlink()
    assert (own not in namespaces) == (way == "namespace")
    assert {parent: parent.stat().st_mode for parent in before} == before
    assert postgres.folder(site).stat().st_mode & 0o077 == 0
    if way == "nobody" and site.data != data:
        embedded.stop()
        shutil.rmtree(site.data)


def test_a_long_path_gives_a_short_socket(monkeypatch):
    deep = "/home/somebody/" + "a-rather-long-folder-name/" * 12
    monkeypatch.setenv("PIECEWORK_DATA", deep)
    site = places.Site("main", Path(deep), Path(deep), places.short_folder(Path(deep), 1000))
    assert len(os.fsencode(site.socket_folder / ".s.PGSQL.5432")) < places.LONGEST_SOCKET_PATH
    other = places.short_folder(Path(deep) / "other", 1000)
    assert other != places.short_folder(Path(deep), 1000)
    assert other != places.short_folder(Path(deep) / "other", 1001)


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path):
    folder = tmp_path / "sockets"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(places.EmbeddedError, match="not a private folder"):
        places.private_folder(folder, os.geteuid(), 0o700)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(places.EmbeddedError, match="not a private folder"):
        places.private_folder(link, os.geteuid(), 0o700)


def test_addresses_that_are_set_start_nothing(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/db")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")
    for server in (postgres, valkey):
        monkeypatch.setattr(server, "ensure", lambda _site: pytest.fail("started a server"))
    embedded.ensure()
    embedded.ensure_for_command(["migrate"])


@pytest.mark.parametrize("argv", [["check"], ["migrate", "--help"], ["help"], []])
def test_commands_that_need_no_server_start_none(monkeypatch, argv):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(embedded, "ensure", lambda _name: pytest.fail("started a server"))
    embedded.ensure_for_command(argv)


def test_production_starts_nothing(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "config.settings.production")
    monkeypatch.setattr(embedded, "ensure", lambda _name: pytest.fail("started a server"))
    embedded.ensure_for_command(["migrate"])


def test_the_last_holder_is_known(tmp_path):
    site = places.Site("main", tmp_path, tmp_path, tmp_path)
    first, second = site.hold(), site.hold()
    assert not first.is_last()
    first.release()
    assert second.is_last()
    second.release()


@pytest.mark.slow
def test_a_command_stops_the_servers_that_nobody_else_uses(data):
    command = [
        sys.executable,
        "manage.py",
        "shell",
        "-c",
        "from django.db import connection as c; c.ensure_connection(); print('ok')",
    ]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.local"}
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip().endswith("ok"), done.stderr
    assert postgres.probe(places.site()) == "down"
    assert not valkey.answers(places.site())
