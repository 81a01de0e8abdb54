"""Calls to customers' addresses: what is refused, what is cut short, and what gets through."""

import ipaddress
import shutil
import socket
import ssl
import subprocess
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from marketplace.gateways import outbound
from tests.fakes.receiver import drip, receiver


@pytest.fixture
def open_door(settings: LazySettings) -> None:
    settings.WEBHOOKS_ALLOW_PRIVATE = True


@pytest.fixture
def shut_door(settings: LazySettings) -> None:
    settings.WEBHOOKS_ALLOW_PRIVATE = False


@pytest.mark.usefixtures("shut_door")
@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.org/", "https_only"),
        ("file:///etc/passwd", "https_only"),
        ("gopher://example.org/", "https_only"),
        ("//example.org/", "https_only"),
        ("example.org", "https_only"),
        ("", "https_only"),
        ("https://", "url_invalid"),
        ("https:///path", "url_invalid"),
        ("https://example.org:0/", "url_invalid"),
        ("https://example.org:99999/", "url_invalid"),
        ("https://exa mple.org/", "url_invalid"),
        ("https://example.org/\x00", "url_invalid"),
        ("https://[::1/", "url_invalid"),
        ("https://user@example.org/", "url_with_user"),
        ("https://user:word@example.org/", "url_with_user"),
        ("https://example.org/#part", "url_with_fragment"),
        ("https://example.org/" + "a" * 2000, "url_too_long"),
        ("https://127.0.0.1/", "address_not_public"),
        ("https://[::1]/", "address_not_public"),
        ("https://[::ffff:7f00:1]/", "address_not_public"),
        ("https://[64:ff9b::7f00:1]/", "address_not_public"),
        ("https://0/", "address_not_public"),
        ("https://2130706433/", "address_not_public"),
        ("https://0x7f.1/", "address_not_public"),
        ("https://017700000001/", "address_not_public"),
        ("https://169.254.169.254/latest/meta-data", "address_not_public"),
        ("https://10.0.0.1:8443/", "address_not_public"),
        ("https://[fe80::1]/", "address_not_public"),
        ("https://[fd00::1]/", "address_not_public"),
    ],
)
def test_addresses_refused_without_a_look_up(url: str, code: str) -> None:
    with pytest.raises(outbound.Refused) as caught:
        outbound.check(url)
    assert caught.value.code == code


@pytest.mark.usefixtures("shut_door")
@pytest.mark.parametrize(
    "url",
    ["https://example.org/hook?x=1", "https://example.org:8443/", "https://bücher.example/",
     "https://8.8.8.8/", "https://[2606:4700::1111]/"],
)  # fmt: skip
def test_public_addresses_are_taken(url: str) -> None:
    assert outbound.check(url).scheme == "https"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True), ("0.0.0.0", False), ("10.1.2.3", False),
        ("100.64.0.1", False), ("127.8.8.8", False), ("169.254.169.254", False),
        ("172.16.0.1", False), ("192.0.0.10", False), ("192.168.0.1", False),
        ("192.88.99.1", False), ("198.18.0.1", False), ("224.0.0.1", False),
        ("240.0.0.1", False), ("255.255.255.255", False), ("::", False), ("::1", False),
        ("::7f00:1", False), ("64:ff9b::a00:1", False), ("64:ff9b:1::1", False),
        ("2001::1", False), ("2001:db8::1", False), ("2002:7f00:1::", False),
        ("3fff::1", False), ("5f00::1", False), ("fc00::1", False), ("fe80::1%eth0", False),
        ("fec0::1", False), ("ff0e::1", False), ("::ffff:10.0.0.1", False),
    ],
)  # fmt: skip
def test_what_counts_as_public(address: str, public: bool) -> None:
    assert outbound.is_public(ipaddress.ip_address(address)) is public


