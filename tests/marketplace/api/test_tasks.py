"""Tasks over HTTP: uploaded as a stream, listed, decided by hand, asked again."""

import json
from typing import Any
from uuid import uuid4

import pytest

from marketplace.models import Task
from marketplace.services import jobs
from tests.factories import callers
from tests.factories import marketplace as make
from tests.factories.callers import CSV, NDJSON, Caller
from tests.factories.marketplace import Requester

pytestmark = pytest.mark.django_db


@pytest.fixture
def whose() -> Requester:
    return make.requester()


@pytest.fixture
def owner(whose: Requester) -> Caller:
    return callers.of(whose.user_id, whose.organization_id)


@pytest.fixture
def job(whose: Requester) -> str:
    return str(make.draft(whose).pk)


def rows(count: int) -> list[dict[str, Any]]:
    return [{"external_id": f"x{n}", "data": {"text": f"number {n}"}} for n in range(count)]


# --- uploads ---------------------------------------------------------------------------------


def test_ndjson_and_csv_say_the_same(owner: Caller, job: str) -> None:
    answer = owner.upload(f"/jobs/{job}/tasks", rows(2), expect=200)
    assert answer.json() == {"created": 2, "duplicates": 0, "rejected": [], "rejected_total": 0}
    table = b"external_id,text\r\nx1,number 1\r\nx2,number 2\r\n"
    answer = owner.send("POST", f"/jobs/{job}/tasks", table, CSV, expect=200)
    assert (answer.json()["created"], answer.json()["duplicates"]) == (1, 1)
    listed = owner.get(f"/jobs/{job}/tasks").json()["data"]
    assert [(one["external_id"], one["data"]) for one in listed] == [
        (f"x{n}", {"text": f"number {n}"}) for n in range(3)
    ]


def test_the_same_upload_again_changes_nothing(owner: Caller, job: str) -> None:
    for expected in ((3, 0), (0, 3), (0, 3)):
        found = owner.upload(f"/jobs/{job}/tasks", rows(3), key="same", expect=200).json()
        assert (found["created"], found["duplicates"]) == expected
    assert Task.objects.count() == 3


def test_bad_rows_are_named_by_their_line(owner: Caller, job: str) -> None:
    given = [*rows(2), {"data": 5}, {"data": {}, "colour": "red"}]
    answer = owner.upload(f"/jobs/{job}/tasks", given, expect=400).json()
    assert answer["code"] == "rows_rejected"
    assert answer["rejected"] == [
        {"row": 3, "errors": {"data": ["An object is required."]}},
        {"row": 4, "errors": {"colour": ["There is no such field."]}},
    ]
    assert answer["rejected_total"] == 2
    assert not Task.objects.exists()
    skipped = owner.upload(f"/jobs/{job}/tasks?on_error=skip", given, expect=200).json()
    assert (skipped["created"], skipped["rejected"]) == (2, answer["rejected"])


def test_the_list_of_rejected_rows_is_capped(owner: Caller, job: str) -> None:
    answer = owner.upload(f"/jobs/{job}/tasks?on_error=skip", [{}] * 1500, expect=200).json()
    assert (len(answer["rejected"]), answer["rejected_total"]) == (1000, 1500)


def test_who_accepts_ndjson_gets_all_rejected_rows_as_a_file(owner: Caller, job: str) -> None:
    given = [*rows(2), *[{}] * 1500]
    path = f"/jobs/{job}/tasks"
    refused = owner.upload(path, given, accept=NDJSON, expect=400)
    assert refused["Content-Type"] == NDJSON
    assert (refused["X-Created"], refused["X-Rejected"]) == ("0", "1500")
    assert not Task.objects.exists()
    skipped = owner.upload(f"{path}?on_error=skip", given, accept=NDJSON, expect=200)
    counts = [skipped[f"X-{name}"] for name in ("Created", "Duplicates", "Rejected")]
    assert counts == ["2", "0", "1500"]
    for answer in (refused, skipped):
        lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
        assert [one["row"] for one in lines] == list(range(3, 1503))
        assert all(one["errors"] == {"data": ["An object is required."]} for one in lines)
        answer.close()


def test_a_refusal_that_is_not_of_rows_is_a_problem_to_everybody(owner: Caller, job: str) -> None:
    owner.post(f"/jobs/{job}/cancel", expect=200)
    answer = owner.upload(f"/jobs/{job}/tasks", rows(1), accept=NDJSON, expect=409)
    assert answer.json()["code"] == "takes_no_tasks"


