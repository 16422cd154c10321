"""``mano doctor``: what this machine can do, and what each missing part would take.

Each probe is a function of a :class:`Machine` (its files and its programs), so that a test can describe another one.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from mano.cli.output import Column, output_option, show_document, table
from mano.settings import Tier

PROBE_TIMEOUT_S = 10.0
SWITCH_PROGRAMS = ("ovs-vswitchd", "ovsdb-server", "ovs-vsctl", "ovs-ofctl", "ovs-appctl", "ip", "nft")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a program said; ``status`` is None when it is not there or did not end in time."""

    status: int | None
    output: str = ""


class Machine:
    """This machine: its files below ``root``, its programs, its user."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    @property
    def user_id(self) -> int:
        """The effective user."""
        return os.geteuid()

    def has(self, program: str) -> bool:
        """Is the program on the path?"""
        return shutil.which(program) is not None

    def run(self, *command: str) -> Outcome:
        """Run a program that changes nothing."""
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, stdin=subprocess.DEVNULL, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return Outcome(None)
        return Outcome(done.returncode, done.stdout + done.stderr)

    def path(self, name: str) -> Path:
        """A file or directory of the machine."""
        return self._root / name.lstrip("/")

    def read(self, name: str) -> str:
        """The file's text, empty when it cannot be read."""
        try:
            return self.path(name).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: is it there, what was seen, and what to do if it is missing."""

    name: str
    there: bool
    detail: str
    hint: str = ""


Probe = Callable[[Machine], Finding]


def probe_namespaces(machine: Machine) -> Finding:
    """Network and mount namespaces of this very user."""
    done = machine.run("unshare", "--net", "--mount", "true")
    return Finding(
        "network namespaces",
        done.status == 0,
        "can be made" if done.status == 0 else "cannot be made by this user",
        "run as root (sudo), or in a container with CAP_SYS_ADMIN and CAP_NET_ADMIN",
    )


def probe_user_namespaces(machine: Machine) -> Finding:
    """The same inside a user namespace."""
    done = machine.run("unshare", "--user", "--map-root-user", "--net", "--mount", "true")
    return Finding(
        "user namespaces",
        done.status == 0,
        "can be made" if done.status == 0 else "are refused",
        "sysctl kernel.unprivileged_userns_clone=1 and user.max_user_namespaces > 0",
    )


def probe_open_vswitch(machine: Machine) -> Finding:
    """The programs of a private Open vSwitch, and their version."""
    missing = [program for program in SWITCH_PROGRAMS if not machine.has(program)]
    if missing:
        return Finding(
            "Open vSwitch", False, f"no {', '.join(missing)}", "apt-get install openvswitch-switch iproute2 nftables"
        )
    found = re.search(r"\b(\d+\.\d+(?:\.\d+)?)\b", machine.run("ovs-vswitchd", "--version").output)
    version = found[1] if found else "unknown"
    enough = found is not None and tuple(int(part) for part in version.split(".")[:2]) >= (2, 12)
    return Finding(
        "Open vSwitch",
        enough,
        f"version {version}",
        "NSH decapsulation needs Open vSwitch 2.12 or newer (3.1 is proven)",
    )


def probe_ovs_dpdk(machine: Machine) -> Finding:
    """Is the switch built with DPDK?"""
    with_dpdk = "DPDK" in machine.run("ovs-vswitchd", "--version").output
    detail = "built with DPDK" if with_dpdk else "built without DPDK: the netdev datapath runs on AF_PACKET"
    return Finding("OVS-DPDK", with_dpdk, detail, "apt-get install openvswitch-switch-dpdk")


def probe_cgroups(machine: Machine) -> Finding:
    """Which generation of control groups limits CPUs and memory."""
    if machine.path("/sys/fs/cgroup/cgroup.controllers").exists():
        return Finding("control groups", True, "v2")
    names = [name for name in ("cpuset", "memory") if machine.path(f"/sys/fs/cgroup/{name}").is_dir()]
    return Finding(
        "control groups",
        len(names) == 2,
        f"v1 ({', '.join(names) or 'neither cpuset nor memory'})",
        "mount the cpuset and memory controllers",
    )


def probe_huge_pages(machine: Machine) -> Finding:
    """Free huge pages by size."""
    sizes = []
    for folder in sorted(machine.path("/sys/kernel/mm/hugepages").glob("hugepages-*kB")):
        free = machine.read(f"/sys/kernel/mm/hugepages/{folder.name}/free_hugepages")
        sizes.append((folder.name.removeprefix("hugepages-").removesuffix("kB"), int(free or 0)))
    some = [f"{free} of {size} KiB" for size, free in sizes if free]
    return Finding(
        "huge pages",
        bool(some),
        ", ".join(some) + " free" if some else "none free: the local VIM accounts for them",
        "sysctl vm.nr_hugepages=512",
    )


def probe_sriov(machine: Machine) -> Finding:
    """NICs with virtual functions."""
    nics = [
        f"{path.parent.parent.name} ({total} VFs)"
        for path in sorted(machine.path("/sys/class/net").glob("*/device/sriov_totalvfs"))
        if (total := int(path.read_text().strip() or 0)) > 0
    ]
    detail = ", ".join(nics) if nics else "no NIC has virtual functions: the local VIM emulates them"
    return Finding("SR-IOV", bool(nics), detail, "needs a NIC with SR-IOV, enabled in the firmware")


def probe_iommu(machine: Machine) -> Finding:
    """Is there an IOMMU in use?"""
    folder = machine.path("/sys/class/iommu")
    units = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return Finding(
        "IOMMU",
        bool(units),
        ", ".join(units) if units else "none",
        "intel_iommu=on or amd_iommu=on at boot, VT-d in the firmware",
    )


def probe_accelerator(machine: Machine) -> Finding:
    """QEMU and what makes it fast."""
    programs = [name for name in ("qemu-system-x86_64", "qemu-system-aarch64") if machine.has(name)]
    device = machine.path("/dev/kvm").exists()
    detail = f"{', '.join(programs) or 'no QEMU'}, {'KVM' if device else 'no /dev/kvm: emulation only'}"
    return Finding("QEMU", bool(programs), detail, "apt-get install qemu-system-x86")


def probe_libvirt(machine: Machine) -> Finding:
    """Is libvirt there?"""
    there = machine.has("virsh") and machine.has("libvirtd")
    return Finding("libvirt", there, "there" if there else "not there", "apt-get install libvirt-daemon-system")


def probe_tshark(machine: Machine) -> Finding:
    """The independent decoder of the demo."""
    there = machine.has("tshark")
    return Finding("tshark", there, "there" if there else "not there", "apt-get install tshark")


def probe_bridge_conntrack(machine: Machine) -> Finding:
    """May a stateful firewall be a bridge?"""
    there = machine.path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists() or bool(
        machine.run("modprobe", "--dry-run", "nf_conntrack_bridge").status == 0
    )
    return Finding(
        "connection tracking on bridges",
        there,
        "there" if there else "neither br_netfilter nor nf_conntrack_bridge",
        "modprobe br_netfilter",
    )


PROBES: tuple[Probe, ...] = (
    probe_namespaces,
    probe_user_namespaces,
    probe_open_vswitch,
    probe_ovs_dpdk,
    probe_cgroups,
    probe_huge_pages,
    probe_sriov,
    probe_iommu,
    probe_bridge_conntrack,
    probe_accelerator,
    probe_libvirt,
    probe_tshark,
)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings, the tiers that they allow and the best of these."""

    tier: Tier
    tiers: tuple[Tier, ...]
    findings: tuple[Finding, ...]
    system: str
    python: str


