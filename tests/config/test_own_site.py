"""A site of a command's own, the sweeps without a broker, and a whole replay through them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from config.embedded import places, postgres

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def data(monkeypatch):
    folder = Path(tempfile.mkdtemp(prefix="piecework-test-"))
    monkeypatch.setenv("PIECEWORK_DATA", str(folder))
    yield folder
    sockets = places.site().sockets
    shutil.rmtree(folder)
    shutil.rmtree(sockets, ignore_errors=True)


def environment():
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
    }
    return {**kept, "STRIPE_API_BASE": "http://127.0.0.1:9"}


def little_set(folder):
    """Twelve questions, eight people who are usually right; one is always wrong."""
    folder.mkdir()
    (folder / "meta.json").write_text(json.dumps({"kind": "binary", "name": "little"}))
    truth = {f"t{n}": "yn"[n % 2] for n in range(12)}
    rows = [
        f"{task},w{k},{'yn'['yn'.index(right) ^ (k == 7 or (k, task) == (2, 't3'))]}"
        for task, right in truth.items()
        for k in range(8)
    ]
    (folder / "answers.csv").write_text("task,worker,label\n" + "\n".join(rows))
    (folder / "truth.csv").write_text(
        "task,label\n" + "\n".join(f"{task},{right}" for task, right in truth.items())
    )
    return folder


@pytest.mark.slow
@pytest.mark.xdist_group("up")
def test_a_recorded_set_is_replayed_through_a_site_of_its_own(data, tmp_path):
    out = tmp_path / "out.json"
    done = subprocess.run(
        [
            sys.executable, "manage.py", "replay", "--data", str(little_set(tmp_path / "little")),
            "--seed", "3", "--workers", "4", "--out", str(out),
        ],
        cwd=CHECKOUT, env=environment(), capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(out.read_text())
    assert json.loads(done.stdout) == told
    assert set(told["invariants"].values()) == {True}
    assert told["data"] == "little"
    assert told["tasks"] + told["gold_tasks"] == 12
    assert told["accuracy"] >= 0.9
    assert told["pure_policy"]["accuracy"] >= 0.9
    assert 2 <= told["labels_per_task"]["work"] <= 5
    assert told["cost_per_correct_micros"] > 0
    assert {"p50", "p95"} == set(told["claim_ms"]) == set(told["submit_ms"])
    # Whatever it started has ended with it.
    assert postgres.probe(places.site()) == "down"
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(data) in str(one.info)]
    assert list(data.glob("own-*.pids")) == []


@pytest.mark.slow
@pytest.mark.xdist_group("up")
def test_sweeps_go_on_without_a_broker_until_they_are_told_to_stop(data):
    for command in (["migrate", "--verbosity", "0"], ["sweep"]):
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=CHECKOUT, env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert "workers.judge  0 rows" in done.stdout
    process = subprocess.Popen(
        [sys.executable, "manage.py", "sweep", "--forever"],
        cwd=CHECKOUT, env=environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(8)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "Error" not in said
