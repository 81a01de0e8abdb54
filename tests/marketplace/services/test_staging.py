"""Rows on their way in: copied, entered once, in the order of the file."""

from decimal import Decimal

import pytest
from django.db import connection, transaction

from core.ids import new_id
from marketplace.models import GoldAnswer, Job, Task
from marketplace.services import staging
from marketplace.services.staging import Rejections, StagedRow
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


def row(number: int, external_id: str | None, *, answer: str | None = None) -> StagedRow:
    return StagedRow(number, external_id, f'{{"n": {number}}}', "{}", Decimal("1.5"), 700, answer)


def enter(job: Job, *rows: StagedRow, role: str = "work", state: str = "parked") -> tuple[int, int]:
    with transaction.atomic():
        staged = staging.stage(rows)
        return staged, staging.enter(job_id=job.pk, role=role, state=state, max_overlap=5)


def test_rows_become_tasks_in_the_order_of_the_file() -> None:
    job = make.draft()
    assert enter(job, row(3, "c"), row(1, "a"), row(2, None)) == (3, 3)
    found = Task.objects.filter(job=job).order_by("pos")
    assert [one.data["n"] for one in found] == [1, 2, 3]
    first = found[0]
    assert (first.external_id, first.units, first.slot_reserve_micros) == ("a", Decimal("1.5"), 700)
    assert (first.state, first.wanted, first.remaining, first.is_open) == ("parked", 0, 0, False)
    assert first.max_overlap == 5
    assert first.created_at is not None


def test_the_same_external_id_is_entered_once() -> None:
    job, other = make.draft(), make.draft()
    assert enter(job, row(1, "a"), row(2, "a"), row(3, None), row(4, None)) == (4, 3)
    assert enter(job, row(1, "a"), row(2, "b")) == (2, 1)
    assert enter(other, row(1, "a")) == (1, 1)
    assert Task.objects.get(job=job, external_id="a").data == {"n": 1}


def test_known_answers_go_with_their_tasks_only() -> None:
    job = make.draft()
    enter(job, row(1, "a", answer='{"choice": "yes"}'), role="gold", state="open")
    # The second upload's answer to a task that is there already is left out with its row.
    enter(job, row(1, "a", answer='{"choice": "no"}'), role="gold", state="open")
    assert [one.answer for one in GoldAnswer.objects.filter(task__job=job)] == [{"choice": "yes"}]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_chunks_of_any_number_come_through(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "CHUNK", 2)
    job = make.draft()
    assert enter(job, *(row(n, None) for n in range(count))) == (count, count)


def test_rows_are_taken_as_they_come_and_nothing_is_left_behind() -> None:
    job = make.draft()
    with transaction.atomic():
        staging.stage(row(n, None) for n in range(3))
        # A second stage of the same transaction begins empty.
        assert staging.stage(row(n, None) for n in range(2)) == 2
        assert staging.enter(job_id=job.pk, role="work", state="parked", max_overlap=5) == 2


def test_ids_rise_so_that_pages_follow_the_import() -> None:
    job = make.draft()
    before = new_id()
    enter(job, *(row(n, None) for n in range(20)))
    ids = list(Task.objects.filter(job=job).order_by("pos").values_list("pk", flat=True))
    assert ids == sorted(ids)
    assert ids[0] > before


def test_text_that_copy_would_misread_is_data() -> None:
    job = make.draft()
    tricky = 'tab\t back\\slash \\. \\N quote" comma, é 😀'
    one = StagedRow(
        1, tricky.replace("\t", " "), staging.as_json({"t": tricky}), "{}", Decimal(1), 0
    )
    enter(job, one)
    found = Task.objects.get(job=job)
    assert (found.data, found.external_id) == ({"t": tricky}, tricky.replace("\t", " "))


def test_numbers_out_of_range_are_no_json_of_ours() -> None:
    assert staging.as_json({"n": 2**63}) == '{"n":9223372036854775808}'
    for value in (10**30, {1, 2}):
        with pytest.raises(ValueError, match="out of range"):
            staging.as_json({"n": value})


def test_rejections_are_listed_to_a_limit_and_counted_to_the_end() -> None:
    found = Rejections()
    for number in range(staging.REJECTED_CAP + 5):
        found.add(number, {"row": ["bad"]})
    assert (len(found.rows), found.total) == (staging.REJECTED_CAP, staging.REJECTED_CAP + 5)
    assert found.rows[0] == {"row": 0, "errors": {"row": ["bad"]}}
    assert [one["row"] for one in found.rows] == list(range(staging.REJECTED_CAP))
    assert found.is_fatal is False
    found.add(0, {}, fatal=True)
    assert found.is_fatal is True


def test_the_import_has_more_time_than_other_statements() -> None:
    with transaction.atomic():
        staging.stage([])
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone()[0] == staging.TIMEOUT