def _resolves_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let names stand for these addresses: one list a look-up. Answers the names asked for."""
    asked: list[str] = []
    left = list(answers)

    def getaddrinfo(host: str, port: int, **_kwargs: Any) -> list[Any]:
        asked.append(host)
        found = left.pop(0)
        return [(None, None, None, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.usefixtures("shut_door")
@pytest.mark.parametrize(
    "found", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"], ["::ffff:169.254.169.254"]]
)
def test_a_name_for_a_private_address_is_refused(
    found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolves_to(monkeypatch, found)
    monkeypatch.setattr(socket, "create_connection", pytest.fail)
    with pytest.raises(outbound.Refused) as caught:
        outbound.post("https://inside.example/", body=b"", headers={})
    assert caught.value.code == "address_not_public"


@pytest.mark.usefixtures("shut_door")
def test_the_connection_goes_to_the_address_that_was_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = _resolves_to(monkeypatch, ["8.8.8.8"], ["127.0.0.1"])
    connected: list[tuple[str, int]] = []

    def create_connection(address: tuple[str, int], _timeout: float) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", create_connection)
    with pytest.raises(outbound.Failed) as caught:
        outbound.post("https://rebinding.example/", body=b"", headers={})
    assert caught.value.code == "not_connected"
    assert (asked, connected) == (["rebinding.example"], [("8.8.8.8", 443)])


@pytest.mark.usefixtures("open_door")
def test_a_call_arrives_as_it_was_sent() -> None:
    with receiver() as there:
        status = outbound.post(there.url + "?a=1", body=b'{"a":1}', headers={"X-One": "1"})
    (got,) = there.received
    assert (status, got.path, got.body) == (200, "/hook?a=1", b'{"a":1}')
    assert got.headers["x-one"] == "1"
    assert got.headers["host"] == f"127.0.0.1:{there.port}"
    assert got.headers["content-length"] == "7"


@pytest.mark.usefixtures("open_door")
def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    def redirect(_count: int, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(307)
        handler.send_header("location", "/elsewhere")
        handler.send_header("content-length", "0")
        handler.end_headers()

    with receiver(redirect) as there:
        assert outbound.post(there.url, body=b"", headers={}) == 307
    assert len(there.received) == 1


@pytest.mark.usefixtures("open_door")
def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with receiver() as there:
        assert outbound.post(there.url, body=b"", headers={}) == 200


@pytest.mark.usefixtures("open_door")
def test_silence_and_dripping_end_at_the_deadline() -> None:
    began = time.monotonic()
    with receiver(drip(0.05, head=b"HTTP/1.1 200 OK\r\nx: " + b"y" * 4000)) as there:
        with pytest.raises(outbound.Failed) as caught:
            outbound.post(there.url, body=b"", headers={}, seconds=0.3)
        assert caught.value.code == "timed_out"
        assert time.monotonic() - began < 0.8


@pytest.mark.usefixtures("open_door")
def test_an_endless_body_is_not_waited_for() -> None:
    def endless(_count: int, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(10**12))
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            handler.close_connection = True

    began = time.monotonic()
    with receiver(endless) as there:
        assert outbound.post(there.url, body=b"", headers={}, seconds=5) == 200
    assert time.monotonic() - began < 1


@pytest.mark.usefixtures("open_door")
@pytest.mark.parametrize(
    "head", [b"", b"hello\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 40000]
)  # fmt: skip
def test_what_is_not_http_is_no_answer(head: bytes) -> None:
    def speak(_count: int, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(head)
        handler.close_connection = True

    with receiver(speak) as there, pytest.raises(outbound.Failed) as caught:
        outbound.post(there.url, body=b"", headers={}, seconds=2)
    assert caught.value.code in {"no_answer", "not_connected"}
    assert "hello" not in str(caught.value)


@pytest.mark.usefixtures("open_door")
@pytest.mark.parametrize("host", ["a" * 70 + ".example", "no-such-name.invalid"])
def test_names_that_stand_for_nothing(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(name: str, _port: int, **_kwargs: Any) -> list[Any]:
        name.encode("idna")
        raise socket.gaierror(-2, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises((outbound.Failed, outbound.Refused)):
        outbound.post(f"https://{host}/", body=b"", headers={})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate with its key, for `localhost` alone."""
    tool = shutil.which("openssl")
    if tool is None:
        pytest.skip("no openssl to make a certificate with")
    made = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [tool, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", made, "-out", made.with_suffix(".crt")],
        check=True, capture_output=True,
    )  # fmt: skip
    return made


def _around(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.with_suffix(".crt"), certificate)
    return context


@pytest.mark.usefixtures("open_door")
def test_tls_checks_the_certificate_against_the_name(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def served(sock: socket.socket) -> socket.socket:
        return _around(certificate).wrap_socket(
            sock, server_side=True, do_handshake_on_connect=False
        )

    with receiver(wrap=served) as there:
        url = f"https://localhost:{there.port}/"
        with pytest.raises(outbound.Failed) as caught:
            outbound.post(url, body=b"", headers={}, seconds=3)
        assert caught.value.code == "tls_failed"

        trusting = ssl.create_default_context(cafile=str(certificate.with_suffix(".crt")))
        monkeypatch.setattr(outbound, "_tls", lambda: trusting)
        assert outbound.post(url, body=b"{}", headers={}, seconds=3) == 200
        assert there.received[0].headers["host"] == f"localhost:{there.port}"
        # Another name for the same server is not the name the certificate is for.
        with pytest.raises(outbound.Failed) as caught:
            outbound.post(f"https://127.0.0.1:{there.port}/", body=b"", headers={}, seconds=3)
        assert caught.value.code == "tls_failed"


@pytest.mark.usefixtures("open_door")
def test_a_handshake_that_never_comes_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        with pytest.raises(outbound.Failed) as caught:
            outbound.post(
                f"https://127.0.0.1:{listener.getsockname()[1]}/",
                body=b"", headers={}, seconds=0.3,
            )  # fmt: skip
    assert caught.value.code == "timed_out"
    assert time.monotonic() - began < 0.8
