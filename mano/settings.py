"""What a server is told when it starts: one frozen value, true from birth.

The command line fills it from options and from ``CATENA_*`` environment variables; tests and the demo make one
directly. Nothing is read from the machine here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mano.domain.coordination import CoordinationAction, Stage

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 9890


class Role(StrEnum):
    """Which functional blocks this server is."""

    ALL = "all"
    NFVO = "nfvo"
    VNFM = "vnfm"


class AuthMode(StrEnum):
    """Who may call."""

    OAUTH2 = "oauth2"
    NONE = "none"


class Tier(StrEnum):
    """How real the NFVI of the local VIM is."""

    ROOT = "root"
    USER = "user"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class Listener:
    """Where the server listens. ``host`` is an address or a name, ``port`` 0..65535 (0: any free one)."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError("a listener needs a host, such as 127.0.0.1:9890")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is outside 0..65535")

    @classmethod
    def parse(cls, text: str) -> Listener:
        """``HOST:PORT``, with brackets round an IPv6 address; :class:`ValueError` says what is wrong."""
        host, colon, port = text.rpartition(":")
        if not colon or not host:
            raise ValueError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:{DEFAULT_PORT}")
        if not (port.isascii() and port.isdigit()):
            raise ValueError(f"{port!r} is not a port number")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"{text!r}: put brackets round an IPv6 address, such as [::1]:{DEFAULT_PORT}")
        return cls(host, int(port))

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in octets and times in seconds that the server enforces."""

    json_body: int = 1 << 20
    archive: int = 2 << 30
    json_depth: int = 32
    upload_pause_s: float = 30.0
    page_size: int = 100
    token_lifetime_s: int = 900
    event_heartbeat_s: float = 15.0
    grant_wait_s: float = 5.0
    """A decision on a grant that takes longer is answered with 202."""

    def __post_init__(self) -> None:
        for name in ("json_body", "archive", "json_depth", "upload_pause_s", "page_size", "token_lifetime_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"limit {name} must be positive")


@dataclass(frozen=True, slots=True)
class Outbound:
    """Where the server may call on behalf of clients (callbacks, upload from a URI), and how it proves itself.

    ``networks``: addresses there only, and any there; empty: any but those that no receiver has (unspecified,
    multicast, link-local, and loopback unless ``loopback``). ``ca_file`` are authorities besides the system's;
    ``cert_file`` and ``key_file`` the client's certificate for receivers that ask for one (PEM).
    """

    networks: tuple[str, ...] = ()
    loopback: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    deadline_s: float = 10.0

    def __post_init__(self) -> None:
        """Raises :class:`ValueError` for what is no network, and for half of a key pair."""
        for network in self.networks:
            ipaddress.ip_network(network)
        if (self.cert_file is None) is not (self.key_file is None):
            raise ValueError("a client certificate and its key go together")


@dataclass(frozen=True, slots=True)
class Peer:
    """A functional block in another process: where it is, and how this server proves to it who it is.

    ``url`` is the beginning of its addresses, ``http(s)://host[:port]``. With a ``client_id`` tokens are asked for at
    ``token_endpoint``, which is the peer's own ``/oauth2/token`` unless said. ``identifiers`` are the VNFM identifiers
    by which packages ask for a VNFM (``vnfm_info``); one without takes every package that asks for no other.
    """

    url: str
    client_id: str = ""
    client_secret: str = ""
    token_endpoint: str = ""
    identifiers: tuple[str, ...] = ()
    foreign: bool = False
    """It is no Catena: nothing but SOL003 is spoken with it."""
    basic: bool = False
    """The name and the secret go with every call (RFC 7617); no token is asked for."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query or parts.username:
            raise ValueError("a peer's address is http(s)://host[:port]")
        if bool(self.client_id) is not bool(self.client_secret):
            raise ValueError("a peer's client needs a name and a secret")

    @classmethod
    def from_document(cls, document: Any) -> Peer:
        """Of an object with url, clientId, clientSecret and so on; :class:`ValueError` says what is wrong."""
        known = {"url", "clientId", "clientSecret", "tokenEndpoint", "vnfmInfo", "foreign", "basic"}
        if not isinstance(document, Mapping) or not known >= document.keys() or "url" not in document:
            raise ValueError(f"a peer is an object with url, and perhaps {', '.join(sorted(known - {'url'}))}")
        return cls(
            url=str(document["url"]).rstrip("/"),
            client_id=str(document.get("clientId", "")),
            client_secret=str(document.get("clientSecret", "")),
            token_endpoint=str(document.get("tokenEndpoint", "")),
            identifiers=tuple(str(each) for each in document.get("vnfmInfo", ())),
            foreign=document.get("foreign") is True,
            basic=document.get("basic") is True,
        )


