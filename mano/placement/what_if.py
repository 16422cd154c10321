"""The world as it might be: an inventory without some hosts, or with others. Nothing given is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mano.domain.nfvi import Inventory, InventoryError
from mano.errors import InvalidInput
from mano.placement.reading import DocumentError, Fault, pointer_of


def what_if(inventory: Inventory, *, without: Sequence[str] = (), additional: Inventory | None = None) -> Inventory:
    """`inventory` with the hosts and links of `additional` (in the place of hosts of the same name), `without` some.

    What lies on a host that is left out is gone with it, and so are its links. Raises InvalidInput for a host to leave
    out that there is not, DocumentError where an additional allocation has the id of one on another host.
    """
    if additional is not None:
        inventory = _with(inventory, additional)
    gone = set(without)
    check_hosts(inventory, without, "leave out")
    if not gone:
        return inventory
    links = tuple(link for link in inventory.links if not gone & {link.a, link.b})
    return Inventory(tuple(host for host in inventory.hosts if host.name not in gone), links)


def _with(inventory: Inventory, additional: Inventory) -> Inventory:
    new = {host.name: host for host in additional.hosts}
    kept = tuple(new.pop(host.name, host) for host in inventory.hosts)
    try:
        return replace(
            inventory,
            hosts=(*kept, *(host for host in additional.hosts if host.name in new)),
            links=(*inventory.links, *additional.links),
        )
    except InventoryError as error:
        raise DocumentError.of("Inventory", [Fault(pointer_of(error.path), error.expected)]) from None


def check_hosts(inventory: Inventory, names: Sequence[str], purpose: str) -> None:
    """Raises InvalidInput for the first name that no host has; told by its place, as names come from anywhere."""
    for place, name in enumerate(names, 1):
        if name not in inventory:
            known = ", ".join(host.name for host in inventory.hosts[:5]) or "no host"
            more = " and others" if len(inventory.hosts) > 5 else ""
            raise InvalidInput(
                f"host {place} of those to {purpose} is not in the inventory", hint=f"it has {known}{more}"
            )
