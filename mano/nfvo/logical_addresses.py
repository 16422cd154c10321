"""Addresses of ports made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from mano.domain.ns_instance import Network
from mano.domain.port_chains import Document
from mano.errors import Conflict, InvalidInput, Refused
from mano.nfvo.neutron_documents import seen_ports, subnet_id
from mano.ports.repositories import UnitOfWork

ADDRESS_SEARCH = 1 << 16
"""Addresses tried in one subnet before it counts as full."""


def taken_addresses(uow: UnitOfWork, network: Network) -> set[Any]:
    """Every address that a port of the network has."""
    points = [port.point.addresses for port in seen_ports(uow, None) if port.point.network_id == network.id]
    points += [port.addresses for port in uow.logical_ports.list() if port.network_id == network.id]
    return {ip_address(text.split("/")[0]) for addresses in points for text in addresses}


def choose_addresses(uow: UnitOfWork, network: Network, wishes: Sequence[Document] | None) -> tuple[str, ...]:
    """Addresses as asked for, else the highest free one of each subnet: low ones are for the network's own service."""
    taken = taken_addresses(uow, network) | {ip_address(gateway) for gateway in network.gateways}
    if wishes is None:
        wishes = [{"subnet_id": subnet_id(network.id, prefix)} for prefix in network.subnets]
    found: list[str] = []
    for wish in wishes:
        prefix = _prefix_of(network, wish)
        if wish.get("ip_address"):
            address = ip_address(wish["ip_address"])
            if address in taken and str(address) not in network.gateways:
                raise Conflict(f"the address {address} is in use in the network")
        else:
            address = _highest_free(prefix, taken)
        if str(address) in {text.split("/")[0] for text in found}:
            raise InvalidInput(f"the address {address} is asked for twice")
        taken.add(address)
        found.append(f"{address}/{prefix.prefixlen}")
    return tuple(found)


def _prefix_of(network: Network, wish: Document) -> Any:
    prefixes = {subnet_id(network.id, text): ip_network(text) for text in network.subnets}
    wanted, address = wish.get("subnet_id"), wish.get("ip_address")
    if wanted is not None and wanted not in prefixes:
        raise InvalidInput("the subnet is not one of the port's network")
    candidates = [prefixes[wanted]] if wanted is not None else list(prefixes.values())
    for prefix in candidates:
        if address is None or ip_address(address) in prefix:
            return prefix
    have = ", ".join(network.subnets) or "no subnet"
    raise InvalidInput(f"the address {address} is in no subnet of the network, which has {have}")


def _highest_free(prefix: Any, taken: set[Any]) -> Any:
    reserved = 0 if prefix.num_addresses <= 2 else 1
    last = int(prefix.broadcast_address) - (reserved if prefix.version == 4 else 0)
    first = int(prefix.network_address) + reserved
    for number in range(last, max(first, last - ADDRESS_SEARCH) - 1, -1):
        address = prefix[number - int(prefix.network_address)]
        if address not in taken:
            return address
    raise Refused(f"no address is free in {prefix}", hint="enlarge the subnet, or delete ports")
