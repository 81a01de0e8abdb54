"""What Celery's own command makes of the settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PROBE = """
from config.celery import app
from django.conf import settings
limits = settings.DATABASES["default"]["OPTIONS"]["options"]
print("PROBE", settings.PROCESS, "statement_timeout=60s" in limits)
"""


def said(folder, command, **environment):
    (folder / "probe.py").write_text(PROBE)
    kept = {name: value for name, value in os.environ.items() if name != "PIECEWORK_PROCESS"}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True,
        env={**kept, "PYTHONPATH": f"{folder}:{CHECKOUT}", **environment},
    )  # fmt: skip
    return next(line for line in done.stdout.splitlines() if line.startswith("PROBE"))


@pytest.mark.slow
def test_a_worker_started_by_hand_has_a_workers_limits(tmp_path):
    script = str(Path(sys.executable).with_name("celery"))
    for start in ([script], [sys.executable, "-m", "celery"]):
        assert said(tmp_path, [*start, "-A", "probe", "report"]) == "PROBE worker True"


@pytest.mark.slow
def test_other_processes_say_themselves_what_they_are(tmp_path):
    command = [sys.executable, "-c", "import django; django.setup(); import probe"]
    assert said(tmp_path, command) == "PROBE command False"
    assert said(tmp_path, command, PIECEWORK_PROCESS="worker") == "PROBE worker True"
