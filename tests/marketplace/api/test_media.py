"""Files over HTTP: uploaded in a form, measured by us, shown by signed links."""

import io
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from marketplace.models import Media
from marketplace.services import media
from tests.factories import callers
from tests.factories import marketplace as make
from tests.factories.callers import Caller
from tests.factories.marketplace import Requester
from tests.marketplace.services.test_media import wav

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


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (2, 2)).save(file, "PNG")
    return file.getvalue()


def send(caller: Caller, body: bytes, name: str = "a.bin", **fields: Any) -> Any:
    form = {"file": SimpleUploadedFile(name, body, "text/html"), **fields}
    return caller.client.post("/api/v1/media", form, format="multipart", **caller.headers)


def test_a_file_is_what_its_bytes_say(owner: Caller) -> None:
    made = send(owner, wav(1.25), name="../../evil.html")
    assert made.status_code == 201
    shown = made.json()
    assert (shown["content_type"], shown["seconds"], shown["bytes"]) == (
        "audio/wav",
        "1.250",
        len(wav(1.25)),
    )
    assert owner.get("/media").json()["data"] == [shown]
    assert "evil" not in Media.objects.get().stored_name


def test_a_file_is_shown_by_a_link_for_whoever_holds_it(owner: Caller) -> None:
    pk = send(owner, png()).json()["id"]
    link = urlsplit(owner.get(f"/media/{pk}", expect=200).json()["url"])
    nobody = Caller()
    path = link.path.removeprefix("/api/v1")
    answer = nobody.get(f"{path}?{link.query}", expect=200)
    assert b"".join(answer.streaming_content) == png()
    assert answer["Content-Type"] == "image/png"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    for query in ("", "signature=", "signature=x", f"{link.query}x", f"{link.query}&a=1"):
        assert nobody.get(f"{path}?{query}").status_code in (400, 404), query
    assert nobody.get(f"/media/{uuid4()}/file?{link.query}").status_code == 404


def test_tasks_are_paid_by_the_measured_length(owner: Caller, whose: Requester) -> None:
    pk = send(owner, wav(2)).json()["id"]
    job = make.draft(
        whose, kind="transcript", interface={"profile": "default"}, unit="audio_second",
        specialty="transcription", base_rate_micros=9_167, seconds_per_unit=4.5,
    )  # fmt: skip
    owner.upload(f"/jobs/{job.pk}/tasks", [{"data": {}, "media": {"audio": pk}}], expect=200)
    (task,) = owner.get(f"/jobs/{job.pk}/tasks").json()["data"]
    assert task["units"] == "2.000"
    assert task["media"]["audio"]["id"] == pk


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"<svg/>", b"GIF89a" + b"\x00" * 50, b"PK\x03\x04" + b"\x00" * 50]
)
def test_what_is_no_sound_or_image_is_refused(owner: Caller, body: bytes) -> None:
    answer = send(owner, body, name="a.png")
    assert answer.status_code == 400
    assert not Media.objects.exists()


def test_a_form_holds_one_file_and_nothing_else(owner: Caller) -> None:
    assert send(owner, png(), colour="red").status_code == 400
    assert send(owner, png(), other=SimpleUploadedFile("b", png())).status_code == 400
    post = owner.client.post
    assert post("/api/v1/media", {}, format="multipart", **owner.headers).status_code == 400
    text = {"file": "just text"}
    assert post("/api/v1/media", text, format="multipart", **owner.headers).status_code == 400
    assert not Media.objects.exists()


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("multipart/form-data; boundary=x", b""),
        ("application/json", b"{}"),
        ("text/csv", b"a,b\n"),
        ("application/x-www-form-urlencoded", b"file=a"),
    ],
)
def test_bodies_that_are_no_form(owner: Caller, content_type: str, raw: bytes) -> None:
    answer = owner.send("POST", "/media", raw, content_type)
    assert answer.status_code in (400, 415)
    assert not Media.objects.exists()


def test_a_body_too_large_is_refused_before_it_is_read(owner: Caller) -> None:
    answer = owner.client.generic(
        "POST", "/api/v1/media", b"x", content_type="multipart/form-data; boundary=x",
        CONTENT_LENGTH=str(media.SIZE_CAP * 2), **owner.headers,
    )  # fmt: skip
    assert answer.status_code == 413


def test_whose_files_they_are(owner: Caller, whose: Requester) -> None:
    pk = send(owner, png()).json()["id"]
    other = make.requester(credit_micros=0)
    stranger = callers.of(other.user_id, other.organization_id)
    viewer = callers.member(whose.organization_id, "viewer")
    assert stranger.get(f"/media/{pk}").status_code == 404
    assert stranger.get("/media").json()["data"] == []
    assert owner.get(f"/media/{uuid4()}").status_code == 404
    viewer.get(f"/media/{pk}", expect=200)
    assert send(viewer, png()).status_code == 403
    assert send(callers.person(), png()).status_code == 403
    assert send(Caller(), png()).status_code == 401
