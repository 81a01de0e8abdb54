"""What a row of an upload measures: its media found, its units counted by the server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Protocol, TypeVar
from uuid import UUID

from marketplace.imports.batches import batches
from marketplace.models import Job, Media

#: Rows whose media are looked up together, by number and by their bytes as uploaded.
CHUNK = 500
CHUNK_BYTES = 4 * 1024 * 1024
WORDS_IN_BLOCK = 100
SECONDS_CAP = 24 * 3600
_URL = re.compile(r"https?://[^\s<>\"'\\]{1,2000}")
_MILLI = Decimal("0.001")


class Row(Protocol):
    """A row as uploaded: its data and what it refers to."""

    @property
    def data(self) -> Mapping[str, Any]:
        """What the worker sees."""
        ...

    @property
    def media(self) -> Mapping[str, Any]:
        """Ids of uploaded files, or web addresses, by name."""
        ...

    @property
    def seconds(self) -> Any:
        """A declared duration, or None."""
        ...

    @property
    def size(self) -> int:
        """Bytes as uploaded."""
        ...


R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a row measures, or what is wrong with it. ``media`` is as the task keeps it."""

    units: Decimal
    media: dict[str, Any]
    errors: dict[str, list[str]] | None = None


def measure(job: Job, rows: Iterable[R]) -> Iterator[tuple[R, Measured]]:
    """Pair each row with its measure, looking media up in chunks; the order is kept."""
    chunks = batches(rows, count=CHUNK, size=CHUNK_BYTES, measure=lambda row: row.size)
    for chunk in chunks:
        known = _known(job.organization_id, chunk)
        for row in chunk:
            yield row, _measured(job, row, known)


def _known(organization_id: UUID, rows: Sequence[Row]) -> dict[str, Media]:
    wanted = {
        pk for row in rows for value in row.media.values() if (pk := _uuid(value)) is not None
    }
    if not wanted:
        return {}
    found = Media.objects.filter(organization_id=organization_id, pk__in=wanted)
    return {str(one.pk): one for one in found}


def _uuid(value: Any) -> UUID | None:
    if not isinstance(value, str) or len(value) > 36:
        return None
    try:
        return UUID(value)
    except ValueError:
        return None


def _measured(job: Job, row: Row, known: Mapping[str, Media]) -> Measured:
    errors: dict[str, list[str]] = {}
    media: dict[str, Any] = {}
    seconds = Decimal(0)
    for name, value in row.media.items():
        pk = _uuid(value)
        one = known.get(str(pk)) if pk is not None else None
        if one is not None:
            media[name] = {"id": str(one.pk), "content_type": one.content_type}
            if one.seconds is not None:
                media[name]["seconds"] = float(one.seconds)
                seconds += one.seconds
        elif pk is not None:
            errors[f"media.{name}"] = ["There is no such media file."]
        elif isinstance(value, str) and _URL.fullmatch(value):
            media[name] = {"url": value}
        else:
            errors[f"media.{name}"] = ["Must be the id of an uploaded file or a web address."]
    units = _units(job, row, seconds, errors)
    return Measured(units, media, errors or None)


def _units(job: Job, row: Row, seconds: Decimal, errors: dict[str, list[str]]) -> Decimal:
    if row.seconds is not None and not (job.sandbox and job.unit == Job.Unit.AUDIO_SECOND):
        errors["seconds"] = ["Only play-money jobs paid by the audio second take a duration."]
    if job.unit == Job.Unit.WORD_BLOCK:
        words = _words(row.data)
        return Decimal(max(1, -(-words // WORDS_IN_BLOCK)))
    if job.unit != Job.Unit.AUDIO_SECOND:
        return Decimal(1)
    if seconds:
        return seconds
    if row.seconds is None or errors:
        errors.setdefault("media", ["An uploaded audio file is needed: pay is by its length."])
        return Decimal(1)
    nominal = _nominal(row.seconds)
    if nominal is None:
        errors["seconds"] = [f"Must be a number above 0 and up to {SECONDS_CAP}."]
        return Decimal(1)
    return nominal


def _nominal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if not 0 < value <= SECONDS_CAP:
        return None
    return max(_MILLI, Decimal(str(value)).quantize(_MILLI, rounding=ROUND_HALF_UP))


def _words(value: Any) -> int:
    """Words of all text in a row's data, however nested."""
    if isinstance(value, str):
        return len(value.split())
    if isinstance(value, Mapping):
        return sum(_words(one) for one in value.values())
    if isinstance(value, list):
        return sum(_words(one) for one in value)
    return 0
