"""Names in HTTP requests and TLS ClientHellos, whole, in pieces and hostile."""

from __future__ import annotations

import hashlib
import ssl
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st


def client_hello(name: str) -> bytes:
    """What OpenSSL really sends."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    connection = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


HELLO = client_hello("www.Example.org")


def outcome(dpi: SimpleNamespace, data: bytes) -> str:
    """The name, or which refusal."""
    try:
        found = dpi.names.find_name(data)
    except dpi.names.NeedMore:
        return "need more"
    except dpi.names.NoName:
        return "no name"
    return f"{found.protocol} {found.name}"


def test_a_real_client_hello_names_its_server(dpi):
    assert outcome(dpi, HELLO) == "tls www.example.org"


def test_every_truncated_client_hello_asks_for_more(dpi):
    assert {outcome(dpi, HELLO[:length]) for length in range(len(HELLO))} == {"need more"}


def test_octets_behind_the_client_hello_do_not_matter(dpi):
    assert outcome(dpi, HELLO + b"\x17\x03\x03\x00\x01x") == "tls www.example.org"


@pytest.mark.parametrize("size", [1, 3, 4, 50, 200])
def test_a_client_hello_may_span_records(dpi, size):
    message = HELLO[5:]
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    split = b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)
    assert outcome(dpi, split) == "tls www.example.org"


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("a server's hello", b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"),
        ("SSL 2", b"\x16\x02\x00\x00\x04\x01\x00\x00\x00"),
        ("an empty record", b"\x16\x03\x01\x00\x00"),
        ("a record of 65535 octets", b"\x16\x03\x01\xff\xff\x01"),
        ("a message of 16 MiB", b"\x16\x03\x01\x40\x00\x01\xff\xff\xff"),
        ("a hello that ends in its version", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03"),
        ("an alert", b"\x15\x03\x01\x00\x02\x02\x28"),
        ("text", b"hello world"),
        ("zeros", bytes(64)),
        ("an HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ],
)
def test_what_is_no_request_has_no_name(dpi, what, data):
    assert outcome(dpi, data) == "no name", what


@given(data=st.binary(max_size=400))
def test_no_octets_break_the_parsers(dpi, data):
    assert outcome(dpi, data)
    assert outcome(dpi, b"\x16\x03\x01" + data)
    assert outcome(dpi, b"GET / HTTP/1.1\r\nHost: " + data + b"\r\n\r\n")


@given(position=st.integers(0, len(HELLO) - 1), value=st.integers(0, 255))
def test_no_changed_octet_of_a_client_hello_breaks_the_parser(dpi, position, value):
    damaged = bytearray(HELLO)
    damaged[position] = value
    assert outcome(dpi, bytes(damaged))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET / HTTP/1.1\r\nHost: Example.ORG\r\n\r\n", "http example.org"),
        (b"GET / HTTP/1.1\r\nAccept: */*\r\nhOsT:example.org:8080 \r\n\r\n", "http example.org"),
        (b"POST /x HTTP/1.1\r\nHost: 198.51.100.1\r\nContent-Length: 3\r\n\r\nabc", "http 198.51.100.1"),
        (b"GET / HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\n\r\n", "http [2001:db8::1]"),
        (b"GET / HTTP/1.0\nHost: a.b.\n\n", "http a.b"),
        (b"GET / HTTP/1.1\r\n\r\n", "no name"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "no name"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "no name"),
        (b'GET / HTTP/1.1\r\nHost: a","x":"\r\n\r\n', "no name"),
        (b"GET / HTTP/1.1\r\nHost: " + b"a" * 254 + b"\r\n\r\n", "no name"),
        (b"GET / HTTP/1.1\r\nHost: ..\r\n\r\n", "no name"),
        (b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n", "no name"),
        (b"GET / HTTP/1.1\r\nHost: a:99999999\r\n\r\n", "no name"),
        (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", "no name"),
        (b"GET / SIP/2.0\r\nHost: a\r\n\r\n", "no name"),
        (b"GET / HTTP/1.1\r\nHost: exam", "need more"),
        (b"GE", "need more"),
        (b"", "need more"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000, "no name"),
    ],
)
def test_the_host_of_a_request(dpi, head, expected):
    assert outcome(dpi, head) == expected


def test_the_context_value_is_the_first_four_octets_of_sha256(dpi):
    expected = int(hashlib.sha256(b"example.org").hexdigest()[:8], 16)
    assert dpi.names.context_value("example.org") == expected