GOOD = b'{"external_id":"a","data":{}}\n'
LONG = 1024 * 1024
ABSENT = b"123835fa-01ac-406a-b8d5-bd4cd615366c"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"external_id,text\na,x,y\n", id="ragged: too many"),
        pytest.param(b"external_id,text\na\n", id="ragged: too few"),
        pytest.param(b'external_id,text\na,"never closed\n', id="quote not closed"),
        pytest.param(b"a," * 1_000_000 + b"b\n", id="a million columns"),
        pytest.param(b",".join(b"c%d" % n for n in range(1001)) + b"\n", id="1001 columns"),
        pytest.param(b"external_id,text\na,x\x00y\n", id="NUL"),
        pytest.param(b"external_id;text\na;x\n", id="semicolon"),
        pytest.param(b"text,text\na,b\n", id="header twice"),
        pytest.param(b",text\na,b\n", id="column without a name"),
        pytest.param(b"text\n" + b"x" * (LONG + 10) + b"\n", id="a line too long"),
        pytest.param(b'text\n"' + b"x\n" * LONG, id="a record of many lines too long"),
        pytest.param(b"\x1f\x8b\x08\x00abc", id="gzip named csv"),
        pytest.param(b"PK\x03\x04abc", id="a spreadsheet"),
        pytest.param("text\né\n".encode("utf-16"), id="UTF-16"),
        pytest.param("text\né\n".encode("latin-1"), id="Latin-1"),
        pytest.param(b"external_id,text\n" + b"x" * 201 + b",a\n", id="an id too long"),
    ],
)
def test_csv_that_is_none_is_refused_and_nothing_written(
    owner: Caller, job: str, raw: bytes
) -> None:
    answer = owner.send("POST", f"/jobs/{job}/tasks", raw, CSV)
    assert answer.status_code == 400
    assert answer.json()["code"] == "rows_rejected"
    assert all(one["errors"] for one in answer.json()["rejected"])
    assert not Task.objects.exists()


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        (b"external_id,text\r\na,x\nb,y\rc,z\r\n", 3),  # mixed line ends
        (b"\xef\xbb\xbfexternal_id,text\na,x\n", 1),  # a byte order mark
        (b"external_id,text\n\na,x\n\n\nb,y\n", 2),  # blank lines
        (b"external_id,text\na,x\na,y\n", 1),  # the same external id twice
        (b"external_id,text\na,x", 1),  # no line end at the end
        (b'external_id,text\na,"x\ny, ""z"""\n', 1),  # line ends and quotes within a cell
        (b"external_id,text\n", 0),  # a header alone
    ],
)
def test_csv_of_other_habits_is_taken(owner: Caller, job: str, raw: bytes, count: int) -> None:
    found = owner.send("POST", f"/jobs/{job}/tasks", raw, CSV, expect=200).json()
    assert found["created"] == count == Task.objects.count()


def test_cells_that_look_like_formulas_are_text(owner: Caller, job: str) -> None:
    raw = b"external_id,text\na,=1+1\nb,'=1+1\nc,-5\nd,@x\n"
    owner.send("POST", f"/jobs/{job}/tasks", raw, CSV, expect=200)
    found = dict(Task.objects.values_list("external_id", "data__text"))
    # Our exports put an apostrophe before a formula; the import takes it away again.
    assert found == {"a": "=1+1", "b": "=1+1", "c": "-5", "d": "@x"}


@pytest.mark.parametrize(
    "bad",
    [
        b"{", b"null", b"[]", b"5", b'"x"', b'{"data":{}}}', b'{"data":{}}{"data":{}}',
        b'{"data":{},"data":{}}', b'{"data":{"a":NaN}}', b'{"data":{"a":1e999}}',
        b'{"data":{"a":' + b"9" * 5000 + b"}}", b'{"data":{"a":9223372036854775808}}',
        b'{"data":{"a":"\\u0000"}}', b'{"data":{"a":"\\ud800"}}', b'{"data":{"a":"\xff"}}',
        b'{"data":' + b"[" * 100_000, b'{"data":' + b'{"a":' * 40 + b"1" + b"}" * 41,
        b'{"data":{"a":"' + b"x" * LONG + b'"}}', b'{"data":null}', b'{"data":{},"media":{"a":{}}}',
        b'{"data":{},"external_id":""}', b'{"data":{},"external_id":5}',
        b'{"data":{},"external_id":"\\u202e"}', b'{"data":{},"media":{"a":"file:///etc/passwd"}}',
        b'{"data":{},"media":{"a":"%s"}}' % ABSENT, b'{"data":{},"seconds":5}',
    ],
)  # fmt: skip
def test_a_bad_line_among_good_ones_is_named_and_nothing_written(
    owner: Caller, job: str, bad: bytes
) -> None:
    raw = GOOD + bad + b"\n" + b'{"external_id":"b","data":{}}\n'
    answer = owner.send("POST", f"/jobs/{job}/tasks", raw, NDJSON, expect=400)
    assert [one["row"] for one in answer.json()["rejected"]] == [2]
    assert not Task.objects.exists()
    skipped = owner.send("POST", f"/jobs/{job}/tasks?on_error=skip", raw, NDJSON, expect=200)
    assert skipped.json()["created"] == 2


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("", None), ("application/json", None), ("text/plain", None), ("image/png", None),
        ("multipart/form-data; boundary=x", None), ("text/csv; charset=utf-99", None),
        ("text/csv; charset=latin-1", None), ("text/csv", "gzip"),
    ],
)  # fmt: skip
def test_bodies_of_other_types_are_refused(
    owner: Caller, job: str, content_type: str, encoding: str | None
) -> None:
    extra = {"HTTP_CONTENT_ENCODING": encoding} if encoding else {}
    answer = owner.client.generic(
        "POST", f"/api/v1/jobs/{job}/tasks", GOOD, content_type=content_type,
        **owner.headers, **extra,
    )  # fmt: skip
    assert answer.status_code == 415
    assert not Task.objects.exists()


