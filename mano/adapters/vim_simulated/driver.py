"""The simulated VIM: the rules, names and numbers of the local VIM, with a file in place of the machine.

It reports the same kind of data-plane facts (OpenFlow numbers, MAC and underlay addresses), so the tables that are
rendered from them run in :mod:`sfc.simulator` as they would in a switch. Every resource says that it is not real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from mano.adapters.vim_local import image
from mano.adapters.vim_local.effects import Effects, Watcher
from mano.adapters.vim_local.lab import (
    HOSTS_MAX,
    INTEGRATION_BRIDGE,
    OAM_OFPORT,
    OAM_PORT,
    TUNNEL_OFPORT,
    UNDERLAY_MTU,
    Lab,
    check_identifier,
    check_name,
    choose_ofport,
)
from mano.adapters.vim_local.specification import (
    EMULATED_VF,
    HostFacts,
    check_compute,
    check_network,
    check_place,
    check_port,
    check_vf,
    digest,
)
from mano.adapters.vim_simulated.management import SimulatedManagement
from mano.adapters.vim_simulated.world import World
from mano.domain.ids import mac_address
from mano.domain.nfvi import Host
from mano.domain.ns_instance import NetworkKind
from mano.domain.vnf_instance import Realisation
from mano.errors import AlreadyExists, InUse, InvalidInput, NotFound, Unreachable, WrongState
from mano.ports.metering import ComputeUsage, PortCounters
from mano.ports.snapshots import ComputeSnapshot
from mano.ports.vim import (
    MEND_HINT,
    Attachment,
    ComputeSpec,
    ComputeStatus,
    Dataplane,
    HostStatus,
    NetworkSpec,
    Observed,
    PortSpec,
    PortStatus,
    VimDriver,
)

NOTE = "simulated: nothing runs"
RESOURCES = ("cpus", "memory", "hugepages", "sriov")

Verdict = Callable[[ComputeSpec], str]
"""Why a VNFC does not become ready; empty when it does."""


class SimulatedVim(VimDriver):
    """``data_directory`` holds the world; ``verdict`` lets a test make VNFCs fail."""

    def __init__(
        self,
        data_directory: Path,
        *,
        lab: str = "sim",
        watcher: Watcher | None = None,
        verdict: Verdict = lambda _: "",
    ) -> None:
        self._lab = Lab(lab)
        self._verdict = verdict
        self._world = World(data_directory / "vim_simulated.json", Effects(watcher))

    def ensure_host(self, host: Host) -> HostStatus:
        with self._world.locked():
            check_name("host", host.name)
            facts = HostFacts.of(host, self._number_of(host.name))
            self._world.put("host.record", "hosts", host.name, facts=facts.to_record())
            self._world.put("host.switch", "hosts", host.name, switch="running")
        return self.host_status(host.name)

    def remove_host(self, name: str) -> None:
        with self._world.locked():
            for kind, what in (("ports", "port"), ("computes", "VNFC")):
                for id_, thing in self._world.things(kind).items():
                    if thing["host"] == name:
                        raise InUse(f"host {name} still has {what} {id_}", hint="terminate what runs there first")
            self._world.drop("host.record-gone", "hosts", name)

    def host_status(self, name: str) -> HostStatus:
        try:
            facts = self._host(name)
        except (NotFound, Unreachable) as error:
            return HostStatus(name, reachable=False, detail=str(error))
        dataplane = Dataplane(
            bridge=INTEGRATION_BRIDGE,
            underlay_ip=facts.underlay_ip,
            underlay_mtu=UNDERLAY_MTU,
            tunnel_ofport=TUNNEL_OFPORT,
            oam_ofport=OAM_OFPORT,
            oam_mac=mac_address(self._lab.id, name, OAM_PORT),
            oam_ip=facts.oam_ip,
            datapath="simulated",
        )
        return HostStatus(
            name,
            reachable=True,
            detail=NOTE,
            dataplane=dataplane,
            realisations=dict.fromkeys(RESOURCES, Realisation.ACCOUNTED),
            notes=dict.fromkeys(RESOURCES, NOTE),
        )

    def ensure_network(self, network: NetworkSpec) -> None:
        check_network(network)
        with self._world.locked():
            place = {"physicalNetwork": network.physical_network, "segment": network.segment}
            self._world.put("network.record", "networks", network.id, **place)

    def remove_network(self, network: NetworkSpec) -> None:
        with self._world.locked():
            if any(port["network"] == network.id for port in self._world.things("ports").values()):
                raise InUse(f"network {network.id} still has ports", hint="remove them first")
            self._world.drop("network.record-gone", "networks", network.id)

    def ensure_port(self, port: PortSpec) -> PortStatus:
        check_port(port)
        with self._world.locked():
            return self._ensure_port(port)

    def remove_port(self, port: PortSpec) -> None:
        with self._world.locked():
            self._refuse_silent(port.host)
            present = self._world.get("ports", port.id)
            if present is not None:
                if present["ofport"]:
                    self._world.put("port.bridge-gone", "ports", port.id, joined=False)
                self._world.drop("port.record-gone", "ports", port.id)

    def ensure_compute(self, compute: ComputeSpec) -> ComputeStatus:
        return self._ensure_compute(compute, "", "")

    def restore_compute(self, compute: ComputeSpec, snapshot_id: str, request_id: str) -> ComputeStatus:
        """Implements :class:`mano.ports.snapshots.SnapshotKeeper`."""
        kept = self._world.get("snapshots", snapshot_id)
        if kept is None:
            raise NotFound(f"the VIM keeps no snapshot {snapshot_id}")
        return self._ensure_compute(compute, str(kept["content"]), request_id)

    def take_snapshot(self, snapshot_id: str, compute_id: str, host: str) -> ComputeSnapshot:
        """What :meth:`write` wrote is its state."""
        with self._world.locked():
            self._refuse_silent(host)
            kept = self._world.get("snapshots", snapshot_id)
            present = self._world.get("computes", compute_id)
            if kept is None and (present is None or present["state"] == "failed"):
                raise WrongState(f"VNFC {compute_id} does not run: it has no state", hint="heal or start it first")
            if kept is None:
                content = (present or {}).get("content", "")
                kept = self._world.put("snapshot", "snapshots", snapshot_id, computeId=compute_id, content=content)
        octets = str(kept["content"]).encode()
        return ComputeSnapshot(snapshot_id, str(kept["computeId"]), len(octets), sha256(octets).hexdigest())

    def remove_snapshot(self, snapshot_id: str) -> None:
        with self._world.locked():
            self._world.drop("snapshot-gone", "snapshots", snapshot_id)

    def read_snapshot(self, snapshot_id: str) -> Iterator[bytes]:
        """Implements :class:`mano.ports.snapshots.SnapshotTransfer`."""
        kept = self._world.get("snapshots", snapshot_id)
        if kept is None:
            raise NotFound(f"the VIM keeps no snapshot {snapshot_id}")
        return iter([str(kept["content"]).encode()])

    def add_snapshot(self, snapshot_id: str, compute_id: str, chunks: Iterator[bytes]) -> ComputeSnapshot:
        """Any text is a state here."""
        octets = b"".join(chunks)
        try:
            content = octets.decode()
        except UnicodeDecodeError:
            raise InvalidInput("the state of a VNFC is text on the simulated VIM") from None
        with self._world.locked():
            if self._world.get("snapshots", snapshot_id) is None:
                self._world.put("snapshot", "snapshots", snapshot_id, computeId=compute_id, content=content)
        return ComputeSnapshot(snapshot_id, compute_id, len(octets), sha256(octets).hexdigest())

    def snapshots(self) -> tuple[str, ...]:
        return tuple(sorted(self._world.things("snapshots")))

    def management(self) -> SimulatedManagement:
        """The way to VNFs; implements :class:`mano.ports.management.ManagementWay`."""
        return SimulatedManagement(self._world)

    def bit_rate_bps(self, port_id: str) -> int:
        """For tests: what a port may carry; 0 without a limit."""
        return int((self._world.get("ports", port_id) or {}).get("bitRateBps", 0))

    def write(self, compute_id: str, content: str) -> None:
        """For tests: let a running VNFC write its state."""
        with self._world.locked():
            self._world.put("write", "computes", compute_id, content=content)

    def read(self, compute_id: str) -> str:
        """For tests: a VNFC's state; empty since its start unless it wrote, or began with a snapshot."""
        return str((self._world.get("computes", compute_id) or {}).get("content", ""))

    def _ensure_compute(self, compute: ComputeSpec, content: str, request_id: str) -> ComputeStatus:
        check_compute(compute)
        with self._world.locked():
            self._host(compute.host)
            present = self._world.get("computes", compute.id) or {}
            running = present.get("state") in ("running", "starting") and present.get("digest") == digest(compute)
            running = running and request_id in ("", present.get("restored", ""))
            if not running:
                image.check(Path(compute.image_path), compute.image_checksum)
                self._world.put("compute.record", "computes", compute.id, host=compute.host, state="failed")
            self._connect(compute)
            if not running:
                started = {"state": "starting", "digest": digest(compute)}
                if request_id or present.get("restored") or present.get("content"):
                    started |= {"content": content, "restored": request_id}
                self._world.put("compute.process", "computes", compute.id, **started)
            self._await_ready(compute)
        return self.compute_status(compute.id, compute.host)

    def remove_compute(self, compute_id: str, host: str) -> None:
        with self._world.locked():
            self._refuse_silent(host)
            if self._world.get("computes", compute_id) is None:
                return
            self._world.put("compute.process-gone", "computes", compute_id, state="failed")
            for port_id, port in self._world.things("ports").items():
                if port["user"] == compute_id:
                    self._world.put("port.park", "ports", port_id, user="")
            self._world.drop("compute.record-gone", "computes", compute_id)

    def compute_status(self, compute_id: str, host: str) -> ComputeStatus:
        self._refuse_silent(host)
        present = self._world.get("computes", compute_id)
        if present is None:
            return ComputeStatus(compute_id, host, "gone")
        if present["state"] == "failed":
            return ComputeStatus(compute_id, host, "failed", present.get("lastWords", "it does not run"))
        realisations = dict.fromkeys(("cpus", "memory"), Realisation.ACCOUNTED)
        return ComputeStatus(compute_id, host, present["state"], NOTE, realisations)

    def attachments(self) -> Mapping[str, Attachment]:
        return {
            name: Attachment(name, item["host"], item["physicalNetwork"])
            for name, item in sorted(self._world.things("attachments").items())
        }

    def add_attachment(self, attachment: Attachment) -> None:
        check_name("attachment", attachment.name)
        with self._world.locked():
            if attachment.host:
                self._known_host(attachment.host)
            else:
                check_identifier("physical network", attachment.physical_network)
            present = self.attachments().get(attachment.name)
            if present is not None and present != attachment:
                raise AlreadyExists(f"attachment {attachment.name} is already there, at another place")
            if attachment.name in self._world.things("hosts"):
                raise AlreadyExists(f"{attachment.name} is the name of a host: an attachment cannot have it too")
            place = {"host": attachment.host, "physicalNetwork": attachment.physical_network}
            self._world.put("attachment.record", "attachments", attachment.name, **place)

    def remove_attachment(self, name: str) -> None:
        check_name("attachment", name)
        with self._world.locked():
            for port_id, port in self._world.things("ports").items():
                if port["attachment"] == name:
                    raise InUse(f"attachment {name} still has port {port_id}")
            self._world.drop("attachment.record-gone", "attachments", name)

    def observe(self) -> Observed:
        ports = self._world.things("ports")
        networks = {*self._world.things("networks"), *(port["network"] for port in ports.values())}
        return Observed(tuple(sorted(networks)), tuple(sorted(ports)), tuple(sorted(self._world.things("computes"))))

    def compute_usage(self, compute_id: str, host: str) -> ComputeUsage:
        """What :meth:`use` said; nothing is used here by itself."""
        present = self._world.get("computes", compute_id)
        if present is None or present["state"] == "failed":
            raise NotFound(f"VNFC {compute_id} does not run")
        return ComputeUsage(float(present.get("cpuS", 0.0)), int(present.get("memoryBytes", 0)))

    def port_counters(self, host: str) -> Mapping[int, PortCounters]:
        """Every port of the host's bridge; no packet passes here."""
        ports = [port for port in self._world.things("ports").values() if port["host"] == host]
        return {int(port["ofport"]): PortCounters(0, 0, 0, 0) for port in ports if port["ofport"]}

    def compute_values(self, compute_id: str, host: str) -> Mapping[str, float]:
        """What :meth:`use` said."""
        present = self._world.get("computes", compute_id) or {}
        return dict(present.get("values", {}))

    def use(self, compute_id: str, *, cpu_s: float, memory_bytes: int, **values: float) -> None:
        """For tests: let a VNFC have used so much, and tell these numbers of its work."""
        with self._world.locked():
            if self._world.get("computes", compute_id) is None:
                raise NotFound(f"there is no VNFC {compute_id}")
            self._world.put("use", "computes", compute_id, cpuS=cpu_s, memoryBytes=memory_bytes, values=values)

    def kill_switch(self, host: str) -> None:
        """A fault: the host's switch is dead until the host is ensured again."""
        with self._world.locked():
            self._known_host(host)
            self._world.put("fault", "hosts", host, switch="dead")

    def silence(self, host: str) -> None:
        """A fault: the host answers nothing, and nothing on it can be removed, until :meth:`wake`."""
        with self._world.locked():
            self._known_host(host)
            self._world.put("fault", "hosts", host, switch="silent")

    def wake(self, host: str) -> None:
        """A silent host answers again, with all that is on it."""
        with self._world.locked():
            self._known_host(host)
            self._world.put("fault", "hosts", host, switch="running")

    def kill_compute(self, compute_id: str) -> None:
        """A fault: the VNFC's process is gone."""
        with self._world.locked():
            if self._world.get("computes", compute_id) is None:
                raise NotFound(f"there is no VNFC {compute_id}")
            self._world.put("fault", "computes", compute_id, state="failed", lastWords="it was killed")

    def _refuse_silent(self, name: str) -> None:
        if (self._world.get("hosts", name) or {}).get("switch") == "silent":
            raise Unreachable(f"{name} does not answer", hint=MEND_HINT)

    def _ensure_port(self, port: PortSpec) -> PortStatus:
        if port.attachment:
            check_place(port, self._attachment(port.attachment))
        on_switch = port.network.kind is NetworkKind.OVERLAY
        interface = self._lab.interface("port", port.id)
        if port.vnic_type in EMULATED_VF:
            check_vf(port, self._host(port.host))
            interface = self._lab.interface("vf", port.host, port.pci, str(port.vf))
        elif on_switch:
            self._host(port.host)
        present = self._claim(port, interface, on_switch)
        self._world.put("port.bridge", "ports", port.id, joined=True)
        realisation = Realisation.ACCOUNTED
        return PortStatus(port.id, port.host, interface, present["ofport"] or None, realisation, NOTE)

    def _claim(self, port: PortSpec, interface: str, on_switch: bool) -> dict[str, Any]:
        others = {id_: other for id_, other in self._world.things("ports").items() if id_ != port.id}
        for id_, other in others.items():
            if other["interface"] == interface:
                raise InUse(f"VF {port.vf} of {port.pci} on {port.host} belongs to port {id_}")
        present = self._world.get("ports", port.id) or {"ofport": 0, "user": "", "joined": False}
        if on_switch and not present["ofport"]:
            taken = {int(other["ofport"]) for other in others.values() if other["host"] == port.host}
            present["ofport"] = choose_ofport(port.id, taken)
        facts: dict[str, Any] = {
            "host": port.host,
            "network": port.network.id,
            "interface": interface,
            "attachment": port.attachment,
        }
        if port.bit_rate_bps or present.get("bitRateBps"):
            facts["bitRateBps"] = port.bit_rate_bps
        return self._world.put("port.record", "ports", port.id, **{**present, **facts})

    def _connect(self, compute: ComputeSpec) -> None:
        for interface in compute.interfaces:
            check_port(interface.port)
            self._ensure_port(interface.port)
            user = self._world.things("ports")[interface.port.id]["user"]
            if user not in ("", compute.id):
                raise InUse(
                    f"port {interface.port.id} belongs to another VNFC", hint="a port serves one VNFC at a time"
                )
            self._world.put("port.move", "ports", interface.port.id, user=compute.id)

    def _await_ready(self, compute: ComputeSpec) -> None:
        why = self._verdict(compute)
        if why:
            self._world.put("compute.end", "computes", compute.id, state="failed", lastWords=why)
            raise Unreachable(
                f"VNFC {compute.name} on {compute.host} ended before it was ready: {why}", facts={"log": why}
            )
        self._world.put("compute.ready", "computes", compute.id, state="running")

    def _known_host(self, name: str) -> dict[str, Any]:
        present = self._world.get("hosts", check_name("host", name))
        if present is None:
            raise NotFound(f"the simulated VIM has no host {name}", hint="add it with mano host add")
        return present

    def _host(self, name: str) -> HostFacts:
        """Facts of a host whose switch answers."""
        present = self._known_host(name)
        if present.get("switch") != "running":
            raise Unreachable(f"{name}: its switch does not answer", hint=MEND_HINT)
        return HostFacts.from_record(present["facts"])

    def _attachment(self, name: str) -> Attachment:
        try:
            return self.attachments()[name]
        except KeyError:
            raise NotFound(f"the simulated VIM has no attachment {name!r:.80}", hint="add it first") from None

    def _number_of(self, host: str) -> int:
        hosts = self._world.things("hosts")
        if host in hosts:
            return int(hosts[host]["facts"]["number"])
        taken = {int(item["facts"]["number"]) for item in hosts.values()}
        free = next((number for number in range(1, HOSTS_MAX + 1) if number not in taken), None)
        if free is None:
            raise InvalidInput(f"the simulated VIM has no number left for host {host}")
        return free


SimulatedVim.__module__ = "mano.adapters.vim_simulated"  # where it is imported from, and the VIM's type in lists
