"""What a row measures: its media found, its units counted by the server."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from core import clock
from marketplace.imports.rows import ParsedRow
from marketplace.models import Job, Media
from marketplace.services import units
from tests.factories import marketplace as make

pytestmark = pytest.mark.django_db


def sound(organization_id: UUID, seconds: str | None = "12.5") -> Media:
    pk = uuid4()
    return Media.objects.create(
        id=pk,
        organization_id=organization_id,
        created_by_id=make.requester(credit_micros=0).user_id,
        stored_name=f"media/{pk}.wav",
        content_type="audio/wav" if seconds else "image/png",
        bytes=10,
        sha256=b"x" * 32,
        seconds=seconds and Decimal(seconds),
        created_at=clock.now(),
    )


def measure(job: Job, row: ParsedRow) -> units.Measured:
    ((_, found),) = units.measure(job, [row])
    return found


def voice(**fields: Any) -> Job:
    return make.draft(
        unit="audio_second",
        kind="transcript",
        interface={"profile": "default"},
        specialty="transcription",
        base_rate_micros=9_167,
        seconds_per_unit=4.5,
        **fields,
    )


def test_an_item_is_one_unit_whatever_it_holds() -> None:
    found = measure(make.draft(), ParsedRow(1, data={"text": "many words " * 1000}))
    assert (found.units, found.media, found.errors) == (1, {}, None)


@pytest.mark.parametrize(
    ("words", "blocks"), [(0, 1), (1, 1), (100, 1), (101, 2), (200, 2), (201, 3)]
)
def test_words_are_paid_in_blocks_of_a_hundred(words: int, blocks: int) -> None:
    job = make.draft(unit="word_block")
    halves = [" w" * (words // 2), {"deep": [" w" * (words - words // 2)]}]
    assert measure(job, ParsedRow(1, data={"a": halves, "n": 5})).units == blocks


def test_audio_is_paid_by_its_measured_length() -> None:
    job = voice()
    one, other = sound(job.organization_id), sound(job.organization_id, "7.25")
    picture = sound(job.organization_id, None)
    media = {"a": str(one.pk), "b": str(other.pk), "p": str(picture.pk)}
    found = measure(job, ParsedRow(1, media=media))
    assert found.units == Decimal("19.750")
    assert found.media["a"] == {"id": str(one.pk), "content_type": "audio/wav", "seconds": 12.5}
    assert found.media["p"] == {"id": str(picture.pk), "content_type": "image/png"}


def test_a_file_of_another_requester_is_as_if_absent() -> None:
    job = make.draft()
    theirs = sound(make.requester(credit_micros=0).organization_id)
    for pk in (str(theirs.pk), str(uuid4())):
        found = measure(job, ParsedRow(1, media={"audio": pk}))
        assert found.errors == {"media.audio": ["There is no such media file."]}


@pytest.mark.parametrize(
    "value",
    [5, None, [], {}, "", "x", "ftp://example.org/a", "https://", "http://a b", 'https://a/"x',
     "javascript:alert(1)", "https://example.org/" + "x" * 2001, "0" * 37],
)  # fmt: skip
def test_media_are_files_of_ours_or_web_addresses(value: Any) -> None:
    found = measure(make.draft(), ParsedRow(1, media={"x": value}))
    assert found.errors
    assert list(found.errors) == ["media.x"]


def test_a_web_address_is_kept_as_it_is() -> None:
    found = measure(make.draft(), ParsedRow(1, media={"x": "https://example.org/a.png?b=1"}))
    assert found.media == {"x": {"url": "https://example.org/a.png?b=1"}}


def test_a_length_is_measured_never_declared() -> None:
    """Only play money may be paid by what the client says."""
    job = voice(sandbox=False)
    found = measure(job, ParsedRow(1, seconds=3))
    assert set(found.errors or {}) == {"seconds", "media"}
    assert set(measure(job, ParsedRow(1)).errors or {}) == {"media"}
    assert set(measure(make.draft(), ParsedRow(1, seconds=3)).errors or {}) == {"seconds"}


def test_play_money_takes_a_nominal_length() -> None:
    job = voice()
    assert measure(job, ParsedRow(1, seconds=3)).units == Decimal("3.000")
    assert measure(job, ParsedRow(1, seconds=0.0001)).units == Decimal("0.001")
    assert measure(job, ParsedRow(1, seconds=2.0005)).units == Decimal("2.001")
    for bad in (0, -1, "3", True, float("nan"), float("inf"), 86_401, [3]):
        assert set(measure(job, ParsedRow(1, seconds=bad)).errors or {}) == {"seconds"}, bad


def test_media_of_many_rows_are_looked_up_together(django_assert_num_queries: Any) -> None:
    job = make.draft()
    one = sound(job.organization_id)
    rows = [ParsedRow(n, media={"audio": str(one.pk)}) for n in range(units.CHUNK + 1)]
    with django_assert_num_queries(2):
        found = list(units.measure(job, rows))
    assert [row.number for row, _ in found] == list(range(units.CHUNK + 1))
    assert all(measured.media["audio"]["id"] == str(one.pk) for _, measured in found)
