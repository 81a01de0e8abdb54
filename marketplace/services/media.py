"""Files that tasks refer to: taken in, looked at, measured, kept under a name of our own."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, BinaryIO
from uuid import UUID

from django.core import signing
from django.core.files import File
from django.core.files.storage import default_storage
from PIL import Image, UnidentifiedImageError

from core import clock, errors
from core.ids import new_id
from marketplace.models import Media

SIZE_CAP = 32 * 1024 * 1024
SECONDS_CAP = 4 * 3600
RATES = (4_000, 192_000)
CHANNELS_CAP = 8
#: Samples of all channels together, since silence packs well: four hours at 48 kHz.
SAMPLES_CAP = SECONDS_CAP * 48_000
PIXELS_CAP = 50_000_000
#: A link shows a file for so long to whoever holds it: longer than any time limit of a task.
LINK_SECONDS = 86_400
_BLOCK = 65_536
_SALT = "marketplace.media.link"
#: By format: what the file is, and what its stored name ends in.
_AUDIO = {"WAV": ("audio/wav", "wav"), "FLAC": ("audio/flac", "flac"), "OGG": ("audio/ogg", "ogg")}
_IMAGES = {
    "PNG": ("image/png", "png"),
    "JPEG": ("image/jpeg", "jpg"),
    "WEBP": ("image/webp", "webp"),
}


class FileRefused(errors.Invalid):
    """The file is too large, broken, or of a type that tasks cannot show."""

    code = "file_refused"


@dataclass(frozen=True)
class _Look:
    content_type: str
    ending: str
    seconds: Decimal | None


def upload(*, organization_id: UUID, chunks: Iterable[bytes], by: UUID) -> Media:
    """Take a file in: WAV, FLAC or OGG audio, PNG, JPEG or WEBP image.

    What it is and how long it plays is read from its bytes; the name and type that the client
    claims are not looked at. The length is counted in decoded frames, not taken from the header.
    Raises FileRefused.
    """
    with tempfile.TemporaryFile() as file:
        digest, size = _spool(chunks, file)
        look = _look(file)
        file.seek(0)
        pk = new_id()
        name = default_storage.save(f"media/{organization_id}/{pk}.{look.ending}", File(file))
    return Media.objects.create(
        id=pk,
        organization_id=organization_id,
        created_by_id=by,
        stored_name=name,
        content_type=look.content_type,
        bytes=size,
        sha256=digest,
        seconds=look.seconds,
        created_at=clock.now(),
    )


def link_signature(media_id: UUID | str) -> str:
    """Sign a link to a file, good for a day for whoever holds it. No statement."""
    return signing.TimestampSigner(salt=_SALT).sign(str(media_id)).partition(":")[2]


def with_links(named: Mapping[str, Any], *, prefix: str) -> dict[str, Any]:
    """A task's media with a ``url`` for each uploaded file, as a worker is shown them.

    ``prefix`` is where the endpoint for files stands, such as ``https://host/api/v1/media``.
    """
    return {
        name: {**one, "url": f"{prefix}/{one['id']}/file?signature={link_signature(one['id'])}"}
        if "id" in one
        else dict(one)
        for name, one in named.items()
    }


def opened(*, media_id: UUID, signature: str) -> Media:
    """The file that a link was signed for. Raises NotFound for a link not ours or too old."""
    try:
        signing.TimestampSigner(salt=_SALT).unsign(f"{media_id}:{signature}", max_age=LINK_SECONDS)
    except signing.BadSignature as problem:
        raise errors.NotFound("The link is not valid any more.") from problem
    found = Media.objects.filter(pk=media_id).first()
    if found is None:
        raise errors.NotFound("There is no such file.")
    return found


def read(found: Media) -> File[bytes]:
    """The file itself, out of the storage; the caller closes it."""
    return default_storage.open(found.stored_name, "rb")


def _spool(chunks: Iterable[bytes], file: BinaryIO) -> tuple[bytes, int]:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > SIZE_CAP:
            raise FileRefused(f"The file is larger than {SIZE_CAP // 1024 // 1024} MiB.")
        digest.update(chunk)
        file.write(chunk)
    if not size:
        raise FileRefused("The file is empty.")
    file.seek(0)
    return digest.digest(), size


def _look(file: BinaryIO) -> _Look:
    head = file.read(16)
    file.seek(0)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _audio(file, "WAV")
    if head[:4] == b"fLaC":
        return _audio(file, "FLAC")
    if head[:4] == b"OggS":
        return _audio(file, "OGG")
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return _image(file, "PNG")
    if head[:3] == b"\xff\xd8\xff":
        return _image(file, "JPEG")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _image(file, "WEBP")
    raise FileRefused("Not a WAV, FLAC or OGG sound, nor a PNG, JPEG or WEBP image.")


def _audio(file: BinaryIO, form: str) -> _Look:
    import soundfile

    try:
        with soundfile.SoundFile(file) as sound:
            if sound.format != form:
                raise FileRefused("The sound's format is not one we can measure.")
            if not RATES[0] <= sound.samplerate <= RATES[1]:
                raise FileRefused(f"A sound has {RATES[0]} to {RATES[1]} samples a second.")
            if sound.channels > CHANNELS_CAP:
                raise FileRefused(f"A sound has at most {CHANNELS_CAP} channels.")
            cap = SECONDS_CAP * sound.samplerate
            frames = 0
            for block in sound.blocks(blocksize=_BLOCK, dtype="float32"):
                frames += len(block)
                if frames > cap:
                    raise FileRefused(f"The sound is longer than {SECONDS_CAP // 3600} hours.")
                if frames * sound.channels > SAMPLES_CAP:
                    raise FileRefused("The sound has too many samples; send fewer channels of it.")
            seconds = Decimal(frames) / sound.samplerate
    except (soundfile.SoundFileError, RuntimeError, ValueError) as problem:
        raise FileRefused("The sound cannot be decoded.") from problem
    if frames == 0:
        raise FileRefused("The sound is empty.")
    exact = max(seconds.quantize(Decimal("0.001"), rounding=ROUND_HALF_UP), Decimal("0.001"))
    return _Look(*_AUDIO[form], exact)


def _image(file: BinaryIO, form: str) -> _Look:
    try:
        with Image.open(file, formats=[form]) as image:
            if image.width * image.height > PIXELS_CAP:
                raise FileRefused(f"The image has more than {PIXELS_CAP} pixels.")
            image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as problem:
        raise FileRefused("The image cannot be decoded.") from problem
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        raise FileRefused("The image is too large.") from problem
    return _Look(*_IMAGES[form], None)
