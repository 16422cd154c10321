"""Finds the name that a client asks for in the first octets that it sends: HTTP's Host, or TLS' server name.

Everything here comes from strangers: lengths are checked before they are used, nothing is read beyond the data, and
a name is accepted only if it looks like one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

CLIENT_HELLO_MAX = 16384  # octets; browsers send 500 to 2000
HTTP_HEAD_MAX = 8192

_METHOD = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH) ")
_REQUEST_LINE = re.compile(rb"[A-Z]{3,8} [!-~]{1,4096} HTTP/1\.[01]\r?\n")
_HOST = re.compile(rb"\n[Hh][Oo][Ss][Tt]:[ \t]*([^\r\n]*?)[ \t]*(?=\r?\n)")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62})?)*")
_IPV6 = re.compile(r"\[[0-9a-f:.]{2,45}\]")

_RECORD_HANDSHAKE = 22  # RFC 8446 section 5.1
_HANDSHAKE_CLIENT_HELLO = 1  # RFC 8446 section 4
_EXTENSION_SERVER_NAME = 0  # RFC 6066 section 3
_NAME_TYPE_HOST = 0


@dataclass(frozen=True)
class Found:
    """A name, and the protocol it was found in (``http`` or ``tls``)."""

    protocol: str
    name: str


class NeedMore(Exception):
    """So far it looks like a request; the rest has not come yet."""


class NoName(Exception):
    """This is no request that names a host."""


def find_name(data: bytes) -> Found:
    """The name in the beginning of a client's stream; raises :class:`NeedMore` or :class:`NoName`."""
    if not data:
        raise NeedMore
    if data[0] == _RECORD_HANDSHAKE:
        return Found("tls", tls_server_name(data))
    return Found("http", http_host(data))


def context_value(name: str) -> int:
    """The 32 bits that stand for a name in a context header; never 0, which means that nothing was found."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") or 1


def http_host(data: bytes) -> str:
    """The Host of an HTTP/1 request (RFC 9112 section 3.2)."""
    if not _METHOD.match(data) and not _could_become_method(data):
        raise NoName
    end = re.search(rb"\r?\n\r?\n", data[:HTTP_HEAD_MAX])
    if end is None:
        if len(data) >= HTTP_HEAD_MAX:
            raise NoName
        raise NeedMore
    head = data[: end.end()]
    if not _REQUEST_LINE.match(head):
        raise NoName
    hosts = _HOST.findall(head)
    if len(hosts) != 1:  # RFC 9112 section 3.2: exactly one
        raise NoName
    return clean_name(hosts[0])


def _could_become_method(data: bytes) -> bool:
    return len(data) < 8 and data.isalpha() and data.isupper()


def clean_name(raw: bytes) -> str:
    """Lower case, without port and final dot; :class:`NoName` for what is no host name or address."""
    try:
        text = raw.decode("ascii").lower()
    except UnicodeDecodeError:
        raise NoName from None
    if match := _IPV6.match(text):
        name, rest = match.group(), text[match.end() :]
    else:
        name, colon, port = text.partition(":")
        rest = colon + port
        name = name.removesuffix(".")
        if not _NAME.fullmatch(name):
            raise NoName
    if rest and not re.fullmatch(r":[0-9]{0,5}", rest):
        raise NoName
    return name


def tls_server_name(data: bytes) -> str:
    """The server name of a ClientHello (RFC 6066 section 3), which may span several records and segments."""
    hello = Reader(_client_hello(data))
    hello.skip(2 + 32)  # legacy_version, random
    hello.take(hello.number(1))  # legacy_session_id
    hello.take(hello.number(2))  # cipher_suites
    hello.take(hello.number(1))  # legacy_compression_methods
    extensions = Reader(hello.take(hello.number(2)))
    while extensions.left:
        kind, body = extensions.number(2), extensions.take(extensions.number(2))
        if kind == _EXTENSION_SERVER_NAME:
            return _host_name(Reader(body))
    raise NoName


def _client_hello(data: bytes) -> bytes:
    """The message's body, put together from its records (RFC 8446 section 5.1)."""
    handshake = b""
    position = 0
    while (body := _complete_hello(handshake)) is None:
        if len(data) - position < 5:
            raise NeedMore
        length = int.from_bytes(data[position + 3 : position + 5], "big")
        if data[position] != _RECORD_HANDSHAKE or data[position + 1] != 3 or not 0 < length <= CLIENT_HELLO_MAX:
            raise NoName
        handshake += data[position + 5 : position + 5 + length]
        position += 5 + length
    return body


def _complete_hello(handshake: bytes) -> bytes | None:
    """The ClientHello without its four octets of header, or None while octets are missing."""
    if handshake and handshake[0] != _HANDSHAKE_CLIENT_HELLO:
        raise NoName
    length = int.from_bytes(handshake[1:4], "big")
    if length > CLIENT_HELLO_MAX:
        raise NoName
    return handshake[4 : 4 + length] if len(handshake) >= 4 + length else None


def _host_name(extension: Reader) -> str:
    names = Reader(extension.take(extension.number(2)))
    while names.left:
        kind, name = names.number(1), names.take(names.number(2))
        if kind == _NAME_TYPE_HOST:
            return clean_name(name)
    raise NoName


class Reader:
    """Walks through octets; :class:`NoName` when they end too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise NoName
        self._position += count
        return self._data[self._position - count : self._position]

    def skip(self, count: int) -> None:
        self.take(count)

    def number(self, count: int) -> int:
        """An unsigned integer of ``count`` octets."""
        return int.from_bytes(self.take(count), "big")
