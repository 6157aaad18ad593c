"""A connection to an address that somebody else wrote down, kept from reaching what only this machine can (threat 11).

The name is looked up once, every address that it has must be a public one, and that address is connected to: a name
that leads elsewhere a moment later leads nowhere. No redirect is followed, an answer has TIMEOUT seconds, whole.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit

TIMEOUT = 5.0  # seconds to connect, and again for the whole of question and answer
LONGEST = 65_536  # bytes of an answer that are read, so that the connection can be used again
LONGEST_URL = 500

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Ranges of IPv6 that lead inside, or back to IPv4, and that Python counts as global all the same.
_INSIDE = tuple(map(ipaddress.ip_network, (
    "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96", "fec0::/10", "3fff::/20",
)))


class BadAddress(ValueError):
    """An address that nothing is sent to; the message is one sentence."""


class Failed(Exception):
    """Nobody answered; the message says in a few words why."""


def check_url(url: str) -> None:
    """Raise BadAddress unless it is https://, or http:// to this machine itself."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise BadAddress("This is not an address.") from None
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise BadAddress(f"The address may have {LONGEST_URL} characters of ASCII at most, and no blank.")
    if not host or "@" in parts.netloc or "#" in url:
        raise BadAddress("Use an address such as https://crm.shop.example/poort, without a password or a fragment.")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_this_machine(host)):
        raise BadAddress("Use https://; http:// is for this machine itself alone.")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_public(text: str) -> bool:
    """Whether the address is one of the internet's, also when it wraps another one for IPv6."""
    address = ipaddress.ip_address(text)
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    if any(address in network for network in _INSIDE):
        return False
    wrapped = [address.ipv4_mapped, address.sixtofour]
    if address in _NAT64:
        wrapped.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return all(is_public(str(inner)) for inner in wrapped if inner is not None)


def address_of(host: str, port: int, scheme: str, private: bool) -> str:
    """Where to connect to; raises Failed when the name has no address or one that is not allowed."""
    try:
        found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        raise Failed("the name is not known") from None
    if not found or not (private or all(map(is_public, found))):
        raise Failed("the address is not allowed")
    if scheme == "http" and not all(map(_is_this_machine, found)):
        raise Failed("the address is not allowed")
    return found[0]


class Endpoint:
    """An endpoint to POST to, from `with` until its end; the connection is kept as long as both sides like."""

    def __init__(self, url: str, private: bool) -> None:
        parts = urlsplit(url)
        self._scheme, self._host = parts.scheme, parts.hostname or ""
        self._port = parts.port or {"https": 443, "http": 80}[parts.scheme]
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._named = parts.netloc
        self._private = private
        self._address: str | None = None
        self._line: http.client.HTTPConnection | None = None

    def __enter__(self) -> "Endpoint":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        """The status of the answer; raises Failed without one."""
        late = threading.Event()
        try:
            line = self._line = self._line or self._open()
            sock = line.sock
            timer = threading.Timer(TIMEOUT, _cut, (sock, late))
            timer.start()
            try:
                return self._exchange(line, body, headers)
            finally:
                timer.cancel()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._close()
            raise Failed("it took too long" if late.is_set() else why(error)) from None

    def _exchange(self, line: http.client.HTTPConnection, body: bytes, headers: dict[str, str]) -> int:
        if isinstance(line.sock, ssl.SSLSocket):
            line.sock.do_handshake()  # only the first one does anything
        line.request("POST", self._path, body, {"Host": self._named, "User-Agent": "Poort", **headers})
        answer = line.getresponse()
        if answer.will_close or len(answer.read(LONGEST)) == LONGEST:
            self._close()
        return answer.status

    def _open(self) -> http.client.HTTPConnection:
        if self._address is None:
            self._address = address_of(self._host, self._port, self._scheme, self._private)
        line = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
        line.auto_open = 0  # by itself it would look the name up anew
        line.sock = socket.create_connection((self._address, self._port), TIMEOUT)
        if self._scheme == "https":
            context = ssl.create_default_context()
            line.sock = context.wrap_socket(line.sock, server_hostname=self._host, do_handshake_on_connect=False)
        return line

    def _close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


def _cut(sock: socket.socket, late: threading.Event) -> None:
    """End an exchange that takes too long: a time-out of the socket counts anew with every byte."""
    late.set()
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # the plain one: TLS has nothing to say goodbye for


def why(error: Exception) -> str:
    """What went wrong with a connection, in a few words that name nobody."""
    if isinstance(error, ssl.SSLError):
        return "TLS or the certificate is not right"
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, socket.gaierror):
        return "the name is not known"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    return "the connection broke"
