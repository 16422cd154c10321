"""The internet of the demo: a web server with and without TLS, a DNS server, an open telnet port, a UDP echo.

Runs as a process of its own inside the namespace of the SAP ``internet``. Every request becomes one JSON line in the
log: which protocol, which name was asked for, and from which address it came.
"""

from __future__ import annotations

import argparse
import json
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HTTP_PORT, TLS_PORT, DNS_PORT, TELNET_PORT, ECHO_PORT = 80, 443, 53, 23, 7007
LARGEST_BODY = 8 << 20
LOG_MAX_OCTETS = 4 << 20


class RequestLog:
    """JSON lines, one for each request, written whole; a log that is full begins anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def add(self, protocol: str, name: str, peer: str) -> None:
        """One request."""
        line = json.dumps({"time": time.time(), "protocol": protocol, "name": name[:255], "peer": peer})
        with self._lock:
            full = self._path.exists() and self._path.stat().st_size > LOG_MAX_OCTETS
            with self._path.open("w" if full else "a", encoding="utf-8") as file:
                file.write(line + "\n")


def web_handler(log: RequestLog, protocol: str, name_of: Callable[[Any, str], str]) -> type[BaseHTTPRequestHandler]:
    """A handler that answers ``/`` with what it saw and ``/octets/N`` with N octets."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_GET(self) -> None:
            name = name_of(self.connection, self.headers.get("Host", ""))
            log.add(protocol, name, self.client_address[0])
            body = self._body(name)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _body(self, name: str) -> bytes:
            size = self.path.removeprefix("/octets/")
            if size != self.path and size.isdigit() and int(size) <= LARGEST_BODY:
                return bytes(int(size))
            return json.dumps({"name": name, "peer": self.client_address[0]}).encode()

        def log_message(self, format: str, *args: Any) -> None:
            """The request log is ours."""

    return Handler


def serve_web(address: str, port: int, handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None) -> None:
    """Serve until the process ends."""
    server = ThreadingHTTPServer((address, port), handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


def tls_context(certificate: Path, names: dict[int, str]) -> ssl.SSLContext:
    """A server context that remembers, per connection, the server name that the client sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def remember(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if len(names) > 10_000:
            names.clear()
        names[id(connection)] = name or ""

    context.sni_callback = remember
    return context


class DnsHandler(socketserver.BaseRequestHandler):
    """Answers every A question with the server's own address (RFC 1035)."""

    log: RequestLog
    address: str

    def handle(self) -> None:
        """One datagram."""
        data, reply_socket = self.request
        if len(data) < 17 or len(data) > 512:
            return
        question, name = _question(data)
        self.log.add("dns", name, self.client_address[0])
        header = data[:2] + struct.pack("!HHHHH", 0x8580, 1, 1, 0, 0)
        address = socket.inet_aton(self.address)
        answer = struct.pack("!HHHIH", 0xC00C, 1, 1, 30, 4) + address
        reply_socket.sendto(header + question + answer, self.client_address)


def _question(data: bytes) -> tuple[bytes, str]:
    """(the first question's octets, its name)."""
    labels, place = [], 12
    while place < len(data) and (length := data[place]):
        labels.append(data[place + 1 : place + 1 + length].decode("ascii", "replace"))
        place += 1 + length
    return data[12 : place + 5], ".".join(labels)


class EchoHandler(socketserver.BaseRequestHandler):
    """Sends every datagram back."""

    log: RequestLog

    def handle(self) -> None:
        """One datagram."""
        data, reply_socket = self.request
        self.log.add("echo", "", self.client_address[0])
        reply_socket.sendto(data, self.client_address)


def serve_udp(address: str, port: int, handler: type[socketserver.BaseRequestHandler]) -> None:
    """Serve until the process ends."""
    with socketserver.UDPServer((address, port), handler) as server:
        server.serve_forever()


def serve_telnet(address: str, log: RequestLog) -> None:
    """An open TCP port: only the firewall can be why nobody reaches it."""
    with socket.create_server((address, TELNET_PORT)) as listener:
        while True:
            connection, peer = listener.accept()
            with connection:
                log.add("telnet", "", peer[0])


def main() -> None:
    """Start every server and say ``ready`` on standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--log", required=True, type=Path)
    parser.add_argument("--certificate", required=True, type=Path)
    options = parser.parse_args()
    log = RequestLog(options.log)
    names: dict[int, str] = {}
    context = tls_context(options.certificate, names)
    DnsHandler.log = EchoHandler.log = log
    DnsHandler.address = options.address
    plain = web_handler(log, "http", lambda connection, host: host)
    secure = web_handler(log, "tls", lambda connection, host: names.get(id(connection), ""))
    servers: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
        (serve_web, (options.address, HTTP_PORT, plain, None)),
        (serve_web, (options.address, TLS_PORT, secure, context)),
        (serve_udp, (options.address, DNS_PORT, DnsHandler)),
        (serve_udp, (options.address, ECHO_PORT, EchoHandler)),
        (serve_telnet, (options.address, log)),
    ]
    threads = [threading.Thread(target=serve, args=arguments, daemon=True) for serve, arguments in servers]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
