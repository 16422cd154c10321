"""What the checks look at: the running network service and the places around it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mano.cli.demo.captures import UnderlayCapture
from mano.cli.demo.errors import CheckFailed
from mano.cli.demo.traffic import TIMEOUT_S

if TYPE_CHECKING:
    from mano.bootstrap import LabView
    from mano.cli.demo.server import Api

T = TypeVar("T")

SUBSCRIBERS, INTERNET = "subscribers", "internet"
"""SAPs of the sample NSD, and the attachments of the same names."""

MANAGEMENT = "mgmt"
"""The sample NSD's network that no chain uses."""

SUBSCRIBER_ADDRESS = "10.10.0.2/24"
INTERNET_ADDRESS = "198.51.100.1/24"


@dataclass(slots=True)
class DemoWorld:
    """One instantiated Gi-LAN. ``patience_s`` is how long a check waits for what it expects.

    ``http_name`` and ``tls_name`` are random in each round of checks, so that what is seen of them was carried in it.
    """

    api: Api
    lab: LabView
    ns_id: str
    directory: Path
    patience_s: float = TIMEOUT_S
    http_name: str = ""
    tls_name: str = ""
    topology: Mapping[str, Any] = field(default_factory=dict)
    chains: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    underlay: Mapping[str, str] = field(default_factory=dict)
    baseline: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Each chain's counters when the round began."""
    capture: UnderlayCapture | None = None
    _verified: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def subscriber(self) -> str:
        """The subscriber's namespace."""
        return self.lab.attachment(SUBSCRIBERS)

    @property
    def server(self) -> str:
        """The address of the web server in the internet."""
        return INTERNET_ADDRESS.split("/")[0]

    def load(self) -> None:
        """Read from the server what is deployed, and begin a round of checks."""
        self.topology = self.api.get("/mano/v1/topology")
        self.chains = {chain["name"]: chain for chain in self.topology["chains"] if chain["nsInstanceId"] == self.ns_id}
        hosts = self.api.get("/mano/v1/hosts")
        self.underlay = {host["dataplane"]["underlayIp"]: host["name"] for host in hosts}
        self.http_name = f"web-{secrets.token_hex(4)}.example"
        self.tls_name = f"tls-{secrets.token_hex(4)}.example"
        self.baseline = {name: self.statistics(name) for name in self.chains}
        self._verified.clear()

    def as_subscriber(self, action: Callable[[], T]) -> T:
        """The action's result, run where the subscriber is."""
        return self.lab.inside(self.subscriber, action)

    @property
    def hosts(self) -> Sequence[str]:
        """Names of the hosts."""
        return [host["name"] for host in self.topology["hosts"]]

    def vnfc(self, vdu_id: str) -> Mapping[str, Any]:
        """The VNFC of a VDU as the topology shows it."""
        for vnfc in self.vnfcs():
            if vnfc["vduId"] == vdu_id:
                return vnfc
        raise CheckFailed(f"the topology shows no VNFC of VDU {vdu_id}")

    def vnfcs(self) -> Sequence[Mapping[str, Any]]:
        """All VNFCs, each with its host."""
        return [{**vnfc, "host": host["name"]} for host in self.topology["hosts"] for vnfc in host["vnfcs"]]

    def ports(self, owner_id: str) -> Sequence[Mapping[str, Any]]:
        """The ports of a VNFC."""
        return [port for host in self.topology["hosts"] for port in host["ports"] if port["ownerId"] == owner_id]

    def sap(self, name: str) -> Mapping[str, Any]:
        """A SAP by its name in the NSD."""
        for sap in self.topology["saps"]:
            if sap["name"] == name:
                return dict(sap)
        raise CheckFailed(f"the topology shows no SAP {name}")

    def nat_address(self) -> str:
        """The address that the internet sees of every subscriber."""
        outside = next(port for port in self.ports(self.vnfc("nat")["id"]) if port["cpdId"] == "outside")
        return str(outside["addresses"][0]).split("/")[0]

    def path(self, chain: str, direction: str) -> Mapping[str, Any]:
        """One direction of a chain."""
        if chain not in self.chains:
            raise CheckFailed(f"there is no chain '{chain}', only {', '.join(sorted(self.chains)) or 'none'}")
        for path in self.chains[chain]["paths"]:
            if path["direction"] == direction:
                return dict(path)
        raise CheckFailed(f"chain {chain} has no {direction} path")

    def statistics(self, chain: str) -> Mapping[str, Any]:
        """The counters of a chain now."""
        document: Mapping[str, Any] = self.api.get(f"/mano/v1/chains/{self.chains[chain]['id']}/statistics")
        return document

    def drops(self, chain: str) -> dict[tuple[str, str], int]:
        """Dropped packets by host and reason, on the hosts that the chain passes."""
        return {(drop["host"], drop["reason"]): drop["packets"] for drop in self.statistics(chain)["drops"]}

    def verified(self) -> Mapping[str, Mapping[str, Any]]:
        """What the server's verification says of each chain; asked once in a round."""
        for name, chain in sorted(self.chains.items()):
            if name not in self._verified:
                self._verified[name] = self.api.post(f"/mano/v1/chains/{chain['id']}/verify", {})
        return self._verified

    def counters(self, vdu_id: str) -> Mapping[str, Any]:
        """What a function counts itself."""
        document: Mapping[str, Any] = json.loads(self.lab.read_vnfc(self.vnfc(vdu_id)["id"], "state/counters.json"))
        return document

    def requests(self) -> list[Mapping[str, Any]]:
        """What the servers in the internet were asked."""
        log = self.directory / "requests.jsonl"
        if not log.exists():
            return []
        return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
