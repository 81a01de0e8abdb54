"""Bodies as a real server hands them over: announced, in chunks, too large, broken off."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[3]
JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def port():
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "--workers",
         "1", "--blocking-threads", "2", "--log-level", "warning",
         "tests.core.http.served:application"],
        cwd=CHECKOUT, start_new_session=True,
        env={**os.environ, "PIECEWORK_PROCESS": "web", "PYTHONPATH": str(CHECKOUT),
             "DJANGO_SETTINGS_MODULE": "config.settings.test"},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if post(port, "/upload", b"a\n", CSV)[0] == 200:
                    break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def post(port, path, body, headers, *, chunked=False):
    """A client that reads the answer only when it has sent everything."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {**headers, "Transfer-Encoding": "chunked"} if chunked else headers
        connection.request("POST", f"/api/v1{path}", body, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def memory(port):
    """The largest resident size that a process of the server ever had, in MiB."""
    found = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if f"--port\0{port}\0" in (status.parent / "cmdline").read_text():
                (line,) = [x for x in status.read_text().splitlines() if x.startswith("VmHWM")]
                found = max(found, int(line.split()[1]) // 1024)
        except (OSError, ValueError):
            continue
    return found


def lines(count, width=500):
    return (b"x" * width + b"\n" for _ in range(count))


def test_a_body_of_100_000_rows_stays_on_disk(port):
    assert post(port, "/upload", b"".join(lines(100_000)), CSV)[0] == 200
    status, body = post(port, "/upload", lines(100_000), CSV, chunked=True)
    assert status == 200
    assert b'"lines":100000' in body
    if Path("/proc/self/status").exists():
        assert 10 < memory(port) < 300


@pytest.mark.parametrize(
    ("path", "headers", "size", "status"),
    [
        ("/things", JSON, 10_000_000, 401),
        ("/upload", JSON, 10_000_000, 415),
        ("/upload", {**CSV, "Content-Encoding": "gzip"}, 10_000_000, 415),
        ("/nowhere", JSON, 10_000, 404),
        ("/empty", JSON, 10_000_000, 405),
    ],
)
def test_who_is_refused_while_sending_reads_the_answer(port, path, headers, size, status):
    assert post(port, path, b"x" * size, headers)[0] == status
    if status != 404:
        assert post(port, path, lines(size // 500), headers, chunked=True)[0] == status


def test_a_body_beyond_the_cap_is_refused(port):
    # Or the connection is closed: it is more than is read on.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        assert post(port, "/upload", lines(200_000), CSV, chunked=True)[0] == 413


def test_a_client_that_goes_away_harms_nobody(port):
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as away:
            away.sendall(
                b"POST /api/v1/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/csv\r\n"
                b"Content-Length: 1000\r\n\r\nabc"
            )
    assert post(port, "/upload", b"a\n", CSV)[0] == 200


@pytest.mark.parametrize("length", [b"-1", b"abc", b"1, 2", b"99999999999999999999"])
def test_a_length_that_is_none_is_refused(port, length):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as lying:
        lying.sendall(
            b"POST /api/v1/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/csv\r\n"
            b"Content-Length: " + length + b"\r\n\r\nabc"
        )
        lying.shutdown(socket.SHUT_WR)
        status = lying.recv(100).split(b" ")[1:2]
    assert status in ([b"400"], [b"413"], [])
    assert post(port, "/upload", b"a\n", CSV)[0] == 200
