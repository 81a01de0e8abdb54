"""What models say, kept beside what people say."""

import io
from typing import Any
from uuid import uuid4

import pytest

from marketplace.imports import extended
from marketplace.imports.lines import Record
from marketplace.models import Job, Prediction
from marketplace.services import predictions, tasks
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


def add(job: Job, *values: dict[str, Any], on_error: str = "abort") -> predictions.PredictionResult:
    records = [Record(n, value) for n, value in enumerate(values, start=1)]
    return predictions.add(job=job, records=records, on_error=on_error, by=job.created_by_id)


def row(external_id: str | None = "t0", **fields: Any) -> dict[str, Any]:
    return {"external_id": external_id, "value": make.YES, "model_version": "v1", **fields}


def job_of(count: int = 2) -> Job:
    job = make.draft()
    make.add_tasks(job, count)
    return job


def test_a_prediction_is_kept_with_its_version_and_score() -> None:
    job = job_of()
    found = add(job, row(score=0.75), row("t1"))
    assert (found.created, found.replaced, found.rejected_total) == (2, 0, 0)
    one = Prediction.objects.get(task__external_id="t0")
    assert (one.value, one.model_version, one.score) == (make.YES, "v1", 0.75)
    assert one.interface_id == job.interface_id


def test_a_task_is_named_by_either_id() -> None:
    job = job_of(1)
    (task,) = make.work(job)
    assert add(job, {"task": str(task.pk), "value": make.NO, "model_version": "v1"}).created == 1
    assert Prediction.objects.get().task_id == task.pk


def test_a_version_s_prediction_is_replaced_another_version_s_stays() -> None:
    job = job_of(1)
    add(job, row(score=0.1))
    found = add(job, row(value=make.NO), row(model_version="v2"))
    assert (found.created, found.replaced) == (1, 1)
    assert set(Prediction.objects.values_list("model_version", "value__choice", "score")) == {
        ("v1", "no", None),
        ("v2", "yes", None),
    }


def test_of_two_rows_of_one_file_the_later_is_kept() -> None:
    job = job_of(1)
    found = add(job, row(), row(value=make.NO))
    assert (found.created, found.replaced) == (1, 0)
    assert Prediction.objects.get().value == make.NO


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"external_id": "absent"}, "external_id"),
        ({"external_id": 5}, "external_id"),
        ({"external_id": None}, "external_id"),
        ({"task": str(uuid4())}, "external_id"),
        ({"external_id": None, "task": "x"}, "task"),
        ({"external_id": None, "task": 5}, "task"),
        ({"external_id": None, "task": str(uuid4())}, "external_id"),
        ({"value": {"choice": "maybe"}}, "value.choice"),
        ({"value": None}, "value"),
        ({"model_version": ""}, "model_version"),
        ({"model_version": "x" * 201}, "model_version"),
        ({"model_version": None}, "model_version"),
        ({"score": 1.01}, "score"),
        ({"score": -0.1}, "score"),
        ({"score": "1"}, "score"),
        ({"score": True}, "score"),
        ({"score": float("nan")}, "score"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_row_names_its_field_and_nothing_is_kept(fields: dict[str, Any], named: str) -> None:
    job = job_of()
    with pytest.raises(tasks.RowsRejected) as caught:
        add(job, row("t1"), row(**fields))
    (rejected,) = caught.value.extra["rejected"]
    assert rejected["row"] == 2
    assert named in rejected["errors"]
    assert not Prediction.objects.exists()
    assert add(job, row("t1"), row(**fields), on_error="skip").created == 1


def test_tasks_of_other_jobs_are_as_if_absent() -> None:
    job, other = job_of(1), job_of(1)
    (theirs,) = make.work(other)
    found = add(
        job, {"task": str(theirs.pk), "value": make.YES, "model_version": "v"}, on_error="skip"
    )
    assert (found.created, found.rejected_total) == (0, 1)


def test_a_csv_file_says_the_same() -> None:
    job = job_of()
    body = b"external_id,model_version,value.choice,score\nt0,v1,yes,0.5\nt1,v1,no,\nt2,v1,no,x\n"
    found = predictions.add(
        job=job,
        records=extended.predictions(io.BytesIO(body), "text/csv"),
        on_error="skip",
        by=job.created_by_id,
    )
    assert (found.created, [one["row"] for one in found.rejected]) == (2, [4])
    assert set(Prediction.objects.values_list("value__choice", "score")) == {
        ("yes", 0.5),
        ("no", None),
    }


def test_many_rows_take_statements_by_the_thousand(
    django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(20)
    monkeypatch.setattr(predictions, "CHUNK", 10)
    # Two chunks of three statements (the clock, the look-up, the insert), a savepoint around.
    with django_assert_num_queries(8):
        assert add(job, *(row(f"t{n}") for n in range(20))).created == 20