def diagnose(machine: Machine, probes: Sequence[Probe] = PROBES) -> Diagnosis:
    """Look at everything."""
    findings = tuple(probe(machine) for probe in probes)
    tiers = tiers_of({finding.name: finding.there for finding in findings}, machine.user_id)
    return Diagnosis(tiers[0], tiers, findings, f"{platform.system()} {platform.release()}", platform.python_version())


def tiers_of(there: dict[str, bool], user_id: int) -> tuple[Tier, ...]:
    """The tiers that a machine with these parts has, the most real one first."""
    switch = there.get("Open vSwitch", False)
    tiers = []
    if user_id == 0 and switch and there.get("network namespaces"):
        tiers.append(Tier.ROOT)
    if switch and there.get("user namespaces"):
        tiers.append(Tier.USER)
    return (*tiers, Tier.SIMULATED)


MEANINGS = {
    Tier.ROOT: "real packets: network namespaces and a private Open vSwitch per host",
    Tier.USER: "real packets inside a user namespace; this version's local VIM does not use it yet",
    Tier.SIMULATED: "no packets: the very flow tables run in the simulator",
}


@click.command("doctor")
@output_option
def doctor(output: str) -> None:
    """Tell what this machine can do, and at which tier; needs no server and changes nothing."""
    diagnosis = diagnose(Machine())
    if output == "name":
        click.echo(diagnosis.tier.value)
    elif output == "table":
        _tell(diagnosis)
    else:
        show_document(_document(diagnosis), output)


def _document(diagnosis: Diagnosis) -> dict[str, object]:
    return {
        "tier": diagnosis.tier.value,
        "tiers": [tier.value for tier in diagnosis.tiers],
        "system": diagnosis.system,
        "python": diagnosis.python,
        "findings": [asdict(finding) for finding in diagnosis.findings],
    }


def _tell(diagnosis: Diagnosis) -> None:
    click.echo(f"tier: {diagnosis.tier.value} ({MEANINGS[diagnosis.tier]})")
    for tier in diagnosis.tiers[1:]:
        click.echo(f"also possible: {tier.value} ({MEANINGS[tier]})")
    click.echo(f"on {diagnosis.system}, Python {diagnosis.python}\n")
    rows = [asdict(finding) for finding in diagnosis.findings]
    columns = (
        Column("PART", "name"),
        Column("THERE", "there"),
        Column("SEEN", "detail"),
        Column("TO GET IT", lambda row: "" if row["there"] else row["hint"]),
    )
    click.echo(table(rows, columns), nl=False)