@pytest.mark.parametrize("query", ["on_error=maybe", "on_error=", "colour=red", "limit=5"])
def test_parameters_of_an_upload(owner: Caller, job: str, query: str) -> None:
    assert owner.upload(f"/jobs/{job}/tasks?{query}", rows(1)).status_code == 400


def test_who_may_upload(owner: Caller, whose: Requester, job: str) -> None:
    viewer = callers.member(whose.organization_id, "viewer")
    stranger = callers.of(*_ids(make.requester(credit_micros=0)))
    assert viewer.upload(f"/jobs/{job}/tasks", rows(1)).status_code == 403
    assert callers.person().upload(f"/jobs/{job}/tasks", rows(1)).status_code == 403
    assert Caller().upload(f"/jobs/{job}/tasks", rows(1)).status_code == 401
    assert stranger.upload(f"/jobs/{job}/tasks", rows(1)).status_code == 404
    assert stranger.get(f"/jobs/{job}/tasks").status_code == 404
    assert callers.person().get(f"/jobs/{job}/tasks").status_code == 403
    assert not Task.objects.exists()
    assert callers.member(whose.organization_id, "manager").upload(
        f"/jobs/{job}/tasks", rows(1), expect=200
    )
    assert len(viewer.get(f"/jobs/{job}/tasks", expect=200).json()["data"]) == 1


def test_a_job_that_is_over_takes_no_rows(owner: Caller, whose: Requester, job: str) -> None:
    owner.post(f"/jobs/{job}/cancel", expect=200)
    answer = owner.upload(f"/jobs/{job}/tasks", rows(1), expect=409)
    assert answer.json()["code"] == "takes_no_tasks"


# --- lists -----------------------------------------------------------------------------------


def test_pages_and_filters(owner: Caller, whose: Requester) -> None:
    job = make.live(5, whose=whose)
    make.add_gold(job, [make.YES])
    first, *_ = make.work(job)
    make.conclude(first)
    listed = owner.pages(f"/jobs/{job.pk}/tasks")
    assert [one["id"] for one in listed] == sorted(one["id"] for one in listed)
    assert len(listed) == 6
    assert [one["id"] for one in owner.pages(f"/jobs/{job.pk}/tasks?state=resolved")] == [
        str(first.pk)
    ]
    assert len(owner.pages(f"/jobs/{job.pk}/tasks?role=gold")) == 1
    assert len(owner.pages(f"/jobs/{job.pk}/tasks?role=work&state=open")) == 4
    (named,) = owner.pages(f"/jobs/{job.pk}/tasks?external_id=t3")
    assert named["external_id"] == "t3"
    for query in ("state=asleep", "role=x", "colour=red", "after=abc", "limit=0", "external_id="):
        assert owner.get(f"/jobs/{job.pk}/tasks?{query}").status_code == 400, query
    other = owner.get(f"/jobs/{job.pk}/tasks?limit=1").json()["next"]
    draft = make.draft(whose)
    assert owner.get(f"/jobs/{draft.pk}/tasks?after={other}").status_code == 400


def test_a_task_is_shown_with_what_was_concluded(owner: Caller, whose: Requester) -> None:
    job = make.live(1, whose=whose)
    (task,) = make.work(job)
    shown = owner.get(f"/tasks/{task.pk}", expect=200).json()
    assert (shown["state"], shown["wanted"], shown["taken"], shown["resolution"]) == (
        "open",
        2,
        0,
        None,
    )
    make.conclude(task)
    resolution = owner.get(f"/tasks/{task.pk}").json()["resolution"]
    assert (resolution["value"], resolution["confidence"], resolution["escalated"]) == (
        make.YES,
        0.9,
        False,
    )
    theirs = make.work(make.live(1))[0]
    for pk in (theirs.pk, uuid4()):
        assert owner.get(f"/tasks/{pk}").status_code == 404


