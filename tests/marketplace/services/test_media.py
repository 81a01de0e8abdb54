"""Files: what they are is read from their bytes, how long they play from their frames."""

import io
import struct
import wave
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from PIL import Image

from core import errors
from marketplace.models import Media
from marketplace.services import media
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def storage(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def wav(seconds: float = 1.5, rate: int = 8000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(b"\x01\x00" * round(seconds * rate))
    return file.getvalue()


def image(form: str = "PNG", size: tuple[int, int] = (4, 3)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, form)
    return file.getvalue()


def upload(*chunks: bytes) -> Media:
    whose = make.requester(credit_micros=0)
    return media.upload(organization_id=whose.organization_id, chunks=chunks, by=whose.user_id)


def stored(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_a_sound_is_measured_in_decoded_frames() -> None:
    body = wav(1.5)
    found = upload(body[:100], body[100:])
    assert (found.content_type, found.seconds, found.bytes) == (
        "audio/wav",
        Decimal("1.500"),
        len(body),
    )
    with default_storage.open(found.stored_name) as file:
        assert file.read() == body


@pytest.mark.parametrize("form", ["FLAC", "OGG"])
def test_other_sounds(form: str) -> None:
    import numpy as np
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.zeros(16_000, dtype="float32"), 16_000, format=form)
    found = upload(file.getvalue())
    assert (found.content_type, found.seconds) == (f"audio/{form.lower()}", Decimal("1.000"))


@pytest.mark.parametrize(
    ("form", "content_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")],
)
def test_images(form: str, content_type: str) -> None:
    found = upload(image(form))
    assert (found.content_type, found.seconds) == (content_type, None)


def test_the_name_on_disk_is_our_own() -> None:
    found = upload(image())
    assert found.stored_name == f"media/{found.organization_id}/{found.pk}.png"


def test_a_header_that_lies_about_the_length_is_not_believed() -> None:
    body = bytearray(wav(0.5))
    body[40:44] = struct.pack("<I", 2**31)  # the data chunk claims hours
    try:
        found = upload(bytes(body))
    except media.FileRefused:
        return
    assert found.seconds == Decimal("0.500")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"GIF89a" + b"\x00" * 100,
        b"RIFF\x00\x00\x00\x00WAVE",
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"fLaC" + b"\xff" * 100,
        b"OggS" + b"\x00" * 100,
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 100,
        b"\xff\xd8\xff" + b"\x00" * 100,
        b"PK\x03\x04" + b"\x00" * 100,
        b"ID3\x04" + b"\xff" * 100,
        b"RIFF\x10\x00\x00\x00WEBP" + b"\x00" * 20,
    ],
    ids=range(13),
)
def test_what_is_none_of_these_is_refused_and_nothing_is_kept(body: bytes, storage: Path) -> None:
    with pytest.raises(media.FileRefused):
        upload(body)
    assert not Media.objects.exists()
    assert stored(storage) == []


def test_an_empty_sound_and_a_strange_rate_are_refused() -> None:
    for body in (wav(0), wav(1, rate=1000)):
        with pytest.raises(media.FileRefused):
            upload(body)


def flac(frames: int, *, rate: int, channels: int) -> bytes:
    import numpy as np
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.zeros((frames, channels), dtype="int16"), rate, format="FLAC")
    return file.getvalue()


def test_a_sound_of_very_many_samples_a_second_is_refused_before_it_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import soundfile

    assert upload(flac(19_200, rate=192_000, channels=8)).seconds == Decimal("0.100")
    monkeypatch.setattr(soundfile.SoundFile, "blocks", None)
    with pytest.raises(media.FileRefused, match="samples a second"):
        upload(flac(1000, rate=655_350, channels=1))
    wide = bytearray(wav(1, rate=8000))
    wide[22:24] = struct.pack("<H", 9)
    wide[32:34] = struct.pack("<H", 18)
    with pytest.raises(media.FileRefused, match="channels"):
        upload(bytes(wide))


def test_silence_in_many_channels_is_decoded_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(media, "SAMPLES_CAP", 80_000)
    assert upload(flac(10_000, rate=48_000, channels=8)).seconds == Decimal("0.208")
    with pytest.raises(media.FileRefused, match="too many samples"):
        upload(flac(10_001, rate=48_000, channels=8))


def test_a_sound_cut_short_is_as_long_as_what_is_there() -> None:
    body = wav(2)
    found = upload(body[: len(body) // 2])
    assert Decimal("0.9") < (found.seconds or 0) < Decimal("1.1")


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(media, "PIXELS_CAP", 100)
    with pytest.raises(media.FileRefused, match="pixels"):
        upload(image(size=(11, 10)))


def test_a_file_is_not_read_beyond_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "SIZE_CAP", 10)
    read = []

    def chunks() -> Any:
        for n in range(100):
            read.append(n)
            yield b"123456"

    with pytest.raises(media.FileRefused):
        upload(*[])
    whose = make.requester(credit_micros=0)
    with pytest.raises(media.FileRefused, match="larger"):
        media.upload(organization_id=whose.organization_id, chunks=chunks(), by=whose.user_id)
    assert len(read) == 2


def test_a_sound_longer_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "SECONDS_CAP", 1)
    with pytest.raises(media.FileRefused, match="longer"):
        upload(wav(1.1))


def test_a_link_opens_its_own_file_for_a_day() -> None:
    found, other = upload(image()), upload(image())
    signature = media.link_signature(found.pk)
    assert media.opened(media_id=found.pk, signature=signature) == found
    with media.read(found) as file:
        assert file.read() == image()
    for pk, bad in ((other.pk, signature), (found.pk, signature + "x"), (found.pk, "")):
        with pytest.raises(errors.NotFound):
            media.opened(media_id=pk, signature=bad)


def test_a_link_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    found = upload(image())
    signature = media.link_signature(found.pk)
    monkeypatch.setattr(media, "LINK_SECONDS", -1)
    with pytest.raises(errors.NotFound):
        media.opened(media_id=found.pk, signature=signature)


def test_a_task_s_media_are_shown_with_links() -> None:
    found = upload(wav())
    shown = media.with_links(
        {
            "audio": {"id": str(found.pk), "content_type": "audio/wav", "seconds": 1.5},
            "page": {"url": "https://example.org/"},
        },
        prefix="https://host/api/v1/media",
    )
    assert shown["page"] == {"url": "https://example.org/"}
    start = f"https://host/api/v1/media/{found.pk}/file?signature="
    assert shown["audio"]["url"].startswith(start)
    signature = shown["audio"]["url"].removeprefix(start)
    assert media.opened(media_id=found.pk, signature=signature) == found
