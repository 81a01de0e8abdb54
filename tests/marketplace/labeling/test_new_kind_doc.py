"""The documentation shows how a kind is added by a real diff: it applies, and its test passes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]


def diffs():
    text = (PROJECT / "docs" / "new-kind.md").read_text()
    return re.findall(r"^```diff\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def run(*command, cwd, **environment):
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return subprocess.run(
        command,
        cwd=cwd,
        env={**kept, "GIT_CEILING_DIRECTORIES": str(cwd.parent), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_the_diff_adds_a_kind_that_works(tmp_path):
    (diff,) = diffs()
    for part in ("labeling", "quality"):
        shutil.copytree(PROJECT / "marketplace" / part, tmp_path / "marketplace" / part)
    shutil.copy(PROJECT / "marketplace" / "__init__.py", tmp_path / "marketplace")
    general = Path("tests") / "marketplace" / "labeling" / "test_kinds.py"
    (tmp_path / general).parent.mkdir(parents=True)
    shutil.copy(PROJECT / general, tmp_path / general)
    (tmp_path / "new-kind.diff").write_text(diff)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.py")}

    applied = run("git", "apply", "--whitespace=error", "new-kind.diff", cwd=tmp_path)
    assert applied.returncode == 0, applied.stderr
    added = set(tmp_path.rglob("*.py")) - set(before)
    assert {str(path.relative_to(tmp_path)) for path in added} == {
        "marketplace/labeling/rating.py",
        "tests/marketplace/labeling/test_rating.py",
    }, "a kind is one file and one test"
    changed = [path for path, content in before.items() if path.read_bytes() != content]
    assert changed == [tmp_path / general], "and an entry among the kinds that are tried"

    found = run(
        sys.executable,
        "-c",
        "from marketplace.labeling import registry; print(*registry.KINDS)",
        cwd=tmp_path,
        PYTHONPATH=str(tmp_path),
    )
    assert "rating" in found.stdout.split(), found.stderr
    tried = run(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:django"),
        *("--rootdir", str(tmp_path), "-c", os.devnull, "--import-mode=importlib", "tests"),
        *("-k", "rating"),  # its own test, and its part of the general ones
        cwd=tmp_path,
        PYTHONPATH=str(tmp_path),
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr
    own = len(re.findall(r"^\+def test_", diff, flags=re.MULTILINE))
    (passed,) = re.findall(r"\b(\d+) passed", tried.stdout)
    assert int(passed) > own, "the general tests tried the kind too"
