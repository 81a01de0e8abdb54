"""`manage.py up` for real: the whole site comes up, heals, and goes down without a trace."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psycopg
import pytest
from django.core.management.base import CommandError

from config import processes
from config.demo import people
from config.embedded import places, postgres, valkey
from config.management.commands import up

CHECKOUT = Path(__file__).resolve().parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_busy_port_is_refused_with_a_way_out():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"Port {port} is not free.*PORT={port + 1}"):
            up.refuse_busy_port(port, "PORT")


def test_a_port_is_kept_before_anybody_listens_there():
    port = free_port()
    with up.keep_port(port):
        with pytest.raises(CommandError, match="is not free"):
            up.refuse_busy_port(port, "PORT")
        with socket.socket() as child:
            child.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            child.bind(("127.0.0.1", port))
            child.listen()
    up.refuse_busy_port(port, "PORT")


def test_a_second_instance_is_refused_and_told_of_the_first(tmp_path):
    first = up.take_instance(tmp_path)
    with pytest.raises(CommandError, match=rf"process {os.getpid()}\) runs on"):
        up.take_instance(tmp_path)
    first.close()
    up.take_instance(tmp_path).close()


def test_every_child_gets_the_addresses_and_says_what_it_is(tmp_path, settings):
    settings.FAKE_STRIPE_PORT = None
    found = processes.children(8123, metrics=tmp_path, web_processes=3, worker_processes=1)
    by_name = {child.name: child for child in found}
    assert set(by_name) == {"beat", "web", "worker"}
    for child in by_name.values():
        assert child.environment["DATABASE_URL"] == settings.DATABASE_URL
    assert by_name["web"].environment["PIECEWORK_PROCESS"] == "web"
    assert by_name["worker"].environment["PIECEWORK_PROCESS"] == "worker"
    web = " ".join(by_name["web"].command)
    assert "--workers 3" in web
    assert "--host 127.0.0.1 --port 8123" in web


class Site:
    """One running instance, and how to look at it."""

    def __init__(self, data, port, *options):
        self.data = data
        self.base = f"http://127.0.0.1:{port}"
        self.log = data / "up.log"
        environment = {
            key: value
            for key, value in os.environ.items()
            if key not in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
        }
        environment |= {"PIECEWORK_DATA": str(data), "PORT": str(port), "FAKE_STRIPE_PORT": "0"}
        if "--demo" in options:
            environment["FAKE_STRIPE_PORT"] = str(free_port())
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", *options],
                cwd=CHECKOUT, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def ready(self):
        try:
            return httpx.get(f"{self.base}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def wait(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)


@pytest.fixture
def site(monkeypatch, request):
    data = Path(tempfile.mkdtemp(prefix="piecework-test-"))
    monkeypatch.setenv("PIECEWORK_DATA", str(data))
    running = Site(data, free_port(), *getattr(request, "param", ()))
    yield running
    if running.process.poll() is None:
        running.stop()
    sockets = places.site().sockets
    shutil.rmtree(data)
    shutil.rmtree(sockets, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.xdist_group("up")
def test_the_site_comes_up_heals_and_ends_without_a_trace(site):
    site.wait(site.ready)
    site.wait(lambda: "Piecework runs at" in site.log.read_text())
    page = httpx.get(f"{site.base}/")
    assert "Piecework" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "piecework_request_seconds_count" in httpx.get(f"{site.base}/metrics").text
    site.wait(lambda: "all@" in site.log.read_text())  # the Celery worker reports ready

    here = places.site()
    children = [int(line) for line in (site.data / "up.pids").read_text().split()]
    os.kill(children[1], signal.SIGKILL)  # web
    os.kill(postgres.server_pid(here), signal.SIGKILL)
    os.kill(valkey.server_pid(here), signal.SIGKILL)
    site.wait(lambda: "Valkey answers again" in site.log.read_text())
    site.wait(lambda: "PostgreSQL answers again" in site.log.read_text())
    site.wait(site.ready)
    with psycopg.connect(postgres.url(here)) as client:
        assert client.execute("SELECT count(*) > 0 FROM django_migrations").fetchone() == (True,)

    assert site.stop() == 0
    log = site.log.read_text()
    assert re.search(r"up: web ended with status -9; starting it again", log)
    assert log.rstrip().endswith("Stopped.")
    assert postgres.probe(here) == "down"
    assert not valkey.answers(here)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{site.base}/healthz")


@pytest.mark.slow
@pytest.mark.xdist_group("up")
@pytest.mark.parametrize("site", [["--demo"]], indirect=True)
@pytest.mark.skipif(not shutil.which("curl"), reason="the tour is told with curl")
def test_the_tour_of_the_readme_works_on_a_site_with_the_demo(site):
    site.wait(lambda: "The demo is ready" in site.log.read_text(), seconds=180)
    site.wait(lambda: "admin@demo.invalid" in site.log.read_text())
    tour = subprocess.run(
        [CHECKOUT / "docs" / "tour.sh"],
        env={**os.environ, "PIECEWORK": site.base},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert tour.returncode == 0, tour.stdout + tour.stderr
    results = [line for line in tour.stdout.splitlines() if line.startswith('{"task"')]
    assert len(results) == 3
    assert all('"value":{"choice":"no"}' in line for line in results)

    with httpx.Client(base_url=site.base, follow_redirects=True) as browser:
        form = browser.get("/admin/login/")
        entered = browser.post(
            "/admin/login/",
            data={
                "username": "admin@demo.invalid",
                "password": people.PASSWORD,
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
                "next": "/admin/",
            },
        )
        assert form.status_code == entered.status_code == 200
        queue = browser.get("/admin/payments/payout/")
        assert queue.status_code == 200
        assert "amara@demo.invalid" in queue.text or "Amara" in queue.text
    assert site.stop() == 0
