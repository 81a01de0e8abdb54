"""The measurements at a small size: what they guard holds on any machine."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.management import CommandError, call_command

from config.bench import (
    blocks,
    claims,
    counting,
    expiry,
    ground,
    offers,
    pgbench,
    settlement,
)
from workers.services import judging

pytestmark = pytest.mark.slow


@pytest.fixture
def house(transactional_db, monkeypatch):
    monkeypatch.setattr(ground, "start_afresh", lambda: None)
    return ground.requester()


def test_a_pair_is_four_statements_and_a_fused_one_three(house):
    found = counting.statements_per_pair(house)
    assert found["http"] <= 4
    assert found["http_fused"] <= 3


def test_blocks_do_not_grow_with_the_job_nor_with_what_is_done(house):
    found = blocks.growth(house, (500, 20_000))
    assert 0 < found["open_20000"] <= 1.5 * found["open_500"]
    found = blocks.diligence(house, 2_000)
    assert 0 < found["done_99"] <= 2 * found["done_0"]
    assert found["done_all"] <= found["done_0"]
    assert 0 < found["lap"] <= 8 * found["done_0"]  # twenty done ones walked over


def test_the_yardstick_runs_the_products_own_statements(house):
    job = ground.job(house, tasks=2_000)
    people = ground.hands(2)
    ground.seat(job, people)
    rate = pgbench.run(job=job.pk, interface=job.interface_id, people=people, seconds=1)
    assert rate.program == "pgbench"
    assert rate.pairs > 20
    faults = claims.faults_of(job)
    assert (faults["over_overlap"], faults["repeated"]) == (0, 0)
    # What it submitted is judged like anything else.
    assert judging.judge_batch(limit=10) == 10


def test_without_pgbench_loops_take_its_place_and_say_so(house, monkeypatch):
    monkeypatch.setattr(pgbench, "program", lambda: None)
    job = ground.job(house, tasks=500)
    people = ground.hands(2)
    ground.seat(job, people)
    rate = pgbench.run(job=job.pk, interface=job.interface_id, people=people, seconds=1)
    assert "psycopg" in rate.program
    assert rate.pairs > 5


def test_overdue_claims_give_every_slot_back(house):
    found = expiry.measure(claims=150)
    assert found["expired"] == 150
    assert (found["left"], found["audit_broken"]) == (0, [])
    assert "150 overdue claims" in expiry.lines(found)[0]


def test_a_hot_job_is_judged_and_paid_to_the_last_answer(house):
    found = settlement.measure(answers=300, workers=7)
    assert found["judged"] == found["settled"] == 300
    assert (found["left"], found["audit_broken"]) == (0, [])


@pytest.mark.parametrize("address", ["postgresql://elsewhere/db", ""])
def test_a_database_in_use_is_not_measured_in(transactional_db, monkeypatch, address):
    """Neither one of somebody else's nor, called in another way, the site's own."""
    monkeypatch.setenv("DATABASE_URL", address)
    ground.hands(1)
    with pytest.raises(CommandError, match="in use"):
        ground.start_afresh()


def test_an_unknown_measurement_is_refused():
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("bench", "everything")


def test_offers_that_overlap_on_one_slot_are_found():
    def row(state, task, offered, ended):
        return (state, task, offered, ended)

    assert offers._over_offered([row("lapsed", 1, 0, 5), row("accepted", 1, 5, 6)]) == 0
    assert offers._over_offered([row("lapsed", 1, 0, 5), row("accepted", 1, 4, 6)]) == 1
    assert offers._over_offered([row("accepted", 1, 0, 2), row("declined", 1, 3, 6)]) == 1
    assert offers._over_offered([row("accepted", 1, 0, 2), row("declined", 2, 1, 6)]) == 0


class _Product(BaseHTTPRequestHandler):
    """Gives each of three workers two tasks, the first claim only on the second asking."""

    protocol_version = "HTTP/1.1"
    lock = threading.Lock()
    left: dict[str, int] = {}
    asked: set[str] = set()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        worker = self.headers["Authorization"]
        with self.lock:
            if self.path.endswith("/claim"):
                if worker not in self.asked:
                    self.asked.add(worker)
                    return self.say(204, b"", {"Retry-After": "1", "X-Remaining": "some"})
                if self.left.setdefault(worker, 2) == 0:
                    return self.say(204, b"", {"X-Remaining": "none"})
                claim = f"00000000-0000-7000-8000-00000000000{self.left[worker]}"
                return self.say(201, b'{"id":"%b","task":{}}' % claim.encode(), {})
            self.left[worker] -= 1
            return self.say(200, b'{"state":"submitted"}', {})

    def say(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_the_driver_drains_what_there_is():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Product) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        order = {
            "port": server.server_address[1], "job": "j", "tokens": ["a", "b", "c"],
            "mode": "drain", "seconds": 20, "answer": {"choice": "yes"},
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "config.bench.drive"],
            input=json.dumps(order), capture_output=True, text=True, check=True,
        )  # fmt: skip
        server.shutdown()
    told = json.loads(done.stdout)
    assert (told["pairs"], told["done"], told["refused"]) == (6, 3, {})
    assert len(told["claim_ms"]) == len(told["submit_ms"]) == 6
    assert told["seconds"] < 10
