"""Everything that the plan of an NS depends on, as values: descriptors, the request, and where numbers come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mano.domain.ns_instance import Network
from mano.errors import InvalidInput
from vnf_descriptors.model import Nsd, NsFlavour, Pnfd, Vnfd, VnfFlavour, VnfProfile


@dataclass(frozen=True, slots=True)
class Constituent:
    """A VNF profile with the package that will serve it."""

    profile: VnfProfile
    vnfd: Vnfd
    package_id: str

    @property
    def flavour(self) -> VnfFlavour:
        """The VNFD's flavour that the profile names."""
        try:
            return self.vnfd.flavour(self.profile.flavour_id or None)
        except KeyError:
            raise InvalidInput(
                f"VNF profile {self.profile.id} asks for flavour '{self.profile.flavour_id}', which VNFD "
                f"{self.vnfd.descriptor_id} does not have",
                hint=f"it has {', '.join(flavour.id for flavour in self.vnfd.flavours)}",
            ) from None


@dataclass(frozen=True, slots=True)
class SapRequest:
    """How a SAP is to be attached: the attachment's name, its host (empty: outside the bridges), fixed addresses."""

    attachment: str
    host: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PnfPoint:
    """How a connection point of a PNF is to be attached; ``attachment`` is empty on a physical network itself.

    ``cp_id`` is what the request calls it, ``mac`` the PNF's own address where the request tells it.
    """

    cp_id: str
    cpd_id: str
    link_id: str
    attachment: str
    host: str
    mac: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PnfRequest:
    """A PNF that is to be part of the NS (AddPnfData, SOL005 clause 6.5.3.13), with its descriptor."""

    pnf_id: str
    name: str
    profile_id: str
    pnfd: Pnfd
    package_id: str
    points: tuple[PnfPoint, ...]


@dataclass(frozen=True, slots=True)
class NestedRequest:
    """A nested NS that is to be made or, with the ``ns_instance_id`` of one, taken in.

    ``inner`` maps the virtual links of one that is there to their networks. ``parameters`` go with the request that
    makes it. ``fixed`` maps a requirement of its node to the addresses that its own descriptors fix there, ``taken`` a
    virtual link around it to the addresses that are in use within.
    """

    profile_id: str
    nsd: Nsd
    package_id: str
    ns_instance_id: str = ""
    flavour_id: str = ""
    inner: Mapping[str, Network] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    taken: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OuterLink:
    """What a SAP of a nested NS is connected to: the network of the NS that nests it, and the way in."""

    network: Network
    entry_port: str = ""


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """Everything that a plan depends on. ``numbers(pool, key)`` gives the VNI or subnet number of a key.

    ``saps`` are those that get a port; ``outer`` those that an NS around this one connects. ``taken`` maps a network to
    addresses that others have on it.
    """

    ns_instance_id: str
    tenant_id: str
    operation_id: str
    nsd: Nsd
    flavour: NsFlavour
    constituents: Mapping[str, Constituent]
    saps: Mapping[str, SapRequest]
    counts: Mapping[str, int]
    underlay_mtu: int
    vni_of: Callable[[str], int]
    subnet_for: Callable[[str], str]
    pnfs: tuple[PnfRequest, ...] = ()
    nested: tuple[NestedRequest, ...] = ()
    outer: Mapping[str, OuterLink] = field(default_factory=dict)
    taken: Mapping[str, Iterable[str]] = field(default_factory=dict)
