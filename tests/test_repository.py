"""The shape of the repository itself: what every file must and must not hold."""

import re
import subprocess
from pathlib import Path

import pytest

from config import celery
from core import sweeps

CHECKOUT = Path(__file__).resolve().parents[1]
LONGEST_FILE = 400
#: Modules in which a number is money or decides about money.
MONEY = (
    "payments/money.py", "payments/pricing.py", "payments/services", "payments/models",
    "payments/selectors", "payments/selectors.py", "workers/services/settlement.py",
)  # fmt: skip


def files():
    """Every file that is, or is about to be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    return [Path(line) for line in listed if (CHECKOUT / line).is_file()]


def source(*suffixes):
    return [file for file in files() if file.suffix in suffixes]


def text(file):
    try:
        return (CHECKOUT / file).read_text()
    except UnicodeDecodeError:
        return ""


def matches(pattern, among):
    """Where a pattern stands, as `file:line`."""
    expression = re.compile(pattern)
    return [
        f"{file}:{number}"
        for file in among
        for number, line in enumerate(text(file).splitlines(), 1)
        if expression.search(line)
    ]


def of_ours(file):
    return file.parts[0] in ("core", "payments", "marketplace", "workers", "config")


def test_no_file_is_longer_than_a_reader_can_hold():
    long = {
        str(file): length
        for file in source(".py", ".html", ".css", ".js", ".sql", ".sh")
        if "migrations" not in file.parts
        and (length := len(text(file).splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_names_say_what_a_file_is_about():
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "signals", "base_classes"}
    assert [str(file) for file in source(".py") if file.stem in vague] == []
    assert [str(file) for file in files() if vague.intersection(file.parts[:-1])] == []


def test_nothing_hides_in_signals_or_save():
    ours = [file for file in source(".py") if of_ours(file)]
    assert matches(r"(post|pre)_(save|delete)\b|m2m_changed", ours) == []
    in_models = [file for file in ours if "models" in file.parts or file.stem == "models"]
    assert matches(r"def save\(", in_models) == []


def test_no_message_is_delayed_in_the_broker():
    """Due times live in rows: a delayed message is lost with the broker, or runs many times."""
    ours = [file for file in source(".py") if of_ours(file)]
    assert matches(r"\b(eta|countdown)\s*=", ours) == []
    assert matches(r"\.retry\(", [file for file in ours if "tasks" in file.stem]) == []


#: A webhook says when it was sent, by the time of day that its receiver goes by.
BY_TIME_OF_DAY = {"marketplace/services/deliveries.py"}


def test_nobody_decides_by_the_machines_clock():
    """Deadlines are decided by one clock, which lives in core."""
    decisive = [
        file for file in source(".py")
        if file.parts[0] in ("payments", "marketplace", "workers")
        and "services" in file.parts
        and str(file) not in BY_TIME_OF_DAY
    ]  # fmt: skip
    assert matches(r"timezone\.now\(|datetime\.(now|utcnow)\(", decisive) == []


def test_money_is_never_a_float():
    near = [file for file in source(".py") if str(file).startswith(MONEY)]
    assert near
    # The age of a due row, in seconds, is no money.
    age = r"^(?!def oldest_\w+\(|\s+age: float)"
    assert matches(age + r".*(\bfloat\(|FloatField|\bfloat\b\s*(=|\||,|\]))", near) == []


def test_no_registry_is_named():
    """Where packages come from is the machine's business."""
    hosts = ("py" + "pi.org", "python" + "hosted.org", "registry." + "npm", "deb." + "debian.org")
    pattern = "|".join(re.escape(host) for host in hosts)
    assert matches(pattern, files()) == []


def test_no_path_of_a_machine_is_named():
    places = ("/ho" + "me/[a-z]", "/Us" + "ers/[A-Z]", "/ro" + "ot/", "/wo" + "rk/", "/mn" + "t/")
    among = [file for file in files() if file.name != "test_embedded.py"]
    assert matches("|".join(f"(^|[\\s\"'=(`]){place}" for place in places), among) == []
    assert matches(re.escape(str(CHECKOUT) + "/"), files()) == []


def test_pure_sources_carry_no_secret():
    shapes = r"\b(sk|rk)_live_[A-Za-z0-9]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY"
    assert matches(shapes, files()) == []


def test_constraints_hold_versions_and_no_addresses():
    lines = text(Path("constraints.txt")).splitlines()
    assert len(lines) > 50
    assert [
        line for line in lines if not re.match(r"^[a-z0-9_.\[\]-]+==[\w.+!]+( ; .+)?$", line)
    ] == []
    assert not (CHECKOUT / "uv.lock").exists() or Path("uv.lock") not in files()


def test_every_requirement_is_pinned():
    pinned = {line.split("==")[0] for line in text(Path("constraints.txt")).splitlines()}
    import tomllib

    project = tomllib.loads(text(Path("pyproject.toml")))["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    bare = {re.split(r"[\[<>=~! ;]", line, maxsplit=1)[0].lower() for line in named}
    assert bare - pinned == set()


def test_every_sweep_has_a_queue_that_somebody_serves():
    registered = sweeps.registry()
    assert registered
    assert {sweep.queue for sweep in registered.values()} <= set(celery.QUEUES)
    assert set(celery.app.conf.beat_schedule) == set(registered)
    for name, sweep in registered.items():
        assert celery.app.amqp.router.route({}, name)["queue"].name == sweep.queue


def test_every_task_is_routed():
    own = [name for name in celery.app.tasks if not name.startswith("celery.")]
    assert set(own) <= set(celery.app.conf.task_routes)


@pytest.mark.xdist_group("known")
def test_groups_of_tests_stay_together(request):
    """A release of pytest can make xdist overlook its groups without a word."""
    if hasattr(request.config, "workerinput"):
        assert request.node.nodeid.endswith("@known")


@pytest.mark.parametrize(
    "name",
    ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "Makefile",
     ".ci/run", ".env.example", "docs/operations.md", "docs/adr/0001-four-planes.md",
     "core/README.md", "payments/README.md", "marketplace/README.md", "workers/README.md"],
)  # fmt: skip
def test_what_a_reader_looks_for_is_there(name):
    assert len(text(Path(name))) > 200


def test_changelog_has_an_unreleased_section():
    assert "## [Unreleased]" in text(Path("CHANGELOG.md"))


def test_the_ci_entry_point_runs_what_a_developer_runs():
    assert "make test" in text(Path(".ci/run"))
    for target in ("make run", "make test"):
        assert target in text(Path("README.md"))
