"""Talks to a server with the standard library's HTTP client: a command starts in no time."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import click

from mano.cli.exits import Exit, Failure, exit_of
from mano.cli.places import admin_token, default_data_dir

DEFAULT_URL = "http://127.0.0.1:9890"
REQUEST_TIMEOUT_S = 60.0
UPLOAD_TIMEOUT_S = 600.0
MAX_PAGES = 10_000

VERSIONS: Mapping[str, str] = {
    "nsd": "2.3.0",
    "nslcm": "2.3.0",
    "vnfpkgm": "2.4.0",
    "vnflcm": "2.3.0",
    "nsfm": "1.3.0",
    "nspm": "2.3.0",
    "nfvici": "1.1.0",
    "vnffm": "1.5.0",
    "vnfpm": "2.2.0",
    "vnfind": "1.4.0",
    "vrqan": "1.3.0",
    "vnfsnapshotpkgm": "1.2.0",
}
"""What the client asks for: SOL003 and SOL005 v3.7.1."""

PART = 8 << 20
"""Octets of a download that are asked for at a time."""

Command = TypeVar("Command", bound=Callable[..., Any])
_UNRESERVED = "()/,;='*@!$:-._~"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's value."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Failure("the server's answer is not JSON", exit_code=Exit.SERVER) from None


class Client:
    """One server and the token for it."""

    def __init__(self, url: str, token: str | None, *, ca_file: str | None = None) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise click.UsageError(f"--url {url!r} is not like {DEFAULT_URL}")
        self.url = url.rstrip("/")
        self._parts = parts
        self._token = token
        self._ca_file = ca_file

    def get(self, path: str, *, query: Mapping[str, str] | None = None) -> Any:
        """The document at a path."""
        return self.call("GET", _with_query(path, query)).json

    def text(self, path: str, media_type: str, *, query: Mapping[str, str] | None = None) -> str:
        """The resource as text of a media type."""
        answer = self.call("GET", _with_query(path, query), headers={"Accept": media_type})
        return answer.body.decode("utf-8", "replace")

    def post(self, path: str, body: Any = None, *, query: Mapping[str, str] | None = None) -> Answer:
        """Send a JSON document, or nothing."""
        return self._send("POST", _with_query(path, query), body, "application/json")

    def patch(self, path: str, body: Any) -> Answer:
        """Send a JSON merge patch."""
        return self._send("PATCH", path, body, "application/merge-patch+json")

    def put(self, path: str, body: Any, *, query: Mapping[str, str] | None = None) -> Answer:
        """Replace what is at a path by a JSON document."""
        return self._send("PUT", _with_query(path, query), body, "application/json")

    def delete(self, path: str) -> None:
        """Delete the resource."""
        self.call("DELETE", path)

    def upload(self, path: str, file: IO[bytes], size: int) -> None:
        """PUT an archive without reading it into memory."""
        headers = {"Content-Type": "application/zip", "Content-Length": str(size)}
        self.call("PUT", path, file, headers, timeout_s=UPLOAD_TIMEOUT_S)

    def download(self, path: str, file: IO[bytes]) -> None:
        """Write content to a file, a part at a time."""
        while True:
            start = file.tell()
            span = {"Range": f"bytes={start}-{start + PART - 1}", "Accept": "application/zip"}
            answer = self.call("GET", path, headers=span)
            file.write(answer.body)
            whole = int(answer.headers.get("content-range", "").rpartition("/")[2] or file.tell())
            if file.tell() >= whole or not answer.body:
                return

    def list(self, path: str, *, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """All members of a list, over all its pages."""
        return list(self._pages(_with_query(path, query)))

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        for _ in range(MAX_PAGES):
            answer = self.call("GET", path)
            yield from answer.json
            link = answer.headers.get("link")
            if link is None:
                return
            path = self.path_of(link.partition(">")[0].lstrip("< "))

    def path_of(self, uri: str) -> str:
        """The path of a URI that the server gave, for use on this same server."""
        parts = urlsplit(uri)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Answer:
        """One request; raises :class:`~mano.cli.exits.Failure` for every error answer and every failure to get one."""
        connection = self._connection(timeout_s)
        try:
            connection.request(method, path, body, {**self._headers(path), **(headers or {})})
            response = connection.getresponse()
            answer = Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        except TimeoutError:
            raise Failure(f"{self.url} did not answer within {timeout_s:.0f} s", exit_code=Exit.TIMEOUT) from None
        except ssl.SSLCertVerificationError as error:
            hint = "name the authority's certificate with --ca-file"
            raise Failure(f"{self.url}: {error.verify_message}", hint=hint, exit_code=Exit.SERVER) from None
        except (OSError, http.client.HTTPException, socket.gaierror) as error:
            raise Failure(
                f"no server answers at {self.url} ({_reason(error)})",
                hint="start one with `mano serve`, or name it with --url or CATENA_URL",
                exit_code=Exit.SERVER,
            ) from None
        finally:
            connection.close()
        if answer.status == 401 and not self._token:
            raise Failure(
                "the server asks for a token, and there is no credentials file",
                hint="name the server's --data-dir, or set CATENA_TOKEN",
                exit_code=Exit.SERVER,
            )
        if answer.status >= 400:
            raise failure_of(answer)
        return answer

    def _send(self, method: str, path: str, body: Any, media_type: str) -> Answer:
        if body is None:
            return self.call(method, path)
        return self.call(method, path, json.dumps(body).encode(), {"Content-Type": media_type})

    def _headers(self, path: str) -> dict[str, str]:
        headers = {"Accept": "*/*"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        version = VERSIONS.get(path.split("/", 2)[1])
        if version:
            headers["Version"] = version
        return headers

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        host = self._parts.hostname or ""
        if self._parts.scheme == "https":
            context = ssl.create_default_context(cafile=self._ca_file)
            return http.client.HTTPSConnection(host, self._parts.port or 443, timeout=timeout_s, context=context)
        return http.client.HTTPConnection(host, self._parts.port or 80, timeout=timeout_s)


def failure_of(answer: Answer) -> Failure:
    """The failure that an error answer tells."""
    try:
        problem = json.loads(answer.body)
        detail, code = str(problem["detail"]), str(problem.get("code", ""))
        hint = str(problem.get("hint", ""))
        facts = problem.get("facts")
    except (ValueError, KeyError, TypeError):
        return Failure(
            f"the server answered {answer.status}", exit_code=Exit.SERVER, hint="is there another server on this port?"
        )
    told = facts if isinstance(facts, dict) else None
    return Failure(detail, hint=hint, exit_code=exit_of(code, answer.status), facts=told)


def with_client(command: Command) -> Command:
    """Options that say which server; the command gets a :class:`Client` as its first argument."""

    def invoke(url: str, token: str | None, data_dir: Path | None, ca_file: str | None, **arguments: Any) -> Any:
        client = Client(url, token or admin_token(data_dir or default_data_dir()), ca_file=ca_file)
        return command(client, **arguments)

    invoke.__name__, invoke.__doc__ = command.__name__, command.__doc__
    invoke.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in reversed(_SERVER_OPTIONS):
        invoke = option(invoke)
    return invoke  # type: ignore[return-value]


_SERVER_OPTIONS = (
    click.option("--url", envvar="CATENA_URL", default=DEFAULT_URL, show_default=True, help="The server."),
    click.option("--token", envvar="CATENA_TOKEN", help="Bearer token; else the one in the data directory."),
    click.option(
        "--data-dir",
        envvar="CATENA_DATA_DIR",
        type=click.Path(path_type=Path),
        help="The server's data directory, for its token.",
    ),
    click.option("--ca-file", envvar="CATENA_CA_FILE", type=click.Path(exists=True), help="Authority for https."),
)


def with_server(command: Command) -> Command:
    """As :func:`with_client` for a command that may do without a server: its first argument makes the client."""

    def invoke(url: str, token: str | None, data_dir: Path | None, ca_file: str | None, **arguments: Any) -> Any:
        def connect() -> Client:
            return Client(url, token or admin_token(data_dir or default_data_dir()), ca_file=ca_file)

        return command(connect, **arguments)

    invoke.__name__, invoke.__doc__ = command.__name__, command.__doc__
    invoke.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in reversed(_SERVER_OPTIONS):
        invoke = option(invoke)
    return invoke  # type: ignore[return-value]


def quoted(text: str) -> str:
    """A value inside an attribute filter."""
    return "'" + text.replace("'", "''") + "'"


def segment(text: str) -> str:
    """A name as one segment of a path."""
    return quote(text, safe="")


def _with_query(path: str, query: Mapping[str, str] | None) -> str:
    return f"{path}?{urlencode(query, safe=_UNRESERVED)}" if query else path


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def pause(seconds: float) -> None:
    """Wait between two looks."""
    time.sleep(seconds)
