import json
import subprocess
import sys
from pathlib import Path

import pytest

from config import logs

CHECKOUT = Path(__file__).resolve().parents[2]
BLANK = "[redacted]"


def redacted(**event):
    return logs.redact(None, "info", event)


@pytest.mark.parametrize("name", [*sorted(logs.REDACTED), "Password", "AUTHORIZATION"])
def test_a_field_with_a_secrets_name_is_blank(name):
    assert redacted(**{name: "x", "user": "ada"}) == {name: BLANK, "user": "ada"}
    assert redacted(headers={name: ["x"]}) == {"headers": {name: BLANK}}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("token pw_AbC-dEf_123456 is old", f"token {BLANK} is old"),
        ("Authorization: bearer eyJhbGciOi.x", f"Authorization: {BLANK}"),
        ("key sk_" + "live_abcdefgh failed", f"key {BLANK} failed"),
        ("rk_test_abcdefgh", BLANK),
        ("whsec_abcdefgh+/ijk=", BLANK),
        ("redis://:hush@redis:6379/0", f"redis://{BLANK}@redis:6379/0"),
        ("postgresql://u:hush@db/x", f"postgresql://{BLANK}@db/x"),
        ("https://pay.example.org:8000/a@b", "https://pay.example.org:8000/a@b"),
        ("a task_pw of ada@example.org", "a task_pw of ada@example.org"),
    ],
)
def test_what_is_shaped_like_a_credential_is_blank_wherever_it_stands(said, kept):
    assert redacted(event=said, deep=[{"in": said}]) == {"event": kept, "deep": [{"in": kept}]}


def test_other_values_stay_what_they_are():
    event = {"status": 200, "seconds": 0.5, "none": None, "ids": [1, 2], "deep": {"a": True}}
    assert redacted(**event) == event


SCRIPT = """
import logging
import structlog
from config import logs

logs.configure({"level": "INFO", "pretty": False})
structlog.contextvars.bind_contextvars(request_id="r-1")
structlog.get_logger("piecework.x").info("paid", micros=5, token="pw_AbCdEfGh12")
structlog.get_logger("piecework.x").debug("not shown")
logging.getLogger("plain").warning("said %s", "Bearer abc.def")
try:
    raise ValueError("pw_AbCdEfGh12")
except ValueError:
    logging.getLogger("plain").exception("failed\\nin two lines")
"""


def test_logs_are_one_json_object_a_line_without_secrets():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    paid, said, failed = (json.loads(line) for line in done.stderr.splitlines())
    assert {**paid, "timestamp": "t"} == {
        "event": "paid", "micros": 5, "token": BLANK, "request_id": "r-1", "level": "info",
        "logger": "piecework.x", "timestamp": "t",
    }  # fmt: skip
    assert paid["timestamp"].endswith("Z")
    assert (said["event"], said["level"], said["request_id"]) == (f"said {BLANK}", "warning", "r-1")
    assert (failed["event"], failed["level"]) == ("failed\nin two lines", "error")
    assert f"ValueError: {BLANK}" in failed["exception"]
    assert "AbCdEfGh12" not in done.stderr
