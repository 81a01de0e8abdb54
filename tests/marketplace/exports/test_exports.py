"""Exports in the background: part by part, once each, and the file that comes of it."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from core import clock
from core.errors import Invalid, NotFound
from core.ids import new_id
from marketplace.exports import results, rows
from marketplace.models import Annotation, Export, Job, Resolution, Task, WebhookDelivery
from marketplace.services import exports
from tests.factories import delivery as make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def storage(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PART_ROWS", 3)
    monkeypatch.setattr(results, "PAGE", 2)


def ask(job: Job, name: str = "jsonl", **options: bool) -> Export:
    return exports.create(job=job, format_name=name, options=options, by=job.created_by_id)


def finish() -> Export:
    while exports.sweep():
        pass
    return Export.objects.latest("id")


def body(export: Export) -> bytes:
    return b"".join(exports.read(export))


def test_a_row_says_what_was_concluded_and_from_what() -> None:
    job = make.job()
    (resolution,) = make.results(job, 1)
    (row,) = results.page(job)
    votes = row.pop("votes")
    assert row == {
        "task": str(resolution.task_id),
        "external_id": resolution.task.external_id,
        "data": {"text": "number 0"},
        "value": {"choice": "a"},
        "confidence": 0.97,
        "rule": "consensus",
        "escalated": False,
        "state": "resolved",
        "round": 1,
        "interface": {"id": str(job.interface_id), "version": 1, "kind": "choices"},
        "resolved_at": rows.utc(resolution.created_at),
        "cost": None,
    }
    assert [(vote["answer"], vote["weight"]) for vote in votes] == [({"choice": "a"}, 1.5)] * 2
    assert len({vote["worker"] for vote in votes}) == 2


def test_a_worker_has_one_name_in_a_job_and_another_in_the_next() -> None:
    worker, job, other = new_id(), new_id(), new_id()
    name = rows.pseudonym(job_id=job, worker_id=worker)
    assert name == rows.pseudonym(job_id=job, worker_id=worker)
    assert name != rows.pseudonym(job_id=other, worker_id=worker)
    assert name != rows.pseudonym(job_id=job, worker_id=new_id())
    assert worker.hex not in name


def test_no_id_of_a_worker_is_in_a_result() -> None:
    job = make.job()
    make.results(job, 3)
    shown = b"".join(results.stream(job)).decode()
    for author in Annotation.objects.values_list("author_ref", flat=True):
        assert str(author) not in shown
        assert author.hex not in shown


def test_pages_follow_one_another_and_take_two_statements_each(
    django_assert_num_queries: Any,
) -> None:
    job = make.job()
    make.results(job, 5)
    make.results(make.job(), 2)
    with django_assert_num_queries(2):
        first = results.page(job, limit=3)
    rest = results.page(job, after=first[-1]["task"], limit=3)
    ids = [row["task"] for row in first + rest]
    assert (len(first), len(rest)) == (3, 2)
    assert ids == sorted(ids)


@pytest.mark.usefixtures("short_parts")
def test_the_stream_is_all_rows_as_lines() -> None:
    job = make.job()
    make.results(job, 5)
    lines = b"".join(results.stream(job)).splitlines()
    assert [json.loads(line) for line in lines] == results.page(job, limit=10)
    assert b"".join(results.stream(make.job())) == b""


@pytest.mark.usefixtures("short_parts")
@pytest.mark.parametrize("count", [0, 1, 3, 7, 9])
def test_a_jsonl_file_is_the_stream(count: int) -> None:
    job = make.job()
    make.results(job, count)
    export = ask(job)
    assert (export.state, export.rows_done) == ("queued", 0)
    export = finish()
    assert (export.state, export.rows_done, export.rows_total) == ("done", count, count)
    assert body(export) == b"".join(results.stream(job))
    assert exports.size(export) == len(body(export))
    assert exports.sweep() == 0


@pytest.mark.usefixtures("short_parts")
def test_a_csv_file_has_one_header_and_safe_cells() -> None:
    job = make.job()
    make.results(job, 4, data={"text": "=1+1", "n": -1})
    ask(job, "csv")
    table = list(csv.DictReader(io.StringIO(body(finish()).decode(), newline="")))
    assert len(table) == 4
    assert {(row["data.text"], row["data.n"], row["value.choice"]) for row in table} == {
        ("'=1+1", "-1", "a")
    }
    ask(job, "csv", raw=True)
    assert b",=1+1," in body(finish())


def test_an_empty_csv_has_its_header() -> None:
    ask(make.job(), "csv")
    assert body(finish()).startswith(b"task,external_id,confidence")


@pytest.mark.usefixtures("short_parts")
def test_progress_shows_and_each_sweep_makes_one_part() -> None:
    job = make.job()
    make.results(job, 7)
    ask(job)
    seen = []
    while exports.sweep():
        export = Export.objects.get()
        seen.append((export.state, export.rows_done, export.rows_total, len(export.parts)))
    assert seen == [("running", 3, 7, 1), ("running", 6, 7, 2), ("done", 7, 7, 3)]


@pytest.mark.usefixtures("short_parts")
def test_who_dies_in_a_part_is_followed_by_another_that_goes_on(
    monkeypatch: pytest.MonkeyPatch, storage: Path
) -> None:
    job = make.job()
    make.results(job, 7)
    ask(job)
    exports.sweep()

    class Killed(BaseException):
        pass

    def die(*_args: Any, **_kwargs: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(exports, "_enter", die)
        with pytest.raises(Killed):
            exports.sweep()
    assert exports.sweep() == 0, "the lease still runs"
    Export.objects.update(next_attempt_at=clock.now())
    export = finish()
    assert (export.state, len(export.parts)) == ("done", 3)
    assert body(export) == b"".join(results.stream(job))


@pytest.mark.usefixtures("short_parts")
def test_a_part_that_comes_after_the_lease_is_thrown_away(storage: Path) -> None:
    job = make.job()
    make.results(job, 2)
    ask(job)
    slow = exports._take()
    assert slow is not None
    Export.objects.update(next_attempt_at=clock.now())
    export = finish()
    exports._make_part(slow)
    export.refresh_from_db()
    assert (export.rows_done, len(export.parts)) == (2, 1)
    assert len([path for path in storage.rglob("*") if path.is_file()]) == 1


def test_a_failing_storage_is_tried_again_and_then_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = make.job()
    make.results(job, 1)
    ask(job)

    def full(*_args: Any, **_kwargs: Any) -> None:
        raise OSError("/secret/place is full")

    monkeypatch.setattr(default_storage, "save", full)
    for attempt in range(1, exports.ATTEMPTS + 1):
        assert exports.sweep() == 1
        export = Export.objects.get()
        assert export.attempts == attempt
        assert exports.sweep() == 0, "it waits"
        Export.objects.update(next_attempt_at=clock.now())
    assert (export.state, export.error) == ("failed", "OSError")
    assert export.finished_at is not None


def test_one_that_kills_everybody_is_given_up() -> None:
    ask(make.job())
    for _ in range(exports.ATTEMPTS):
        assert exports._take() is not None
        Export.objects.update(next_attempt_at=clock.now())
    assert exports.sweep() == 0
    export = Export.objects.get()
    assert (export.state, export.error) == ("failed", "interrupted")


@pytest.mark.usefixtures("short_parts")
def test_fields_that_come_up_later_start_the_table_over() -> None:
    job = make.job()
    make.results(job, 4, data={"a": "1"})
    ask(job, "csv")
    exports.sweep()
    make.results(job, 1, data={"b": "2"})
    export = finish()
    table = list(csv.DictReader(io.StringIO(body(export).decode(), newline="")))
    assert [(row["data.a"], row["data.b"]) for row in table] == [("1", "")] * 4 + [("", "2")]
    assert export.rows_done == 5


def test_more_fields_than_columns_are_one_column() -> None:
    job = make.job()
    make.results(job, 1, data={f"f{n}": n for n in range(results.FIELDS_CAP + 1)})
    assert results.fields(job)["data"] is None
    ask(job, "csv")
    (row,) = csv.DictReader(io.StringIO(body(finish()).decode(), newline=""))
    assert json.loads(row["data"])["f7"] == 7


def test_values_that_are_no_objects_are_one_column() -> None:
    job = make.job()
    (one,) = make.results(job, 1)
    Resolution.objects.filter(id=one.id).update(is_current=False)
    Resolution.objects.create(
        task_id=one.task_id, interface=job.interface, value=["a"], rule="x", created_at=clock.now()
    )
    assert results.fields(job) == {"data": ["text"], "value": None}
    ask(job, "csv")
    (row,) = csv.DictReader(io.StringIO(body(finish()).decode(), newline=""))
    assert (row["value"], row["cost.amount_micros"]) == ('["a"]', "")


def test_only_what_is_current_is_exported() -> None:
    job = make.job()
    one, two = make.results(job, 2)
    Resolution.objects.filter(id=one.id).update(is_current=False)
    assert [row["task"] for row in results.page(job)] == [str(two.task_id)]
    assert results.count(job) == 1
    assert Task.objects.filter(job=job).count() == 2


def test_done_is_told_once() -> None:
    job = make.job()
    make.endpoint(job.organization_id)
    make.results(job, 2)
    export = ask(job)
    finish()
    (row,) = WebhookDelivery.objects.all()
    assert row.event_type == "export.done"
    assert row.payload["data"] == {
        "export": str(export.id),
        "job": str(job.id),
        "format": "jsonl",
        "rows": 2,
    }


@pytest.mark.parametrize(
    ("name", "options"),
    [("xml", {}), ("jsonl", {"raw": True}), ("csv", {"raw": "yes"}), ("csv", {"layout": True})],
)
def test_what_there_is_not_is_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        ask(make.job(), name, **options)
    assert not Export.objects.exists()


def test_unfinished_exports_are_bounded_per_organization() -> None:
    job = make.job()
    for _ in range(exports.OPEN_CAP):
        ask(job)
    with pytest.raises(exports.TooManyExports):
        ask(make.job(job.organization_id))
    ask(make.job())
    finish()
    ask(job)


def test_a_small_export_does_not_wait_for_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PART_ROWS", 2)
    large, small = make.job(), make.job()
    make.results(large, 9)
    make.results(small, 1)
    ask(large)
    exports.sweep()
    wanted = ask(small)
    exports.sweep()
    wanted.refresh_from_db()
    assert wanted.state == "done"


def test_a_link_opens_its_own_file_for_a_while(time_machine: Any) -> None:
    first, second = (ask(make.job()) for _ in range(2))
    with pytest.raises(NotFound):
        exports.opened(export_id=first.id, signature=exports.link_signature(first))
    finish()
    signature = exports.link_signature(first)
    assert exports.opened(export_id=first.id, signature=signature) == first
    for export_id, other in (
        (second.id, signature),
        (new_id(), signature),
        (first.id, ""),
        (first.id, signature[:-1]),
        (first.id, "é:\u0000"),
    ):
        with pytest.raises(NotFound):
            exports.opened(export_id=export_id, signature=other)
    time_machine.move_to(datetime.now(UTC) + timedelta(seconds=601))
    with pytest.raises(NotFound):
        exports.opened(export_id=first.id, signature=signature)


def test_names_of_files_are_made_here(storage: Path) -> None:
    job = make.job(name="../../etc/passwd")
    export = ask(job)
    export = finish()
    (part,) = export.parts
    assert part["name"].startswith(f"exports/{export.id}/00000-")
    assert (storage / part["name"]).is_file()


def test_how_long_the_oldest_part_has_been_due() -> None:
    job = make.job()
    assert exports.oldest_due() is None
    ask(job)
    clock.shift(timedelta(seconds=30))
    age = exports.oldest_due()
    assert age is not None
    assert age >= 30
    finish()
    assert exports.oldest_due() is None
