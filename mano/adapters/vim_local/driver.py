"""The VIM driver itself: the parts put together behind :class:`mano.ports.vim.VimDriver`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mano.adapters.vim_local.attachments import Attachments
from mano.adapters.vim_local.cgroups import ControlGroups
from mano.adapters.vim_local.computes import READY_DEADLINE_S, Computes
from mano.adapters.vim_local.cpus import usable_cpus
from mano.adapters.vim_local.directory import Directory
from mano.adapters.vim_local.effects import Effects, Watcher
from mano.adapters.vim_local.fabric import Fabric
from mano.adapters.vim_local.hosts import Hosts
from mano.adapters.vim_local.lab import INTEGRATION_BRIDGE, Lab, lab_id_of
from mano.adapters.vim_local.management import LocalManagement
from mano.adapters.vim_local.measuring import COUNTERS_FILE, counters_of, usage_of, values_of
from mano.adapters.vim_local.networks import Networks
from mano.adapters.vim_local.ports import Ports
from mano.adapters.vim_local.realisations import Judged, judge_cpus, judge_hugepages, judge_memory, judge_sriov
from mano.adapters.vim_local.registry import Registry
from mano.adapters.vim_local.snapshots import SnapshotFiles
from mano.adapters.vim_local.switch import location_of, switch_errors
from mano.domain.nfvi import Host
from mano.errors import CatenaError, InUse, NotFound
from mano.ports.metering import ComputeUsage, PortCounters
from mano.ports.snapshots import ComputeSnapshot
from mano.ports.vim import (
    Attachment,
    ComputeSpec,
    ComputeStatus,
    HostStatus,
    NetworkSpec,
    Observed,
    PortSpec,
    PortStatus,
    VimDriver,
)
from sfc.ovs.location import SwitchLocation


class LocalVim(VimDriver):
    """NFVI hosts as network namespaces. Needs root; safe for many threads and several processes.

    ``data_directory`` keeps what must outlive a reboot. ``lab`` names everything on the machine (1 to 8 lower-case
    letters and digits); without one it follows from the data directory.
    """

    def __init__(
        self,
        data_directory: Path,
        *,
        lab: str = "",
        watcher: Watcher | None = None,
        ready_deadline_s: float = READY_DEADLINE_S,
        bfd_interval_ms: int = 0,
    ) -> None:
        """``bfd_interval_ms``: how often each two hosts tell each other that their tunnel carries; 0: never."""
        self.lab = Lab(lab or lab_id_of(data_directory))
        effects = Effects(watcher)
        directory = Directory(self.lab, data_directory)
        fabric = Fabric(self.lab, effects)
        self._fabric = fabric
        self._hosts = Hosts(self.lab, directory, fabric, effects, bfd_interval_ms=bfd_interval_ms)
        self._attachments = Attachments(self.lab, directory, self._hosts, effects)
        self._ports = Ports(self.lab, self._hosts, fabric, self._attachments, effects)
        self._networks = Networks(self.lab, fabric, self._ports, effects)
        self._computes = Computes(self.lab, self._hosts, self._ports, effects, ready_deadline_s=ready_deadline_s)
        self._snapshots = SnapshotFiles(data_directory, effects)
        self._registry = Registry(self.lab, data_directory)

    def ensure_host(self, host: Host) -> HostStatus:
        with self._registered():
            self._hosts.ensure(host)
            for attachment in self._attachments.all().values():
                self._attachments.ensure_namespace(attachment.name)
        return self.host_status(host.name)

    def remove_host(self, name: str) -> None:
        self._check_unused(name)
        self._hosts.remove(name)
        self._registry.retire(self._fabric)

    def host_status(self, name: str) -> HostStatus:
        self._registry.notice()
        try:
            dataplane = self._hosts.dataplane(name)
        except CatenaError as error:
            return HostStatus(name, reachable=False, detail=str(error))
        judged = self._judge(name)
        return HostStatus(
            name,
            reachable=True,
            dataplane=dataplane,
            realisations={resource: realisation for resource, (realisation, _) in judged.items()},
            notes={resource: note for resource, (_, note) in judged.items()},
        )

    def ensure_network(self, network: NetworkSpec) -> None:
        with self._registered():
            self._networks.ensure(network)

    def remove_network(self, network: NetworkSpec) -> None:
        self._networks.remove(network)
        self._registry.retire(self._fabric)

    def ensure_port(self, port: PortSpec) -> PortStatus:
        self._registry.notice()
        return self._ports.ensure(port)

    def remove_port(self, port: PortSpec) -> None:
        self._ports.remove(port)
        self._registry.retire(self._fabric)

    def ensure_compute(self, compute: ComputeSpec) -> ComputeStatus:
        self._registry.notice()
        return self._computes.ensure(compute)

    def take_snapshot(self, snapshot_id: str, compute_id: str, host: str) -> ComputeSnapshot:
        """Keep what it wrote; implements :class:`mano.ports.snapshots.SnapshotKeeper`."""
        return self._computes.take_snapshot(self._snapshots, snapshot_id, compute_id)

    def restore_compute(self, compute: ComputeSpec, snapshot_id: str, request_id: str) -> ComputeStatus:
        """Start it with what was kept; memory, connections and rules of its kernel are not kept."""
        self._registry.notice()
        return self._computes.ensure(compute, self._snapshots.kept(snapshot_id), request_id)

    def remove_snapshot(self, snapshot_id: str) -> None:
        """Its files are gone."""
        self._snapshots.remove(snapshot_id)

    def read_snapshot(self, snapshot_id: str) -> Iterator[bytes]:
        """Its archive; implements :class:`mano.ports.snapshots.SnapshotTransfer`."""
        return self._snapshots.read(snapshot_id)

    def add_snapshot(self, snapshot_id: str, compute_id: str, chunks: Iterator[bytes]) -> ComputeSnapshot:
        """Keep such an archive, looked through: it will be unpacked beside the host's files."""
        return self._snapshots.add(snapshot_id, compute_id, chunks)

    def snapshots(self) -> tuple[str, ...]:
        """By the files."""
        return self._snapshots.ids()

    def remove_compute(self, compute_id: str, host: str) -> None:
        self._computes.remove(compute_id, host)
        self._registry.retire(self._fabric)

    def compute_status(self, compute_id: str, host: str) -> ComputeStatus:
        return self._computes.status(compute_id, host)

    def attachments(self) -> Mapping[str, Attachment]:
        return self._attachments.all()

    def add_attachment(self, attachment: Attachment) -> None:
        with self._registered():
            self._attachments.add(attachment)

    def remove_attachment(self, name: str) -> None:
        self._attachments.remove(name)
        self._registry.retire(self._fabric)

    def observe(self) -> Observed:
        self._registry.notice()
        return Observed(
            networks=tuple(sorted(self._networks.ids())),
            ports=tuple(sorted(self._ports.ids())),
            computes=tuple(sorted(self._computes.ids())),
        )

    def switch_of(self, host: str) -> SwitchLocation:
        """Where the host's Open vSwitch is, for those who program its flows; the bridge's name is in the status."""
        return location_of(self.lab, self._hosts.facts(host).name)

    def revive(self, host: str) -> None:
        """Tell the host's ovs-vswitchd, which has started anew, what it forgot besides its flows."""
        self._hosts.revive(host)

    def namespace_of(self, name: str) -> str:
        """The network namespace of a host or an attachment."""
        return self.lab.namespace(name)

    def namespace_of_compute(self, compute_id: str) -> str:
        """The network namespace of a VNFC."""
        return self.lab.prefix + self.lab.compute_key(compute_id)

    def management(self) -> LocalManagement:
        """The way into management networks; implements :class:`mano.ports.management.ManagementWay`."""
        return LocalManagement(self.lab)

    def read_file(self, compute_id: str, name: str) -> bytes:
        """A file below ``/vnf`` of a running VNFC, such as its counters; 4 MiB at most."""
        return self._computes.read_file(compute_id, name)

    def compute_usage(self, compute_id: str, host: str) -> ComputeUsage:
        """CPU time and memory of the VNFC's processes; implements :class:`mano.ports.metering.Meter`."""
        usage = usage_of(ControlGroups(self.lab.cgroup).processes(self.lab.compute_key(compute_id)))
        if usage is None:
            raise NotFound(f"VNFC {compute_id} does not run")
        return usage

    def port_counters(self, host: str) -> Mapping[int, PortCounters]:
        """Open vSwitch's counters of the host's integration bridge."""
        with switch_errors():
            return counters_of(self.switch_of(host), INTEGRATION_BRIDGE)

    def compute_values(self, compute_id: str, host: str) -> Mapping[str, float]:
        """What the VNFC wrote into its counters file."""
        try:
            return values_of(self.read_file(compute_id, COUNTERS_FILE))
        except NotFound:
            return {}

    @contextmanager
    def _registered(self) -> Iterator[None]:
        """The lab is on record; no longer when nothing of it came to be."""
        self._registry.register()
        try:
            yield
        except CatenaError:
            self._registry.retire(self._fabric)
            raise

    def _check_unused(self, name: str) -> None:
        users = [*self._ports.on_host(name), *self._computes.on_host(name)]
        if users:
            raise InUse(f"host {name} still has {', '.join(users[:3])}", hint="terminate what runs there first")

    def _judge(self, name: str) -> dict[str, Judged]:
        facts = self._hosts.facts(name)
        judged = {
            "cpus": judge_cpus(facts.cpus, usable_cpus()),
            "memory": judge_memory(ControlGroups(self.lab.cgroup)),
        }
        if facts.page_sizes_kib:
            judged["hugepages"] = judge_hugepages(facts.page_sizes_kib)
        if any(count for _, count in facts.vfs.values()):
            judged["sriov"] = judge_sriov()
        return judged


LocalVim.__module__ = "mano.adapters.vim_local"  # where it is imported from, and the VIM's type for those who list it
