"""What libvirt 9 prints of a host, made of a topology: the same elements, in the same order."""

from __future__ import annotations

from dpdk_helpers.cpuset import format_list
from dpdk_helpers.pci import PciAddress
from dpdk_helpers.topology import HostTopology, Nic, NumaNode

UUID = "b6e625d9-e766-4fba-bb16-c87d29616d00"


def capabilities_of(host: HostTopology) -> str:
    cells = "".join(_cell(host, node) for node in host.numa_nodes)
    return (
        f"<capabilities>\n\n  <host>\n    <uuid>{UUID}</uuid>\n    <cpu><arch>x86_64</arch>"
        "<pages unit='KiB' size='4'/><pages unit='KiB' size='2048'/></cpu>\n"
        f"    <topology>\n      <cells num='{len(host.numa_nodes)}'>\n{cells}      </cells>\n    </topology>\n"
        "  </host>\n  <guest><os_type>hvm</os_type></guest>\n</capabilities>\n"
    )


def _cell(host: HostTopology, node: NumaNode) -> str:
    pages = "".join(f"<pages unit='KiB' size='{pool.size_kib}'>{pool.total}</pages>" for pool in node.hugepages)
    near = "".join(f"<sibling id='{other}' value='{value}'/>" for other, value in node.distances.items())
    cpus = "".join(_cpu(host, cpu) for cpu in node.cpus)
    return (
        f"<cell id='{node.id}'><memory unit='KiB'>{node.memory_kib}</memory><pages unit='KiB' size='4'>1</pages>{pages}"
        f"<distances>{near}</distances><cpus num='{len(node.cpus)}'>{cpus}</cpus></cell>\n"
    )


def _cpu(host: HostTopology, cpu: int) -> str:
    core = host.core_of(cpu)
    return (
        f"<cpu id='{cpu}' socket_id='{core.package}' die_id='0' core_id='{core.core_id}' "
        f"siblings='{format_list(core.cpus)}'/>"
    )


def devices_of(host: HostTopology) -> str:
    """One document after the other, as a loop over `virsh nodedev-dumpxml` prints them; a bridge among them."""
    bridge = (
        "<device><name>pci_0000_00_1f_0</name><parent>computer</parent><capability type='pci'><class>0x060100</class>"
        f"{_place(PciAddress(0, 0, 31, 0))}</capability></device>\n"
    )
    return bridge + "\n".join(_pci(nic) + "".join(_net(nic, name) for name in nic.interfaces) for nic in host.nics)


def _name(address: PciAddress) -> str:
    return f"pci_{address}".replace(":", "_").replace(".", "_")


def _place(address: PciAddress) -> str:
    return (
        f"<domain>{address.domain}</domain><bus>{address.bus}</bus><slot>{address.device}</slot>"
        f"<function>{address.function}</function>"
    )


def _address(address: PciAddress) -> str:
    return (
        f"<address domain='0x{address.domain:04x}' bus='0x{address.bus:02x}' slot='0x{address.device:02x}' "
        f"function='0x{address.function:x}'/>"
    )


def _pci(nic: Nic) -> str:
    driver = f"<driver><name>{nic.driver}</name></driver>" if nic.driver else ""
    virtual = "".join(_address(vf.address) for vf in nic.vfs)
    functions = f"<capability type='virt_functions' maxCount='{nic.total_vfs}'>{virtual}</capability>"
    physical = f"<capability type='phys_function'>{_address(nic.physical_function or nic.address)}</capability>"
    numa = "" if nic.numa_node is None else f"<numa node='{nic.numa_node}'/>"
    return (
        f"<device>\n  <name>{_name(nic.address)}</name><path>/sys/devices/pci0000:00/{nic.address}</path>"
        f"<parent>computer</parent>{driver}<capability type='pci'><class>0x020000</class>{_place(nic.address)}"
        f"<product id='0x{nic.device_id:04x}'>X</product><vendor id='0x{nic.vendor_id:04x}'>Y</vendor>"
        f"{functions if nic.total_vfs else ''}{physical if nic.physical_function else ''}{numa}"
        "<pci-express><link validity='cap' port='0' speed='8' width='8'/></pci-express></capability>\n</device>\n"
    )


def _net(nic: Nic, name: str) -> str:
    speed = f" speed='{nic.speed_mbps}'" if nic.speed_mbps else ""
    return (
        f"<device><name>net_{name}_00_11</name><path>/sys/devices/pci0000:00/{nic.address}/net/{name}</path>"
        f"<parent>{_name(nic.address)}</parent><capability type='net'><interface>{name}</interface>"
        f"<address>00:11</address><link{speed} state='up'/><capability type='80203'/></capability></device>\n"
    )
