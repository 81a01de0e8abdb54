"""Known answers: gold among the work, questions of exams."""

import io
from typing import Any

import pytest

from marketplace.imports import extended
from marketplace.imports.lines import Record
from marketplace.models import GoldAnswer, Job, Task
from marketplace.services import gold, jobs, stats, tasks
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


def add(job: Job, *values: dict[str, Any], on_error: str = "abort") -> tasks.ImportResult:
    records = [Record(n, value) for n, value in enumerate(values, start=1)]
    return gold.add(job=job, records=records, on_error=on_error, by=job.created_by_id)


def row(name: str, **fields: Any) -> dict[str, Any]:
    return {"external_id": name, "data": {}, "answer": make.YES, **fields}


def test_gold_is_open_without_slots_and_has_its_answer() -> None:
    job = make.draft()
    found = add(job, row("a", explanation="It is written so."))
    assert (found.created, found.rejected_total) == (1, 0)
    task = Task.objects.get(job=job)
    assert (task.role, task.state, task.wanted, task.is_open) == ("gold", "open", 0, False)
    assert task.slot_reserve_micros > 0
    assert (task.gold_answer.answer, task.gold_answer.explanation) == (
        make.YES,
        "It is written so.",
    )
    assert stats.progress(type(job.stats).objects.get(pk=job.pk)).gold == 1


def test_in_an_exam_they_are_its_questions() -> None:
    job = make.draft(purpose="exam")
    add(job, row("a"))
    assert Task.objects.get(job=job).role == "exam"


def test_an_answer_is_kept_in_its_canonical_form() -> None:
    job = make.draft(interface={"options": ["a", "b", "c"], "multiple": True})
    add(job, row("a", answer={"choices": ["c", "a"]}))
    assert GoldAnswer.objects.get(task__job=job).answer == {"choices": ["a", "c"]}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"answer": None}, "answer"),
        ({"answer": {"choice": "maybe"}}, "answer.choice"),
        ({"answer": "yes"}, "answer"),
        ({"answer": {}}, "answer.choice"),
        ({"explanation": 5}, "explanation"),
        ({"explanation": "x" * 5001}, "explanation"),
        ({"data": []}, "data"),
        ({"media": {"a": 5}}, "media.a"),
        ({"colour": "red"}, "colour"),
        ({"seconds": 5}, "seconds"),
        ({"external_id": ""}, "external_id"),
    ],
)
def test_a_bad_row_names_its_field_and_nothing_is_added(fields: dict[str, Any], named: str) -> None:
    job = make.draft()
    with pytest.raises(tasks.RowsRejected) as caught:
        add(job, row("a"), row("b", **fields))
    assert [one["row"] for one in caught.value.extra["rejected"]] == [2]
    assert named in caught.value.extra["rejected"][0]["errors"]
    assert not Task.objects.filter(job=job).exists()
    assert add(job, row("a"), row("b", **fields), on_error="skip").created == 1


def test_the_same_again_changes_nothing() -> None:
    job = make.draft()
    add(job, row("a"))
    again = add(job, row("a", answer=make.NO), row("b"))
    assert (again.created, again.duplicates) == (1, 1)
    assert GoldAnswer.objects.get(task__external_id="a").answer == make.YES


def test_a_csv_file_says_the_same() -> None:
    job = make.draft()
    body = b"external_id,text,answer.choice,explanation\na,x,yes,because\nb,y,no,\nc,z,,\n"
    found = gold.add(
        job=job,
        records=extended.known_answers(io.BytesIO(body), "text/csv"),
        on_error="skip",
        by=job.created_by_id,
    )
    assert (found.created, found.rejected) == (
        2,
        [{"row": 4, "errors": {"answer": ["This field is required."]}}],
    )
    answers = GoldAnswer.objects.filter(task__job=job).order_by("task__pos")
    assert [(one.task.data, one.answer, one.explanation) for one in answers] == [
        ({"text": "x"}, make.YES, "because"),
        ({"text": "y"}, make.NO, ""),
    ]


def test_an_answer_may_be_a_column_of_json() -> None:
    job = make.draft(interface={"options": ["a", "b"], "multiple": True})
    body = b'external_id,answer\na,"{""choices"": [""b""]}"\nb,{\nc,"[1]"\n'
    found = gold.add(
        job=job,
        records=extended.known_answers(io.BytesIO(body), "text/csv"),
        on_error="skip",
        by=job.created_by_id,
    )
    assert [one["row"] for one in found.rejected] == [3, 4]
    assert GoldAnswer.objects.get(task__job=job).answer == {"choices": ["b"]}


def test_a_live_job_takes_gold_a_cancelled_one_does_not() -> None:
    job = make.live(1)
    assert add(job, row("g")).created == 1
    jobs.cancel(job=job, by=job.created_by_id)
    job.refresh_from_db()
    with pytest.raises(tasks.TakesNoTasks):
        add(job, row("h"))