@dataclass(frozen=True, slots=True)
class Peers:
    """The NFVO of a VNFM, the VNFMs of an NFVO, and where the other side reaches this server."""

    nfvo: Peer | None = None
    vnfms: tuple[Peer, ...] = ()
    own_url: str = ""
    """Where they reach this server, where that is not its listener's address."""

    @classmethod
    def from_document(cls, document: Any) -> Peers:
        """``{"nfvo": peer}`` or ``{"vnfms": [peer, ...]}``, and perhaps ``"url"``, this server's own.

        :class:`ValueError` says what is wrong.
        """
        if not isinstance(document, Mapping) or not {"nfvo", "vnfms", "url"} >= document.keys():
            raise ValueError("the peers are an object with nfvo or vnfms, and perhaps url")
        nfvo = document.get("nfvo")
        vnfms = document.get("vnfms", ())
        if not isinstance(vnfms, list | tuple):
            raise ValueError("vnfms is a list of peers")
        return cls(
            nfvo=None if nfvo is None else Peer.from_document(nfvo),
            vnfms=tuple(Peer.from_document(vnfm) for vnfm in vnfms),
            own_url=Peer(str(document["url"]).rstrip("/")).url if "url" in document else "",
        )


@dataclass(frozen=True, slots=True)
class CoordinatorSettings:
    """Somebody whom operations are coordinated with: an OSS (network services) or an element manager (VNFs).

    ``descriptors`` are the NSDs, or VNFDs, whose instances it cares for; empty: all. ``actions`` are what an OSS is
    asked for, which no NSD tells; those of VNFs are in their VNFDs, and what stands here comes besides.
    """

    peer: Peer
    level: str
    descriptors: tuple[str, ...] = ()
    actions: tuple[CoordinationAction, ...] = ()

    @classmethod
    def from_document(cls, level: str, document: Any) -> CoordinatorSettings:
        """Of an object with url, descriptors and actions; :class:`ValueError` says what is wrong."""
        if not isinstance(document, Mapping):
            raise ValueError("a coordinator is an object with url, and perhaps descriptors and actions")
        own = {"descriptors", "actions"}
        descriptors, actions = (document.get(name, ()) for name in ("descriptors", "actions"))
        if not isinstance(descriptors, list | tuple) or not isinstance(actions, list | tuple):
            raise ValueError("descriptors and actions of a coordinator are lists")
        return cls(
            peer=Peer.from_document({name: value for name, value in document.items() if name not in own}),
            level=level,
            descriptors=tuple(str(each) for each in descriptors),
            actions=tuple(_coordination_action(each) for each in actions),
        )

    @classmethod
    def all_from_document(cls, document: Any) -> tuple[CoordinatorSettings, ...]:
        """Of ``{"ns": [coordinator, ...], "vnf": [...]}``; :class:`ValueError` says what is wrong."""
        if not isinstance(document, Mapping) or not {"ns", "vnf"} >= document.keys():
            raise ValueError("the coordinators are an object with ns or vnf")
        found = []
        for level, items in document.items():
            if not isinstance(items, list | tuple):
                raise ValueError(f"{level} is a list of coordinators")
            found += [cls.from_document(level, item) for item in items]
        return tuple(found)


def _coordination_action(document: Any) -> CoordinationAction:
    known = {"name", "operations", "stage", "inputParams"}
    if not isinstance(document, Mapping) or not known >= document.keys() or not document.get("name"):
        raise ValueError("an action of a coordinator is an object with name, operations, stage and perhaps inputParams")
    operations, inputs = document.get("operations", ()), document.get("inputParams", {})
    if not isinstance(operations, list | tuple) or not isinstance(inputs, Mapping):
        raise ValueError(f"action {document['name']}: operations is a list, inputParams an object")
    return CoordinationAction(
        name=str(document["name"]),
        operations=tuple(str(each).upper() for each in operations),
        stage=Stage(str(document.get("stage", "start"))),
        inputs=dict(inputs),
    )


