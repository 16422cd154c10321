"""Calls on behalf of clients: where to, how long, and with which proof."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mano.adapters.web_addresses import AddressPolicy
from mano.adapters.web_client import WebClient
from mano.adapters.webhooks import WebPostman
from mano.domain.subscription import Authentication, AuthType
from mano.errors import CallbackRefused, InvalidInput
from mano.settings import Outbound

BY_CERTIFICATE = Authentication(kinds=(AuthType.TLS_CERT,))


@pytest.mark.parametrize(
    ("address", "in_lab", "elsewhere"),
    [
        ("127.0.0.1", True, False),
        ("::1", True, False),
        ("::ffff:127.0.0.1", True, False),
        ("10.1.2.3", True, True),
        ("192.0.2.7", True, True),
        ("2001:db8::1", True, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("2002:a9fe:a9fe::1", False, False),
        ("fe80::1", False, False),
        ("0.0.0.0", False, False),
        ("0.1.2.3", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("ff02::1", False, False),
        ("255.255.255.255", False, False),
    ],
)
def test_addresses_that_no_receiver_has_are_not_called(address: str, in_lab: bool, elsewhere: bool) -> None:
    parsed = ipaddress.ip_address(address)
    assert AddressPolicy(Outbound(loopback=True)).allows(parsed) is in_lab
    assert AddressPolicy(Outbound()).allows(parsed) is elsewhere


def test_named_networks_are_the_only_ones() -> None:
    policy = AddressPolicy(Outbound(networks=("10.0.0.0/8", "fd00::/8"), loopback=True))
    allowed = [text for text in ("10.1.2.3", "fd00::1", "127.0.0.1", "192.0.2.1") if policy.allows(_address(text))]
    assert allowed == ["10.1.2.3", "fd00::1"]
    with pytest.raises(ValueError, match="appear"):
        Outbound(networks=("10.0.0.0/33",))
    with pytest.raises(ValueError, match="go together"):
        Outbound(cert_file=Path("x"))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(text)


@pytest.mark.parametrize(
    "uri", ["http://", "file:///etc/passwd", "http://a b/", "http://h/\n", "http://[::1", "http://ü/", "h" * 3000]
)
def test_what_is_no_uri_is_not_called(uri: str) -> None:
    with pytest.raises(InvalidInput):
        AddressPolicy(Outbound()).require_uri(uri)


def test_a_name_is_judged_by_the_address_that_it_means(client: WebClient) -> None:
    forbidding = WebClient(Outbound(networks=("192.0.2.0/24",)))
    with closing(forbidding), answering(b"") as port, pytest.raises(CallbackRefused, match="does not call"):
        WebPostman(forbidding).probe(f"http://localhost:{port}/", Authentication())


@pytest.fixture
def client() -> Iterator[WebClient]:
    made = WebClient(Outbound(loopback=True, deadline_s=0.5))
    yield made
    made.close()


@contextmanager
def answering(answer: bytes, *, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that says one thing to everybody and keeps the connection; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    end = threading.Event()

    def serve() -> None:
        kept = []
        while not end.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            try:
                spoken = context.wrap_socket(connection, server_side=True) if context else connection
                spoken.recv(65536)
                spoken.sendall(answer)
                kept.append(spoken)
            except OSError:
                connection.close()
        for connection in kept:
            connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        end.set()
        thread.join(5)
        listener.close()


def test_a_callback_that_says_nothing_is_not_waited_for(client: WebClient) -> None:
    begun = time.monotonic()
    with answering(b"") as port, pytest.raises(CallbackRefused, match="in time"):
        WebPostman(client).probe(f"http://127.0.0.1:{port}/", Authentication())
    assert time.monotonic() - begun < 5, "the deadline is half a second"


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 204", b"HTTP/1.1 204 \r\nX: " + b"x" * 70000])
def test_a_callback_that_speaks_no_http_is_none(client: WebClient, answer: bytes) -> None:
    with answering(answer) as port, pytest.raises(CallbackRefused):
        WebPostman(client).probe(f"http://127.0.0.1:{port}/", Authentication())


def test_a_redirection_is_not_followed(client: WebClient) -> None:
    with answering(b"HTTP/1.1 204 No Content\r\n\r\n") as good:
        moved = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{good}/\r\nContent-Length: 0\r\n\r\n".encode()
        with answering(moved) as port, pytest.raises(CallbackRefused, match="302"):
            WebPostman(client).probe(f"http://127.0.0.1:{port}/", Authentication())
        WebPostman(client).probe(f"http://127.0.0.1:{good}/", Authentication())


def test_no_proxy_of_the_environment_is_used(client: WebClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with answering(b"HTTP/1.1 204 No Content\r\n\r\n") as port:
        WebPostman(client).probe(f"http://127.0.0.1:{port}/", Authentication())


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    folder = tmp_path_factory.mktemp("identity")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "catena test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, secret


@contextmanager
def answering_the_certified(identity: tuple[Path, Path]) -> Iterator[int]:
    """A receiver that asks for a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*identity)
    context.load_verify_locations(identity[0])
    context.verify_mode = ssl.CERT_REQUIRED
    with answering(b"HTTP/1.1 204 No Content\r\n\r\n", context=context) as port:
        yield port


def test_the_servers_certificate_opens_a_receiver_that_asks_for_one(identity: tuple[Path, Path]) -> None:
    certificate, key = identity
    with (
        answering_the_certified(identity) as port,
        closing(WebClient(Outbound(loopback=True, ca_file=certificate, cert_file=certificate, key_file=key))) as known,
    ):
        WebPostman(known).probe(f"https://127.0.0.1:{port}/", BY_CERTIFICATE)


def test_without_it_or_with_an_unknown_authority_there_is_no_way_in(identity: tuple[Path, Path]) -> None:
    certificate, key = identity
    nameless = Outbound(loopback=True, ca_file=certificate, deadline_s=2.0)
    distrustful = Outbound(loopback=True, cert_file=certificate, key_file=key, deadline_s=2.0)
    with answering_the_certified(identity) as port:
        for outbound in (nameless, distrustful):
            with closing(WebClient(outbound)) as client, pytest.raises(CallbackRefused):
                WebPostman(client).probe(f"https://127.0.0.1:{port}/", BY_CERTIFICATE)


def test_a_client_that_was_closed_can_be_used_again(client: WebClient) -> None:
    with answering(b"HTTP/1.1 204 No Content\r\n\r\n") as port:
        for _ in range(2):
            WebPostman(client).probe(f"http://127.0.0.1:{port}/", Authentication())
            client.close()
    unfinished: Future[None] = client.submit(_nothing())
    assert unfinished.result(5) is None


async def _nothing() -> None:
    return None
