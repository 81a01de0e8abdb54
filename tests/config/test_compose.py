"""The containers' file: what it says, and that every command line in it works.

No Docker engine is needed: each service's command runs as it stands, under the production settings
and the environment that the file gives it, against the embedded servers.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psycopg
import pytest
import redis
import yaml

from config import celery, embedded
from config.embedded import places, postgres, valkey

CHECKOUT = Path(__file__).resolve().parents[2]
TRY = CHECKOUT / "deploy" / "try.env"
STORES = {"postgres", "redis"}
DATABASE = "piecework_compose"


def tried():
    """The variables of the try-out, as compose would read them."""
    lines = [line for line in TRY.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value.strip('"') for name, value in (line.split("=", 1) for line in lines)}


def substitute(text, variables):
    """``${NAME:-usual}`` and ``${NAME:?complaint}`` as compose does; ``$$`` is a dollar."""
    pattern = re.compile(
        r"\$\$|\$\{(\w+)(?::([-?])((?:[^{}]|\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})*))?\}"
    )

    def put(found):
        if found[0] == "$$":
            return "$"
        name, kind, rest = found.groups()
        if variables.get(name):
            return variables[name]
        assert kind != "?", f"{name}: {rest}"
        return substitute(rest or "", variables)

    return pattern.sub(put, text)


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def ours(compose):
    """The services that run our image."""
    return {name: one for name, one in compose["services"].items() if name not in STORES}


def command_of(service):
    """A service's command; without one, the image's own."""
    if "command" in service:
        return service["command"]
    text = (CHECKOUT / "Dockerfile").read_text().replace("\\\n", " ")
    return yaml.safe_load(re.findall(r"^CMD (.+)$", text, re.MULTILINE)[-1])


def test_every_queue_is_served_once(ours):
    served = []
    for service in ours.values():
        command = command_of(service)
        if "worker" in command:
            served += command[command.index("-Q") + 1].split(",")
    assert sorted(served) == sorted(celery.QUEUES)


def test_every_service_has_the_same_image_settings_and_care(ours):
    assert len({service["image"] for service in ours.values()}) == 1
    needed = set(ours["web"]["environment"])
    for name, service in ours.items():
        assert set(service["environment"]) >= needed, name
        assert service["env_file"] == [{"path": ".env", "required": False}], name
        assert service["depends_on"]["postgres"] == {"condition": "service_healthy"}
        is_once = service["restart"] == "no"
        assert is_once == (name == "migrate")
        assert "container_name" not in service, f"{name} could not be scaled"
        if not is_once and name != "fakestripe":
            assert "healthcheck" in service, name


def test_nothing_that_is_needed_has_a_usual_value(compose):
    """Secrets have no default: compose stops and says which one is missing."""
    text = (CHECKOUT / "docker-compose.yml").read_text()
    for name in ("SECRET_KEY", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "ALLOWED_HOSTS"):
        assert f"${{{name}:?" in text
        with pytest.raises(AssertionError, match=name):
            substitute(f"${{{name}:?set it}}", {})


def example():
    """The names that .env.example explains, set or commented out."""
    text = (CHECKOUT / ".env.example").read_text()
    return re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", text, re.MULTILINE)


def test_the_example_explains_every_setting_once():
    read = set()
    for file in (CHECKOUT / "config" / "settings").glob("*.py"):
        if file.name != "test.py":
            read |= set(re.findall(r"\benv\.\w+\(\s*\"(\w+)\"", file.read_text()))
    assert "PAYOUT_MINIMUM_MICROS" in read  # the search finds what it looks for
    asked = set(re.findall(r"\$\{(\w+)", (CHECKOUT / "docker-compose.yml").read_text()))
    others = {"DJANGO_SETTINGS_MODULE", "PIECEWORK_DATA"}
    assert sorted(example()) == sorted(read | asked | others)


def test_nobody_but_this_host_reaches_web_by_itself(ours):
    """It believes a proxy's headers, so only the proxy may ask."""
    (published,) = ours["web"]["ports"]
    assert substitute(published, {}) == "127.0.0.1:8000-8009:8000"


def test_the_try_out_sets_all_that_is_asked_for(ours):
    for service in ours.values():
        for value in service["environment"].values():
            substitute(str(value), tried())


