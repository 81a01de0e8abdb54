"""Imports: all or nothing, or the good rows; the same upload again changes nothing."""

import io
from collections.abc import Iterator

import pytest

from core import errors
from marketplace.imports import rows
from marketplace.imports.rows import ParsedRow
from marketplace.models import Job, Task
from marketplace.services import jobs, stats, tasks
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


def import_(job: Job, *given: ParsedRow, on_error: str = "abort") -> tasks.ImportResult:
    return tasks.import_rows(job=job, rows=given, on_error=on_error, by=job.created_by_id)


def upload(
    job: Job, body: str, content_type: str = rows.NDJSON, on_error: str = "abort"
) -> tasks.ImportResult:
    return tasks.import_rows(
        job=job,
        rows=rows.parse(io.BytesIO(body.encode()), content_type),
        on_error=on_error,
        by=job.created_by_id,
    )


BAD = ParsedRow(2, error={"data": ["An object is required."]})


def test_rows_become_parked_tasks_priced_by_the_job() -> None:
    job = make.draft()
    found = import_(job, ParsedRow(1, "a", {"text": "x"}), ParsedRow(2, None, {}))
    assert (found.created, found.duplicates, found.rejected, found.rejected_total) == (2, 0, [], 0)
    first, second = make.work(job)
    assert (first.external_id, first.data, first.state) == ("a", {"text": "x"}, "parked")
    assert (second.external_id, second.data) == (None, {})
    assert first.slot_reserve_micros == second.slot_reserve_micros > 0
    assert first.max_overlap == job.max_overlap
    assert stats.progress(job.stats.__class__.objects.get(pk=job.pk)).parked == 2


def test_both_formats_import_the_same() -> None:
    one, other = make.draft(), make.draft()
    upload(one, '{"external_id":"a","data":{"text":"x"}}\n{"external_id":"b","data":{"text":"=y"}}')
    upload(other, "external_id,text\na,x\nb,'=y\n", rows.CSV)
    assert [(t.external_id, t.data) for t in make.work(one)] == [
        (t.external_id, t.data) for t in make.work(other)
    ]


def test_the_same_upload_again_changes_nothing() -> None:
    job = make.draft()
    assert import_(job, *make.rows(3)).created == 3
    before = make.work(job)
    again = import_(job, *make.rows(4))
    assert (again.created, again.duplicates) == (1, 3)
    assert make.work(job)[:3] == before
    assert stats.progress(type(job.stats).objects.get(pk=job.pk)).total == 4


def test_an_external_id_twice_in_a_file_is_one_task() -> None:
    job = make.draft()
    found = import_(job, ParsedRow(1, "a", {"n": 1}), ParsedRow(2, "a", {"n": 2}))
    assert (found.created, found.duplicates) == (1, 1)
    assert [task.data for task in make.work(job)] == [{"n": 1}]


def test_one_bad_row_is_enough_and_nothing_is_imported() -> None:
    job = make.draft()
    with pytest.raises(tasks.RowsRejected) as caught:
        import_(job, ParsedRow(1, "a", {}), BAD, ParsedRow(3, "c", {}))
    assert caught.value.extra["rejected"] == [{"row": 2, "errors": BAD.error}]
    assert caught.value.extra["rejected_total"] == 1
    assert not make.work(job)


def test_after_the_first_bad_row_the_rest_is_looked_through_for_more() -> None:
    job = make.draft()
    bad_media = ParsedRow(4, "d", {}, {"audio": 5})
    with pytest.raises(tasks.RowsRejected) as caught:
        import_(job, BAD, ParsedRow(3, "c", {}), bad_media)
    assert [one["row"] for one in caught.value.extra["rejected"]] == [2, 4]


def test_good_rows_are_taken_when_asked_to_skip() -> None:
    job = make.draft()
    found = import_(job, ParsedRow(1, "a", {}), BAD, ParsedRow(3, "c", {}), on_error="skip")
    assert (found.created, found.rejected_total) == (2, 1)
    assert found.rejected == [{"row": 2, "errors": BAD.error}]


@pytest.mark.parametrize("on_error", ["abort", "skip"])
def test_a_file_that_cannot_be_read_to_its_end_is_refused_as_a_whole(on_error: str) -> None:
    job = make.draft()
    body = 'external_id,text\na,x\nb,"never closed\n'
    with pytest.raises(tasks.RowsRejected):
        upload(job, body, rows.CSV, on_error)
    assert not make.work(job)


def test_numbers_that_json_of_ours_cannot_hold_are_a_row_s_error() -> None:
    job = make.draft()
    found = import_(job, ParsedRow(1, "a", {"n": 10**30}), on_error="skip")
    assert found.rejected == [{"row": 1, "errors": {"data": ["Holds a number out of range."]}}]


def test_rows_are_read_while_they_are_copied_not_before() -> None:
    """An upload of any size: the importer never holds more than a chunk of it."""
    job = make.draft()
    highest = 0

    def endless() -> Iterator[ParsedRow]:
        nonlocal highest
        for number in range(1, 2001):
            highest = number
            yield ParsedRow(number, f"x{number}", {})

    assert tasks.import_rows(job=job, rows=endless(), by=job.created_by_id).created == 2000
    assert highest == 2000


@pytest.mark.parametrize("state", ["live", "paused"])
def test_a_running_job_takes_more_tasks(state: str) -> None:
    job = make.live(1)
    if state == "paused":
        job = jobs.pause(job=job, by=job.created_by_id)
    assert import_(job, *make.rows(2, start=5)).created == 2


def test_a_job_that_is_over_suspended_or_an_exam_takes_none() -> None:
    cancelled = jobs.cancel(job=make.draft(), by=make.requester(credit_micros=0).user_id)
    suspended = make.live(1)
    suspended = jobs.suspend(
        job=suspended, reason="Looks like phishing.", by=suspended.created_by_id
    )
    closing = jobs.cancel(job=make.live(1), by=cancelled.created_by_id)
    for job in (cancelled, suspended, closing, make.exam()):
        with pytest.raises(tasks.TakesNoTasks):
            import_(job, *make.rows(1))


def test_a_job_changed_during_the_import_refuses_its_rows() -> None:
    """The rows were priced by what the job was when the import began."""
    job = make.draft()

    def rows_while_the_price_changes() -> Iterator[ParsedRow]:
        yield from make.rows(1)
        jobs.update_draft(job=job, fields={"base_rate_micros": 99_000}, by=job.created_by_id)

    with pytest.raises(tasks.TakesNoTasks):
        tasks.import_rows(job=job, rows=rows_while_the_price_changes(), by=job.created_by_id)
    assert not make.work(job)


def test_an_answer_is_brought_into_the_form_of_its_kind() -> None:
    job = make.draft()
    spec = job.interface.spec
    assert tasks.valid_answer("choices", spec, make.YES) == make.YES
    with pytest.raises(errors.Invalid) as caught:
        tasks.valid_answer("choices", spec, {"choice": "maybe"}, field="value")
    assert list(caught.value.errors or {}) == ["value.choice"]


def test_a_task_s_row_is_never_of_another_role() -> None:
    job = make.draft()
    import_(job, *make.rows(1))
    assert set(Task.objects.filter(job=job).values_list("role", "wanted")) == {("work", 0)}
