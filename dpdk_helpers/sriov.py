"""SR-IOV: which functions a device can have, and the writes that create or remove them."""

from __future__ import annotations

from dpdk_helpers.pci import PciAddress, SysfsWrite
from dpdk_helpers.topology import Nic


class SriovError(ValueError):
    """A number of VFs that the device cannot have."""


def is_capable(nic: Nic) -> bool:
    """Whether the device is a physical function that can have VFs."""
    return nic.physical_function is None and nic.total_vfs > 0


def set_vfs(nic: Nic, count: int) -> tuple[SysfsWrite, ...]:
    """The writes that give the device `count` VFs; none when it has them.

    The kernel refuses to go from one number to another (drivers/pci/pci-sysfs.c, sriov_numvfs_store), so VFs that
    exist are removed first: whoever uses them loses them. Raises SriovError for a number out of range.
    """
    if not is_capable(nic):
        raise SriovError(f"expected a physical function with SR-IOV, found {nic.address}")
    if not 0 <= count <= nic.total_vfs:
        raise SriovError(f"expected 0 to {nic.total_vfs} VFs on {nic.address}, found {count}")
    if count == len(nic.vfs):
        return ()
    path = f"bus/pci/devices/{nic.address}/sriov_numvfs"
    reset = (SysfsWrite(path, "0"),) if nic.vfs and count else ()
    return (*reset, SysfsWrite(path, str(count)))


def vf_address(physical: PciAddress, first_offset: int, stride: int, index: int) -> PciAddress:
    """The address of VF `index` (from 0) by the PF's sriov_offset and sriov_stride (PCIe base specification 9.3.3.9).

    Raises SriovError when it would lie beyond bus 255.
    """
    if index < 0 or first_offset < 0 or stride < 0:
        raise SriovError("expected offset, stride and index of 0 or more")
    number = (physical.bus << 8 | physical.device << 3 | physical.function) + first_offset + stride * index
    if number > 0xFFFF:
        raise SriovError(f"expected VF {index} of {physical} within bus 255")
    return PciAddress(physical.domain, number >> 8, number >> 3 & 31, number & 7)


def vf_of(nic: Nic, index: int) -> PciAddress:
    """The address of an existing VF. Raises SriovError when there is none of that index."""
    for vf in nic.vfs:
        if vf.index == index:
            return vf.address
    raise SriovError(f"expected one of the {len(nic.vfs)} VFs of {nic.address}, found {index}")
