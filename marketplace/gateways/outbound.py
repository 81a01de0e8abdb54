"""Calls to addresses that customers name, made safe against use of our place in the network.

One name look-up; every address it gives must be public; the connection goes to one of those very
addresses, so a second look-up cannot answer otherwise. Only https, certificates checked against
the name; redirects are answers like any other, never followed; no proxy of the environment; the
whole call, the handshake included, ends at one deadline; nothing of the answer but its status is
read, and no error says more than a code of ours.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpcore
import httpx
from django.conf import settings

URL_CAP = 2000
SECONDS = 10.0
_USER_AGENT = "Piecework-Webhooks/1"

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: Inside otherwise public space, but not the hosts of anybody: relays, tunnels, examples.
_SPECIAL = (
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("192.88.99.0/24"),
    ipaddress.ip_network("2001::/23"),
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("3fff::/20"),
)


class Refused(Exception):
    """The address is one we do not call; `code` says why, `detail` says it to people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Failed(Exception):
    """No answer came back; `code` is one of timed_out, tls_failed, not_connected, no_answer."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def check(url: str) -> httpx.URL:
    """Parse an address and refuse what can be refused without a name look-up.

    Raises:
        Refused: not an absolute https URL, with a user name, a fragment or a private address.
    """
    if len(url) > URL_CAP:
        raise Refused("url_too_long", f"The address is longer than {URL_CAP} characters.")
    try:
        parsed = httpx.URL(url)
        # Its parts are decoded on access only: a broken one must show here.
        host, scheme = parsed.raw_host.decode("ascii"), parsed.scheme
        has_user, port = bool(parsed.userinfo), parsed.port
    except (httpx.InvalidURL, UnicodeError, ValueError) as problem:
        raise Refused("url_invalid", "The address is not a valid URL.") from problem
    if scheme != "https" and not (scheme == "http" and settings.WEBHOOKS_ALLOW_PRIVATE):
        raise Refused("https_only", "The address must begin with https://.")
    if not _HOST.fullmatch(host) or not 1 <= (443 if port is None else port) <= 65535:
        raise Refused("url_invalid", "The address names no host, or no port, that can be called.")
    if has_user:
        raise Refused("url_with_user", "The address must not hold a user name or password.")
    if parsed.fragment:
        raise Refused("url_with_fragment", "The address must not have a fragment (#).")
    if literal := _literal(host):
        _admit(literal)
    return parsed


def post(url: str, *, body: bytes, headers: Mapping[str, str], seconds: float = SECONDS) -> int:
    """Post a body and answer the status, whatever it is. Blocks for at most about `seconds`.

    The look-up of the name has the system resolver's own limit on top.

    Raises:
        Refused: the address, or what its name stands for, is not one we call.
        Failed: no status came back in time.
    """
    parsed = check(url)
    sent = {"User-Agent": _USER_AGENT, **headers, "Host": parsed.netloc.decode("ascii")}
    network = _Network()
    try:
        with (
            httpcore.ConnectionPool(
                ssl_context=_tls(), network_backend=network, max_connections=1
            ) as pool,
            pool.stream(
                "POST",
                httpcore.URL(
                    scheme=parsed.raw_scheme,
                    host=parsed.raw_host,
                    port=parsed.port,
                    target=parsed.raw_path,
                ),
                headers=list(sent.items()),
                content=body,
                extensions={"timeout": network.begin(seconds)},
            ) as answer,
        ):
            return answer.status
    except TimeoutError as problem:
        raise Failed("timed_out") from problem
    except ssl.SSLError as problem:
        raise Failed("tls_failed") from problem
    except (OSError, UnicodeError) as problem:  # a name may be one that no look-up can take
        raise Failed("not_connected") from problem
    except (httpcore.ProtocolError, httpcore.NetworkError, httpcore.TimeoutException) as problem:
        raise Failed("no_answer") from problem


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read a host that is an address, in any spelling a resolver would take (0x7f.1 and so on)."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _admit(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if not settings.WEBHOOKS_ALLOW_PRIVATE and not is_public(address):
        raise Refused("address_not_public", "The address is not on the public internet.")


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether an address belongs to a host of the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_V6 or address.scope_id is not None:
            return False
    if any(address.version == net.version and address in net for net in _SPECIAL):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


class _Network(httpcore.NetworkBackend):
    """Connects to addresses that were looked up once and admitted; one deadline for all."""

    def __init__(self) -> None:
        self._ends = 0.0

    def begin(self, seconds: float) -> dict[str, float]:
        """Start the clock; answer the limits that the pool itself is to keep."""
        self._ends = time.monotonic() + seconds
        return {"pool": seconds}

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            _admit(ipaddress.ip_address(address))
        problem: OSError = ConnectionError("the name has no address")
        for address in addresses:
            try:
                connection = socket.create_connection((address, port), _left(self._ends))
            except TimeoutError:
                raise
            except OSError as failed:
                problem = failed
            else:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return _Stream(connection, self._ends)
        raise problem


class _Stream(httpcore.NetworkStream):
    """A connection on which nothing outlasts the deadline, however slowly the other side drips."""

    def __init__(self, connection: socket.socket, ends: float) -> None:
        self._connection = connection
        self._ends = ends

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._connection.settimeout(_left(self._ends))
        return self._connection.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        while buffer:
            self._connection.settimeout(_left(self._ends))
            buffer = buffer[self._connection.send(buffer) :]

    def close(self) -> None:
        self._connection.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        try:
            # The limit holds for the handshake as a whole, not for each of its reads.
            self._connection.settimeout(_left(self._ends))
            secured = ssl_context.wrap_socket(self._connection, server_hostname=server_hostname)
        except BaseException:
            self._connection.close()
            raise
        return _Stream(secured, self._ends)

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object" and isinstance(self._connection, ssl.SSLSocket):
            return self._connection
        return None


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
