"""Exports over HTTP: asked for, looked after, fetched by a signed link."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from marketplace.models import Export, Job
from marketplace.services import exports
from tests.factories import callers, delivery
from tests.factories import marketplace as make
from tests.factories.callers import NDJSON, Caller
from tests.factories.marketplace import Requester

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def storage(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def whose() -> Requester:
    return make.requester()


@pytest.fixture
def owner(whose: Requester) -> Caller:
    return callers.of(whose.user_id, whose.organization_id)


@pytest.fixture
def job(whose: Requester) -> Job:
    job = delivery.job(whose.organization_id)
    delivery.results(job, 3)
    return job


def fetch(caller: Caller, export: dict[str, Any]) -> Any:
    link = urlsplit(export["file"]["url"])
    return caller.get(f"{link.path.removeprefix('/api/v1')}?{link.query}")


def test_an_export_is_asked_for_made_and_fetched(owner: Caller, job: Job) -> None:
    asked = owner.post(f"/jobs/{job.pk}/exports", {"format": "jsonl"}, key="e", expect=201).json()
    assert (asked["state"], asked["rows_done"], asked["file"]) == ("queued", 0, None)
    again = owner.post(f"/jobs/{job.pk}/exports", {"format": "jsonl"}, key="e", expect=201)
    assert again.json()["id"] == asked["id"]
    make.sweep_until_done(exports.sweep)
    done = owner.get(f"/exports/{asked['id']}", expect=200).json()
    assert (done["state"], done["rows_done"], done["rows_total"]) == ("done", 3, 3)
    assert done["file"]["rows"] == 3
    answer = fetch(Caller(), done)
    body = b"".join(answer.streaming_content)
    assert (answer.status_code, answer["Content-Type"]) == (200, NDJSON)
    assert answer["Content-Disposition"] == f'attachment; filename="results-{job.pk}.jsonl"'
    assert int(answer["Content-Length"]) == len(body) == done["file"]["bytes"]
    live = owner.get(f"/jobs/{job.pk}/results", accept=NDJSON)
    assert body == b"".join(live.streaming_content)
    listed = owner.get(f"/jobs/{job.pk}/exports").json()["data"]
    assert [(one["id"], one["file"]) for one in listed] == [(asked["id"], None)]


def test_a_table(owner: Caller, job: Job) -> None:
    body = {"format": "csv", "options": {"raw": True}}
    asked = owner.post(f"/jobs/{job.pk}/exports", body, expect=201).json()
    assert asked["options"] == {"raw": True}
    make.sweep_until_done(exports.sweep)
    answer = fetch(Caller(), owner.get(f"/exports/{asked['id']}").json())
    head, *lines = b"".join(answer.streaming_content).splitlines()
    assert head.startswith(b"task,external_id,data.text,value.choice")
    assert len(lines) == 3


@pytest.mark.parametrize(
    "body",
    [
        {}, {"format": "xml"}, {"format": None}, {"format": 5}, {"format": "csv", "colour": "red"},
        {"format": "csv", "options": {"raw": "yes"}}, {"format": "csv", "options": {"x": True}},
        {"format": "jsonl", "options": {"raw": True}}, {"format": "csv", "options": []}, [], None,
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for(owner: Caller, job: Job, body: Any) -> None:
    assert owner.call("POST", f"/jobs/{job.pk}/exports", body).status_code in (400, 415)
    assert not Export.objects.exists()


def test_a_link_that_is_not_ours_opens_nothing(owner: Caller, job: Job) -> None:
    asked = owner.post(f"/jobs/{job.pk}/exports", {"format": "jsonl"}, expect=201).json()
    make.sweep_until_done(exports.sweep)
    link = urlsplit(owner.get(f"/exports/{asked['id']}").json()["file"]["url"])
    path, nobody = link.path.removeprefix("/api/v1"), Caller()
    for query in ("", "signature=", "signature=x", f"{link.query}x", f"{link.query}&a=1"):
        assert nobody.get(f"{path}?{query}").status_code in (400, 404), query
    assert nobody.get(f"/exports/{uuid4()}/file?{link.query}").status_code == 404


def test_whose_exports_they_are(owner: Caller, whose: Requester, job: Job) -> None:
    viewer = callers.member(whose.organization_id, "viewer")
    other = make.requester(credit_micros=0)
    stranger = callers.of(other.user_id, other.organization_id)
    made = viewer.post(f"/jobs/{job.pk}/exports", {"format": "jsonl"}, expect=201).json()["id"]
    owner.get(f"/exports/{made}", expect=200)
    assert stranger.get(f"/exports/{made}").status_code == 404
    assert stranger.get(f"/jobs/{job.pk}/exports").status_code == 404
    assert stranger.post(f"/jobs/{job.pk}/exports", {"format": "jsonl"}).status_code == 404
    assert callers.person().get(f"/exports/{made}").status_code == 403
    assert Caller().get(f"/exports/{made}").status_code == 401
    assert Export.objects.count() == 1


def test_too_many_at_once(owner: Caller, job: Job) -> None:
    for _ in range(exports.OPEN_CAP):
        owner.post(f"/jobs/{job.pk}/exports", {"format": "jsonl"}, expect=201)
    answer = owner.post(f"/jobs/{job.pk}/exports", {"format": "jsonl"}, expect=409)
    assert answer.json()["code"] == "too_many_exports"
