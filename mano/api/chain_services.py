"""Networks, ports and chains made by hand, as the HTTP interfaces call them; gathered in :mod:`mano.api.services`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mano.api.life_cycles import OperationTasks
from mano.domain.lcm_op_occ import LcmOpOcc

Document = Mapping[str, Any]
"""A JSON object: Neutron's names in Neutron's resources, camelCase in ours."""


class LogicalNetworks(Protocol):
    """Networks, subnets and ports as Neutron shows them; documents are Neutron's, values are named as there."""

    def networks(self, tenant_id: str) -> Sequence[Document]:
        """Every network."""

    def create_network(self, tenant_id: str, values: Document) -> str:
        """An overlay network; its identifier."""

    def update_network(self, id: str, tenant_id: str, values: Document) -> None:
        """Its name and description."""

    def delete_network(self, id: str, tenant_id: str) -> None:
        """Remove one that was made here and has no port."""

    def subnets(self, tenant_id: str) -> Sequence[Document]:
        """Every subnet."""

    def create_subnet(self, tenant_id: str, values: Document) -> str:
        """A prefix of a network; its identifier."""

    def delete_subnet(self, id: str, tenant_id: str) -> None:
        """Remove one of which no port has an address."""

    def ports(self, tenant_id: str) -> Sequence[Document]:
        """Every port: of VNFCs, of SAPs, and those made here."""

    def create_port(self, tenant_id: str, values: Document) -> str:
        """A port on a host's bridge; its identifier."""

    def update_port(self, id: str, tenant_id: str, values: Document) -> None:
        """Its name and description."""

    def delete_port(self, id: str, tenant_id: str) -> None:
        """Remove one that was made here and that nothing refers to."""


class PortChaining(Protocol):
    """The collections of networking-sfc by name (``port_pairs`` and so on)."""

    def list(self, kind: str, tenant_id: str) -> Sequence[Document]:
        """Every resource of a kind."""

    def create(self, kind: str, tenant_id: str, values: Document) -> str:
        """Make one and what it means; its identifier."""

    def update(self, kind: str, id: str, tenant_id: str, values: Document) -> None:
        """Change one and what it means."""

    def delete(self, kind: str, id: str, tenant_id: str) -> None:
        """Remove one that no other refers to."""


class ChainPreview(Protocol):
    """What a chain would become."""

    @property
    def differs(self) -> bool:
        """True when anything would change."""

    def to_document(self) -> dict[str, Any]:
        """The paths, what each bridge gains and loses, warnings, the MTU."""


class Chains(OperationTasks, Protocol):
    """Making and changing chains by hand; documents are Chain files."""

    def create(self, tenant_id: str, document: Document) -> Document:
        """Prove, store and program a chain; as :meth:`ForwardingGraphs.get` shows it."""

    def preview_new(self, tenant_id: str, document: Document) -> ChainPreview:
        """What :meth:`create` would make."""

    def replace(self, id: str, tenant_id: str, document: Document) -> str:
        """Start a change that loses no packet; the operation's identifier."""

    def preview_change(self, id: str, tenant_id: str, document: Document) -> ChainPreview:
        """What :meth:`replace` would do."""

    def patched(self, id: str, tenant_id: str, patch: Document) -> Document:
        """The chain's document with a merge patch applied."""

    def delete(self, id: str, tenant_id: str) -> None:
        """Take it out of service; what is on it comes out."""

    def operation(self, op_id: str, tenant_id: str) -> LcmOpOcc:
        """A change of a chain."""

    def operations(self, tenant_id: str, chain_id: str | None = None) -> Sequence[LcmOpOcc]:
        """The changes of all chains, or of one."""
