"""The import contracts catch what they are there to catch: violations are planted in a copy."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGES = ("config", "core", "payments", "marketplace", "workers")

# File of the copy, line added to it, contract that must break, what its report must name.
PLANTED = [
    ("core/errors.py", "import payments.apps", "Planes", "core.errors -> payments.apps"),
    ("payments/money.py", "import marketplace.labeling", "Planes", "payments.money -> marketplace"),
    ("marketplace/services/jobs.py", "import workers.apps", "Planes", "jobs -> workers.apps"),
    ("workers/apps.py", "import config.views", "Planes", "workers.apps -> config.views"),
    ("workers/models/offer.py", "import workers.services.hot", "Layers of workers", "offer ->"),
    ("workers/unheard_of.py", "", "Layers of workers", "unheard_of"),
    ("marketplace/models/job.py", "import marketplace.services.slots", "Layers of marketplace",
     "job -> marketplace.services.slots"),
    ("payments/models/__init__.py", "import payments.services.escrow", "Layers of payments",
     "payments.models -> payments.services.escrow"),
    ("core/models/__init__.py", "import core.services.tokens", "Layers of core",
     "core.models -> core.services.tokens"),
    ("marketplace/labeling/registry.py", "import django.conf", "Pure code", "registry -> django"),
    ("workers/scoring.py", "import celery", "Pure code", "workers.scoring -> celery"),
    ("workers/services/claims.py", "import payments.models", "Only payments", "claims ->"),
    ("payments/services/wallets.py", "import stripe", "Only the gateway", "wallets -> stripe"),
    ("workers/services/judging.py", "import marketplace.api.urls", "Only the assembly",
     "judging -> marketplace.api.urls"),
    ("workers/services/hot.py", "import workers.services.claims", "No cycles",
     "allowed in workers.services. It could be made acyclic by removing 1 dependency: - .hot"),
]  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What lint-imports says of each contract once every violation is planted."""
    copy = tmp_path_factory.mktemp("planted")
    for package in PACKAGES:
        shutil.copytree(
            CHECKOUT / package,
            copy / package,
            ignore=shutil.ignore_patterns("__pycache__", "static", "templates"),
        )
    shutil.copy(CHECKOUT / "pyproject.toml", copy)
    for file, line, _, _ in PLANTED:
        path = copy / file
        path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"],
        cwd=copy, env={**os.environ, "PYTHONPATH": str(copy), "COLUMNS": "300"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    _, _, details = done.stdout.partition("Broken contracts")
    # Each broken contract's report stands under its underlined name.
    parts = re.split(r"^(.+)\n-{4,}$", details, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("file", "line", "contract", "named"), PLANTED)
def test_a_planted_violation_is_caught(report, file, line, contract, named):
    sections = [text for name, text in report.items() if name.startswith(contract)]
    assert sections, f"{contract} is not broken by {line!r} in {file}"
    assert named in " ".join(sections[0].split()), sections[0]
