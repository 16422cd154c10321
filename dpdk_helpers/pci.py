"""PCI addresses, and how a device is handed to a user-space driver.

A domain has 16 bits by the PCI Firmware Specification, but Linux numbers software-made domains (VMD, Hyper-V) with up
to 32, so that `10000:00:02.0` is an address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ADDRESS = re.compile(r"(?:([0-9a-fA-F]{4,8}):)?([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-7])")

NETWORK_CLASS = 0x02
"""Base class of network controllers (PCI Code and ID Assignment Specification, section 1.3)."""

DRIVER_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class PciError(ValueError):
    """Text or numbers that are no PCI address, or a driver name that is none."""


@dataclass(frozen=True, slots=True, order=True)
class PciAddress:
    """`domain:bus:device.function`; prints in the kernel's notation."""

    domain: int
    bus: int
    device: int
    function: int

    def __post_init__(self) -> None:
        limits = ((self.domain, 2**32), (self.bus, 256), (self.device, 32), (self.function, 8))
        if any(not 0 <= value < limit for value, limit in limits):
            raise PciError(f"expected domain < 2^32, bus < 256, device < 32, function < 8, found {self!r}")

    @classmethod
    def parse(cls, text: str) -> PciAddress:
        """`0000:3b:00.1`, or `3b:00.1` in domain 0. Raises PciError for anything else."""
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise PciError(f"expected an address such as 0000:3b:00.1, found {text[:40]!r}")
        domain, bus, device, function = (int(part or "0", 16) for part in match.groups())
        return cls(domain, bus, device, function)

    def __str__(self) -> str:
        return f"{self.domain:04x}:{self.bus:02x}:{self.device:02x}.{self.function:x}"


@dataclass(frozen=True, slots=True)
class SysfsWrite:
    """One value to write to one file below /sys; `path` is relative to it."""

    path: str
    value: str


def bind(address: PciAddress, driver: str, current: str | None) -> tuple[SysfsWrite, ...]:
    """The writes, in order, that move a device from driver `current` (None: it has none) to `driver`.

    `driver_override` (Linux 3.16, Documentation/ABI/testing/sysfs-bus-pci) binds this device alone, whatever ids the
    driver knows. Raises PciError for a name that no driver can have.
    """
    for name in (driver, current or "none"):
        if DRIVER_NAME.fullmatch(name) is None:
            raise PciError(f"expected the name of a driver, found {name[:40]!r}")
    if driver == current:
        return ()
    device = f"bus/pci/devices/{address}"
    writes = [SysfsWrite(f"{device}/driver_override", driver)]
    if current is not None:
        writes.append(SysfsWrite(f"bus/pci/drivers/{current}/unbind", str(address)))
    writes.append(SysfsWrite("bus/pci/drivers_probe", str(address)))
    return tuple(writes)


def release(address: PciAddress, current: str | None) -> tuple[SysfsWrite, ...]:
    """The writes that give a device back to whatever kernel driver claims it."""
    device = f"bus/pci/devices/{address}"
    writes = [SysfsWrite(f"{device}/driver_override", "\n")]
    if current is not None:
        if DRIVER_NAME.fullmatch(current) is None:
            raise PciError(f"expected the name of a driver, found {current[:40]!r}")
        writes.append(SysfsWrite(f"bus/pci/drivers/{current}/unbind", str(address)))
    writes.append(SysfsWrite("bus/pci/drivers_probe", str(address)))
    return tuple(writes)
