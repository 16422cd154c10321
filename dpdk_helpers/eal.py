"""Arguments of DPDK's environment abstraction layer, as typed values instead of strings put together by hand.

Names are those of the DPDK guide "EAL parameters" (22.11). Every value is checked when it is made, so that no text
from elsewhere becomes another argument.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dpdk_helpers.cpuset import format_list
from dpdk_helpers.pci import PciAddress

_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_VDEV = re.compile(r"[A-Za-z0-9_]{1,64}")
_VALUE = re.compile(r"[A-Za-z0-9_./:@-]{1,256}")


class EalError(ValueError):
    """A value that EAL would refuse or read as something else."""


@dataclass(frozen=True, slots=True)
class Vdev:
    """A virtual device such as `net_virtio_user0` with its parameters, in order."""

    name: str
    parameters: Mapping[str, str | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if _VDEV.fullmatch(self.name) is None:
            raise EalError(f"expected a device name such as net_virtio_user0, found {self.name[:40]!r}")
        for key, value in self.parameters.items():
            if _VDEV.fullmatch(key) is None or _VALUE.fullmatch(str(value)) is None:
                raise EalError(f"expected a parameter without blanks and commas, found {f'{key}={value}'[:60]!r}")

    def __str__(self) -> str:
        return ",".join((self.name, *(f"{key}={value}" for key, value in self.parameters.items())))


@dataclass(frozen=True, slots=True)
class EalArguments:
    """What an application tells EAL.

    `lcores` run on the CPUs of their own number; `lcore_map` puts lcore n on CPU m instead, several on one if need be.
    `socket_mem_mib` is by NUMA node. `allow` are the devices it may touch: none given and `no_pci` false is all of
    them. `huge_pages` false runs on normal memory, slower and without physical devices.
    """

    lcores: tuple[int, ...] = ()
    lcore_map: Mapping[int, int] = field(default_factory=dict)
    main_lcore: int | None = None
    socket_mem_mib: Mapping[int, int] = field(default_factory=dict)
    memory_mib: int | None = None
    file_prefix: str | None = None
    allow: tuple[PciAddress, ...] = ()
    no_pci: bool = False
    huge_pages: bool = True
    single_file_segments: bool = False
    vdevs: tuple[Vdev, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.lcores) == bool(self.lcore_map):
            raise EalError("expected either lcores or a map of them to CPUs")
        if any(lcore < 0 for lcore in (*self.lcores, *self.lcore_map, *self.lcore_map.values())):
            raise EalError("expected lcores and CPUs of 0 or more")
        if self.main_lcore is not None and self.main_lcore not in (*self.lcores, *self.lcore_map):
            raise EalError(f"expected a main lcore among the lcores, found {self.main_lcore}")
        if self.file_prefix is not None and _PREFIX.fullmatch(self.file_prefix) is None:
            raise EalError(f"expected a file prefix of letters, digits, _.-, found {self.file_prefix[:40]!r}")
        if self.no_pci and self.allow:
            raise EalError("expected no allowed devices where PCI is off")
        if any(mib < 0 for mib in self.socket_mem_mib.values()) or (self.memory_mib or 0) < 0:
            raise EalError("expected memory of 0 MiB or more")
        if not self.huge_pages and (self.socket_mem_mib or self.single_file_segments):
            raise EalError("expected neither memory per node nor file segments without huge pages")

    def argv(self) -> list[str]:
        """The arguments, each element one word, none of which a shell has to read."""
        if self.lcores:
            argv = ["-l", format_list(self.lcores)]
        else:
            argv = ["--lcores", ",".join(f"{lcore}@{cpu}" for lcore, cpu in sorted(self.lcore_map.items()))]
        if self.main_lcore is not None:
            argv += ["--main-lcore", str(self.main_lcore)]
        if self.socket_mem_mib:
            argv += ["--socket-mem", socket_mem(self.socket_mem_mib)]
        if self.memory_mib is not None:
            argv += ["-m", str(self.memory_mib)]
        if self.file_prefix is not None:
            argv += [f"--file-prefix={self.file_prefix}"]
        argv += ["--no-pci"] if self.no_pci else []
        argv += ["--no-huge"] if not self.huge_pages else []
        argv += ["--single-file-segments"] if self.single_file_segments else []
        for address in self.allow:
            argv += ["-a", str(address)]
        argv += [f"--vdev={vdev}" for vdev in self.vdevs]
        return argv


def socket_mem(mib_by_node: Mapping[int, int]) -> str:
    """`1024,0,512`: MiB of each node from 0 to the highest, as EAL and Open vSwitch read it."""
    if not mib_by_node:
        raise EalError("expected memory of at least one node")
    if min(mib_by_node) < 0 or max(mib_by_node) > 1023:
        raise EalError("expected node numbers from 0 to 1023")
    return ",".join(str(mib_by_node.get(node, 0)) for node in range(max(mib_by_node) + 1))