def test_compose_reads_the_file():
    docker = shutil.which("docker")
    asked = [docker, "compose", "version"]
    if not docker or subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not on this machine")
    for files in (["--env-file", str(TRY)], ["--env-file", str(TRY), "--profile", "demo"]):
        done = subprocess.run(
            [docker, "compose", *files, "config", "--quiet"],
            cwd=CHECKOUT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


# --- every command line ----------------------------------------------------------------------
@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """The addresses of a fresh database and of a broker."""
    embedded.ensure(places.TEST)
    site = places.site(places.TEST)
    with psycopg.connect(postgres.url(site, "postgres"), autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {DATABASE}")
    yield {
        "DATABASE_URL": postgres.url(site, DATABASE),
        "REDIS_URL": valkey.url(site),
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path_factory.mktemp("metrics")),
        "MEDIA_ROOT": str(tmp_path_factory.mktemp("media")),
        "STATIC_ROOT": str(tmp_path_factory.mktemp("static")),
    }
    with psycopg.connect(postgres.url(site, "postgres"), autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


@pytest.fixture(scope="module")
def run(ours, stores, tmp_path_factory):
    """Start a service's command as it stands in the file; ends with the test module."""
    folder = tmp_path_factory.mktemp("logs")
    started = []

    def start(name, *, port=None, wait=False):
        service = ours[name]
        given = {
            key: substitute(str(value), tried()) for key, value in service["environment"].items()
        }
        command = [substitute(word, tried()) for word in command_of(service)]
        if port is not None:
            command = [str(port) if word in ("8000", "12111") else word for word in command]
            command = ["127.0.0.1" if word == "0.0.0.0" else word for word in command]
        command[0] = str(Path(sys.executable).with_name(command[0]))
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "TZ") if key in os.environ}
        log = folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=CHECKOUT, env={**kept, **given, **stores},
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        started.append(process)
        if wait:
            assert process.wait(timeout=120) == 0, log.read_text()
        return process, log

    yield start
    for process in started:
        end(process)


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=45)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(condition, process, log, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def collect_static_files(stores):
    """As the image's build does."""
    text = (CHECKOUT / "Dockerfile").read_text()
    settings, command = re.findall(
        r"^RUN DJANGO_SETTINGS_MODULE=(\S+) python (.+)$", text, re.MULTILINE
    )[0]
    done = subprocess.run(
        [sys.executable, *command.split()],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": settings,
            "STATIC_ROOT": stores["STATIC_ROOT"],
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
@pytest.mark.xdist_group("compose")
def test_the_migration_runs_and_web_serves_under_production_settings(run, ours, stores):
    collect_static_files(stores)
    run("migrate", wait=True)
    port = free_port()
    process, log = run("web", port=port)

    def healthy():
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    until(healthy, process, log)
    assert httpx.get(f"http://127.0.0.1:{port}/api/v1/jobs").status_code == 401
    assert httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 404  # no token, no page
    page = httpx.get(f"http://127.0.0.1:{port}/", headers={"Host": "localhost"})
    assert page.status_code == 200
    assert (
        httpx.get(f"http://127.0.0.1:{port}/", headers={"Host": "evil.example"}).status_code == 400
    )
    kind, _, *words = ours["web"]["healthcheck"]["test"]
    check = [sys.executable, *(word.replace(":8000/", f":{port}/") for word in words)]
    assert kind == "CMD"
    assert subprocess.run(check, check=False).returncode == 0
    end(process)
    assert process.returncode == 0, log.read_text()
    assert subprocess.run(check, check=False, stderr=subprocess.DEVNULL).returncode == 1


@pytest.mark.slow
@pytest.mark.xdist_group("compose")
@pytest.mark.parametrize(
    "name", ["worker-dispatch", "worker-judging", "worker-payouts", "worker-deliveries"]
)
def test_a_worker_reports_ready_and_passes_its_own_health_check(run, ours, stores, name):
    process, log = run(name)
    until(lambda: "ready." in log.read_text(), process, log)
    check = substitute(ours[name]["healthcheck"]["test"][1], tried())
    given = {
        key: substitute(str(value), tried()) for key, value in ours[name]["environment"].items()
    }
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", check],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
        env={**given, **stores, "PATH": path, "HOSTNAME": socket.gethostname()},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pong" in done.stdout
    end(process)
    assert process.returncode == 0, log.read_text()


@pytest.mark.slow
@pytest.mark.xdist_group("compose")
def test_beat_sends_what_is_due_and_passes_its_health_check(run, ours, stores):
    with redis.Redis.from_url(stores["REDIS_URL"]) as broker:
        broker.delete("piecework:judging")
        process, log = run("beat")
        until(lambda: broker.llen("piecework:judging") > 0, process, log)
        broker.flushdb()
    check = substitute(ours["beat"]["healthcheck"]["test"][1], {})
    assert subprocess.run(["sh", "-c", check], check=False).returncode == 0
    end(process)


@pytest.mark.slow
@pytest.mark.xdist_group("compose")
def test_the_stand_in_for_stripe_listens(run):
    port = free_port()
    process, log = run("fakestripe", port=port)

    def listens():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    until(listens, process, log)
    end(process)
