import io

import pytest
from django.db import connection
from django.test import RequestFactory

from core.http import streams
from core.http.errors import TooLarge, UnsupportedMedia
from core.http.streams import Incomplete
from tests.core.http import trial as endpoints
from tests.factories import callers

TYPES = ("text/csv", "application/x-ndjson")


def request(body=b"a,b\n1,2\n", content_type="text/csv", **meta):
    meta = {"CONTENT_TYPE": content_type, **meta}
    return RequestFactory().generic("POST", "/", body, content_type=content_type, **meta)


class Broken(io.RawIOBase):
    """A body that ends too early, or whose connection breaks."""

    def __init__(self, body, *, breaks=False):
        self.body, self.breaks = io.BytesIO(body), breaks

    def readable(self):
        return True

    def read(self, size=-1):
        found = self.body.read(size)
        if not found and self.breaks:
            raise OSError("reset by peer")
        return found


def spooled(found, **options):
    with streams.spool(found, content_types=TYPES, **{"max_bytes": 100, **options}) as upload:
        return upload.file.read(), upload.content_type, upload.bytes


def test_a_body_is_spooled():
    assert spooled(request()) == (b"a,b\n1,2\n", "text/csv", 8)
    assert spooled(request(b"", CONTENT_LENGTH="")) == (b"", "text/csv", 0)
    assert spooled(request(content_type="Text/CSV; charset=UTF-8; header=present"))[1] == "text/csv"


@pytest.mark.parametrize(
    ("content_type", "meta"),
    [("application/json", {}), ("", {}), ("text/csv; charset=utf-16", {}),
     ("text/csv", {"HTTP_CONTENT_ENCODING": "gzip"})],
)  # fmt: skip
def test_other_types_are_refused_before_anything_is_read(content_type, meta):
    found = request(content_type=content_type, **meta)
    with pytest.raises(UnsupportedMedia):
        spooled(found)
    assert found.read() == b"a,b\n1,2\n"


def test_a_body_has_a_size():
    assert spooled(request(b"x" * 100))[2] == 100
    with pytest.raises(TooLarge):
        spooled(request(b"x" * 101))


def chunked(stream):
    found = request(b"", HTTP_TRANSFER_ENCODING="chunked")
    found.META.pop("CONTENT_LENGTH", None)
    found.META["wsgi.input"] = stream
    return found


def test_a_body_in_chunks_is_read_to_its_end():
    assert spooled(chunked(io.BytesIO(b"x" * 100)))[2] == 100
    with pytest.raises(TooLarge):
        spooled(chunked(io.BytesIO(b"x" * 101)))


@pytest.mark.parametrize("breaks", [True, False])
def test_a_body_that_breaks_off_is_told(breaks):
    found = request(b"", CONTENT_LENGTH="10")
    found._stream = Broken(b"x" * 5, breaks=breaks)
    with pytest.raises(Incomplete):
        spooled(found)


def test_the_file_is_gone_afterwards():
    with streams.spool(request(), content_types=TYPES, max_bytes=100) as upload:
        pass
    assert upload.file.closed


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_while_a_client_sends():
    connection.ensure_connection()

    class Watching(Broken):
        def read(self, size=-1):
            assert connection.connection is None
            return super().read(size)

    assert spooled(chunked(Watching(b"x" * 10)))[2] == 10


def test_a_small_body_is_read_whole_and_stays_readable():
    found = request(b"x" * 10)
    assert streams.read(found, max_bytes=10) == b"x" * 10
    assert streams.read(found, max_bytes=10) == found.body == b"x" * 10
    with pytest.raises(TooLarge):
        streams.read(found, max_bytes=9)
    assert streams.read(chunked(io.BytesIO(b"{}")), max_bytes=9) == b"{}"


def test_a_refused_client_is_read_to_its_end_within_bounds():
    stream = io.BytesIO(b"x" * 20_000_000)
    streams.drain(chunked(stream))
    assert 16 * 1024 * 1024 <= stream.tell() < 17 * 1024 * 1024
    streams.drain(chunked(Broken(b"x" * 10, breaks=True)))


@pytest.mark.django_db
def test_uploads_over_http(trial, monkeypatch):
    asks = callers.Caller()
    found = asks.send("POST", "/upload", b'{"a":1}\n' * 1000, callers.NDJSON, expect=200).json()
    assert found == {"bytes": 8000, "lines": 1000, "type": "application/x-ndjson"}
    assert asks.send("POST", "/upload", b"{}", "application/json").status_code == 415
    monkeypatch.setattr(endpoints.Upload, "max_bytes", 10)
    assert asks.send("POST", "/upload", b"x" * 11, "text/csv").status_code == 413
