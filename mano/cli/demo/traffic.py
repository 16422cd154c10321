"""What a subscriber does: ask web servers, resolve names, knock on ports. Plain sockets, each with a deadline.

Every function runs in the network namespace of the calling thread.
"""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import ssl
import struct
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What the web server said: the name and the address under which it saw the request."""

    status: int
    name: str
    peer: str


def http_get(address: str, host: str, port: int = 80) -> WebAnswer:
    """GET / with this Host header."""
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return _answer(connection.getresponse())
    finally:
        connection.close()


def tls_get(address: str, server_name: str, port: int = 443) -> WebAnswer:
    """GET / over TLS with this server name; the demo's certificate signs itself, so it is not checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((address, port), TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=server_name) as secure,
    ):
        secure.sendall(f"GET / HTTP/1.1\r\nHost: {server_name}\r\nConnection: close\r\n\r\n".encode())
        response = http.client.HTTPResponse(secure)
        response.begin()
        return _answer(response)


def download(address: str, octets: int, host: str = "download.example") -> int:
    """Octets received of a body of that size: full-size TCP segments through the chain."""
    connection = http.client.HTTPConnection(address, 80, timeout=TIMEOUT_S * 4)
    try:
        connection.request("GET", f"/octets/{octets}", headers={"Host": host})
        return len(connection.getresponse().read())
    finally:
        connection.close()


def _answer(response: http.client.HTTPResponse) -> WebAnswer:
    document: dict[str, Any] = json.loads(response.read())
    return WebAnswer(response.status, str(document["name"]), str(document["peer"]))


def resolve(server: str, name: str) -> str:
    """Ask a DNS server for an A record (RFC 1035); the address that it answers."""
    identifier = secrets.token_bytes(2)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = identifier + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(TIMEOUT_S)
        channel.sendto(query, (server, 53))
        reply, _ = channel.recvfrom(512)
    if reply[:2] != identifier:
        raise OSError("the DNS reply answers another question")
    return socket.inet_ntoa(reply[-4:])


def echo(server: str, size: int, port: int = 7007) -> bool:
    """Whether a UDP datagram of that size comes back as it was; larger ones travel in fragments."""
    payload = secrets.token_bytes(size)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(TIMEOUT_S)
        channel.sendto(payload, (server, port))
        return channel.recvfrom(65535)[0] == payload


def knock(address: str, port: int, timeout_s: float = 2.0) -> str:
    """What becomes of a TCP connection: ``open``, ``refused`` or ``silent``."""
    try:
        socket.create_connection((address, port), timeout_s).close()
    except TimeoutError:
        return "silent"
    except ConnectionRefusedError:
        return "refused"
    return "open"