def test_listing_takes_the_same_statements_for_any_number(
    owner: Caller, whose: Requester, django_assert_max_num_queries: Any
) -> None:
    job = make.live(30, whose=whose)
    for task in make.work(job)[:10]:
        make.conclude(task)
    for limit in (2, 30):
        with django_assert_max_num_queries(4):
            found = owner.get(f"/jobs/{job.pk}/tasks?limit={limit}").json()["data"]
        assert len(found) == limit


def test_an_upload_takes_the_same_statements_for_any_number(
    owner: Caller, job: str, django_assert_max_num_queries: Any
) -> None:
    for count in (10, 300):
        given = [{"external_id": f"{count}-{n}", "data": {}} for n in range(count)]
        with django_assert_max_num_queries(16):
            owner.upload(f"/jobs/{job}/tasks", given, expect=200)


# --- decisions -------------------------------------------------------------------------------


def test_an_escalated_task_is_decided_by_hand(owner: Caller, whose: Requester) -> None:
    (task,) = make.work(make.live(1, whose=whose))
    make.conclude(task, escalated=True)
    made = owner.post(f"/tasks/{task.pk}/adjudicate", {"answer": make.NO}, expect=200).json()
    assert (made["value"], made["rule"]) == (make.NO, "adjudicated")
    assert owner.post(f"/tasks/{task.pk}/adjudicate", {"answer": make.NO}).json() == made
    again = owner.post(f"/tasks/{task.pk}/adjudicate", {"answer": make.YES}, expect=409)
    assert again.json()["code"] == "not_escalated"
    for bad in ({}, {"answer": None}, {"answer": {"choice": "maybe"}}, {"answer": make.NO, "x": 1}):
        assert owner.post(f"/tasks/{task.pk}/adjudicate", bad).status_code == 400


def test_a_decided_task_is_asked_again(owner: Caller, whose: Requester) -> None:
    (task,) = make.work(make.live(1, whose=whose))
    make.conclude(task)
    opened = owner.post(f"/tasks/{task.pk}/reopen", {"answers": 1}, key="r", expect=200).json()
    assert (opened["state"], opened["round"], opened["wanted"], opened["taken"]) == (
        "open",
        2,
        3,
        2,
    )
    assert opened["resolution"] is None
    again = owner.post(f"/tasks/{task.pk}/reopen", {"answers": 1}, key="r", expect=200)
    assert again.json() == opened
    refused = owner.post(f"/tasks/{task.pk}/reopen", {"answers": 1}, key="s", expect=409)
    assert refused.json()["code"] == "not_resolved"
    for bad in ({"answers": 0}, {"answers": 11}, {"answers": "1"}, {"n": 1}, {"answers": True}):
        assert owner.post(f"/tasks/{task.pk}/reopen", bad).status_code == 400, bad


def test_only_a_manager_of_the_requester_decides(owner: Caller, whose: Requester) -> None:
    (task,) = make.work(make.live(1, whose=whose))
    make.conclude(task, escalated=True)
    body = {"answer": make.NO}
    viewer = callers.member(whose.organization_id, "viewer")
    stranger = callers.of(*_ids(make.requester(credit_micros=0)))
    assert viewer.post(f"/tasks/{task.pk}/adjudicate", body).status_code == 403
    assert viewer.post(f"/tasks/{task.pk}/reopen").status_code == 403
    assert stranger.post(f"/tasks/{task.pk}/adjudicate", body).status_code == 404
    assert stranger.post(f"/tasks/{task.pk}/reopen").status_code == 404
    assert Task.objects.get(pk=task.pk).state == "escalated"


def test_a_job_over_is_not_asked_again(owner: Caller, whose: Requester) -> None:
    job = make.live(1, whose=whose)
    (task,) = make.work(job)
    make.conclude(task)
    jobs.cancel(job=job, by=whose.user_id)
    refused = owner.post(f"/tasks/{task.pk}/reopen", expect=409).json()
    assert (refused["code"], refused["state"]) == ("job_not_running", "closing")


def _ids(whose: Requester) -> tuple[Any, Any]:
    return whose.user_id, whose.organization_id


def test_an_upload_s_text_is_kept_to_the_letter(owner: Caller, job: str) -> None:
    data = {"e": "e\u0301 \u00e9", "emoji": "😀", "rtl": "\u05d0", "n": [1, 1.5, None, True]}
    owner.upload(f"/jobs/{job}/tasks", [{"data": data}], expect=200)
    (shown,) = owner.get(f"/jobs/{job}/tasks").json()["data"]
    assert json.dumps(shown["data"], sort_keys=True) == json.dumps(data, sort_keys=True)