@dataclass(frozen=True, slots=True)
class PackagePolicy:
    """What packages must fulfil to be on-boarded.

    ``trust`` names files and directories of root certificates and revocation lists (PEM or DER). With
    ``require_signature`` only packages are taken that a trusted signer signed. ``allow_external`` takes packages
    that name files outside themselves; nothing of them is ever fetched.
    """

    trust: tuple[Path, ...] = ()
    require_signature: bool = False
    allow_external: bool = False

    def __post_init__(self) -> None:
        if self.require_signature and not self.trust:
            raise ValueError("--require-signature without --trust would refuse every package: name a trust store")


@dataclass(frozen=True, slots=True)
class Settings:
    """One server.

    ``database`` is an SQLAlchemy URL; empty means SQLite in the data directory. ``tier`` None means the best that
    this machine can do. ``lab`` names the local VIM's namespaces and bridges (``cat-<lab>-...``): two servers on one
    machine need two names. ``lenient_version`` accepts requests without a ``Version`` header on v2 roots.
    """

    data_dir: Path
    database: str = ""
    role: Role = Role.ALL
    listen: Listener = field(default_factory=Listener)
    auth: AuthMode = AuthMode.OAUTH2
    lenient_version: bool = False
    tier: Tier | None = None
    lab: str = "main"
    watches: bool = True
    """Whether the server looks after functions and bridges, mends what differs and remembers counters."""
    drain_s: float = 1.0
    """How long what is on a chain's old path may take to come out of it before the path goes (seconds)."""
    bfd_interval_ms: int = 1000
    """How often two hosts of the local VIM tell each other by BFD that their tunnel carries (ms); 0: never. A tunnel
    that breaks is noticed after three times that."""
    limits: Limits = field(default_factory=Limits)
    packages: PackagePolicy = field(default_factory=PackagePolicy)
    peers: Peers = field(default_factory=Peers)
    coordinators: tuple[CoordinatorSettings, ...] = ()
    """Who is asked before and after operations (``/lcmcoord/v1``)."""
    vim_dir: Path | None = None
    """Where the VIM's driver keeps its records; the data directory unless said. NFVO and VNFM share it."""
    outbound: Outbound | None = None
    """None: whatever is not forbidden to everybody. Loopback is allowed when the server itself listens there."""

    watch_s: float = 5.0
    """How often instances and hosts are looked at for alarms; bridges every 6th time, disk and pages every 12th."""
    tls_cert: Path | None = None
    """The certificate that the server shows, looked at for its end."""

    @property
    def certificates(self) -> dict[str, Path]:
        """The certificates that this server relies on, by what they are for."""
        found = {"listener": self.tls_cert, "callbacks": self.outbound.cert_file if self.outbound else None}
        return {name: path for name, path in found.items() if path is not None}

    @property
    def own_url(self) -> str:
        """Where others reach this server; empty when nobody can know: any free port, or every address."""
        if self.peers.own_url:
            return self.peers.own_url
        if self.listen.port == 0 or self.listen.host in ("0.0.0.0", "::"):
            return ""
        return f"{'https' if self.tls_cert else 'http'}://{self.listen}"

    @property
    def calls(self) -> Outbound:
        """Where the server may call."""
        outbound = self.outbound or Outbound()
        return replace(outbound, loopback=outbound.loopback or self.listen.is_loopback)

    def __post_init__(self) -> None:
        if self.auth is AuthMode.NONE and not self.listen.is_loopback:
            raise ValueError(
                f"--auth none would let anybody who reaches {self.listen} command the network: "
                "listen on 127.0.0.1 or use --auth oauth2"
            )
        if self.role is Role.VNFM and self.peers.nfvo is None:
            raise ValueError("a VNFM on its own needs its NFVO: name it with --peers")
        if self.role is Role.NFVO and not self.peers.vnfms:
            raise ValueError("an NFVO on its own needs a VNFM: name one with --peers")
        if not 0 <= self.bfd_interval_ms <= 60_000:
            raise ValueError(f"{self.bfd_interval_ms} ms between two messages of BFD are not in 0..60000")
        if not (self.lab.isascii() and self.lab.isalnum() and self.lab.islower() and len(self.lab) <= 8):
            raise ValueError(f"lab {self.lab!r} must be 1 to 8 lower-case letters and digits, with a letter in it")
