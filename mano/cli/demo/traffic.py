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
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

TIMEOUT_S = 5.0
"""How long an answer may take, unless the caller says otherwise."""

SILENCE_S = 1.2
"""How long nothing is heard of a port that is called silent: the first repetition of a SYN comes after one second."""

IP_MTU_DISCOVER, IP_PMTUDISC_DO, IPV6_DONTFRAG = 10, 2, 62
"""Linux's numbers; Python has no names for them."""

_ICMP = {
    4: (socket.AF_INET, socket.IPPROTO_ICMP, 8, 0, 20),
    6: (socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, 129, 40),
}
"""Address family, protocol, echo request, echo reply, octets of the IP header, by IP version."""


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What the web server said: the name and the address under which it saw the request."""

    status: int
    name: str
    peer: str


def http_get(address: str, host: str, port: int = 80, timeout_s: float = TIMEOUT_S) -> WebAnswer:
    """GET / with this Host header."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout_s)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return _answer(connection.getresponse())
    finally:
        connection.close()


def tls_get(address: str, server_name: str, port: int = 443, timeout_s: float = TIMEOUT_S) -> WebAnswer:
    """GET / over TLS with this server name; the demo's certificate signs itself, so it is not checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((address, port), timeout_s) as plain,
        context.wrap_socket(plain, server_hostname=server_name) as secure,
    ):
        secure.sendall(f"GET / HTTP/1.1\r\nHost: {server_name}\r\nConnection: close\r\n\r\n".encode())
        response = http.client.HTTPResponse(secure)
        response.begin()
        return _answer(response)


def download(address: str, octets: int, host: str = "download.example", timeout_s: float = TIMEOUT_S) -> int:
    """Octets received of a body of that size: full-size TCP segments through the chain."""
    connection = http.client.HTTPConnection(address, 80, timeout=timeout_s)
    try:
        connection.request("GET", f"/octets/{octets}", headers={"Host": host})
        return len(connection.getresponse().read())
    finally:
        connection.close()


def _answer(response: http.client.HTTPResponse) -> WebAnswer:
    document: dict[str, Any] = json.loads(response.read())
    return WebAnswer(response.status, str(document["name"]), str(document["peer"]))


def resolve(server: str, name: str, timeout_s: float = TIMEOUT_S) -> str:
    """Ask a DNS server for an A record (RFC 1035); the address that it answers."""
    identifier = secrets.token_bytes(2)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = identifier + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(timeout_s)
        channel.sendto(query, (server, 53))
        reply, _ = channel.recvfrom(512)
    if reply[:2] != identifier:
        raise OSError("the DNS reply answers another question")
    return socket.inet_ntoa(reply[-4:])


def echo(server: str, size: int, port: int = 7007, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether a UDP datagram of that size comes back as it was; larger ones travel in fragments."""
    payload = secrets.token_bytes(size)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(timeout_s)
        channel.sendto(payload, (server, port))
        return channel.recvfrom(65535)[0] == payload


def ping(address: str, octets: int, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether an ICMP echo of this size (the whole IP packet, never fragmented) is answered."""
    version = ip_address(address).version
    family, protocol, request, reply, header = _ICMP[version]
    identifier = secrets.token_bytes(4)
    body = identifier + secrets.token_bytes(octets - header - 8)
    echo_request = struct.pack("!BBH", request, 0, _checksum(struct.pack("!BBH", request, 0, 0) + body)) + body
    with socket.socket(family, socket.SOCK_RAW, protocol) as channel:
        if version == 4:
            channel.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        else:
            channel.setsockopt(socket.IPPROTO_IPV6, IPV6_DONTFRAG, 1)
        channel.sendto(echo_request, (address, 0))
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            channel.settimeout(left)
            try:
                data, _ = channel.recvfrom(65535)
            except TimeoutError:
                return False
            answer = data[(data[0] & 0x0F) * 4 :] if version == 4 else data
            if answer[0] == reply and answer[4:] == body:
                return True
    return False


def _checksum(data: bytes) -> int:
    """RFC 1071; the kernel writes that of ICMPv6 anew."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def knock(address: str, port: int, timeout_s: float = SILENCE_S) -> str:
    """What becomes of a TCP connection: ``open``, ``refused`` or ``silent``."""
    try:
        socket.create_connection((address, port), timeout_s).close()
    except TimeoutError:
        return "silent"
    except ConnectionRefusedError:
        return "refused"
    return "open"
