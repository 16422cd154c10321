"""The plan of an NS: every resource that an instantiation will make, as one value. Pure; serialises to JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from mano.domain.ns_instance import Network, NetworkJoin, NetworkKind

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlannedCp:
    """One connection point of a VNFC. ``ext_cpd_id`` is empty for one that the VNF keeps to itself.

    ``addresses`` are interface addresses (``10.10.0.1/24``), ``gateway`` an address or empty.
    """

    cpd_id: str
    ext_cpd_id: str
    network_id: str
    mac: str
    addresses: tuple[str, ...]
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class PlannedVnfc:
    """One instance of a VDU. ``key`` names it within the NS: ``<profile>-<n>/<vdu>/<index>``."""

    key: str
    vdu_id: str
    index: int
    reservation_id: str
    cps: tuple[PlannedCp, ...]


@dataclass(frozen=True, slots=True)
class PlannedVnf:
    """One VNF instance of a VNF profile and the identifiers that it will have."""

    profile_id: str
    index: int
    vnf_instance_id: str
    operation_id: str
    vnfd_id: str
    package_id: str
    flavour_id: str
    level_id: str
    name: str
    vnfcs: tuple[PlannedVnfc, ...]


@dataclass(frozen=True, slots=True)
class PlannedSap:
    """One SAP and the port that it becomes; ``host`` is empty where it bypasses the integration bridges."""

    id: str
    sapd_id: str
    network_id: str
    attachment: str
    host: str
    mac: str
    addresses: tuple[str, ...]
    gateway: str = ""
    trunk: bool = False


@dataclass(frozen=True, slots=True)
class PlannedPnfCp:
    """A connection point of a PNF and the port that it becomes; no port where ``attachment`` is empty."""

    id: str
    cp_id: str
    cpd_id: str
    network_id: str
    attachment: str
    host: str
    mac: str
    addresses: tuple[str, ...]
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class PlannedPnf:
    """A PNF that the NS takes in; ``key`` is ``<PNF profile>-<n>``."""

    key: str
    pnf_id: str
    name: str
    pnfd_id: str
    package_id: str
    profile_id: str
    cps: tuple[PlannedPnfCp, ...]


@dataclass(frozen=True, slots=True)
class PlannedNested:
    """A nested NS; ``key`` is ``<NS profile>-<n>``. ``operation_id`` makes it, empty for one that is there already."""

    key: str
    profile_id: str
    ns_instance_id: str
    nsd_id: str
    package_id: str
    flavour_id: str
    level_id: str
    operation_id: str
    joins: tuple[NetworkJoin, ...]
    parameters: Mapping[str, Any]

    @property
    def made(self) -> bool:
        """True when this NS makes it."""
        return bool(self.operation_id)


@dataclass(frozen=True, slots=True)
class NsPlan:
    """Desired state of one NS."""

    flavour_id: str
    networks: tuple[Network, ...]
    vnfs: tuple[PlannedVnf, ...]
    saps: tuple[PlannedSap, ...]
    pnfs: tuple[PlannedPnf, ...] = ()
    nested: tuple[PlannedNested, ...] = ()

    def network(self, network_id: str) -> Network:
        """The network with this identifier; KeyError when there is none."""
        for network in self.networks:
            if network.id == network_id:
                return network
        raise KeyError(network_id)

    def vnf(self, profile_id: str, index: int) -> PlannedVnf:
        """The planned VNF; KeyError when there is none."""
        for vnf in self.vnfs:
            if (vnf.profile_id, vnf.index) == (profile_id, index):
                return vnf
        raise KeyError(f"{profile_id}-{index}")

    def pnf(self, key: str) -> PlannedPnf:
        """The planned PNF; KeyError when there is none."""
        return next_of((pnf for pnf in self.pnfs if pnf.key == key), key)

    def nested_ns(self, key: str) -> PlannedNested:
        """The planned nested NS; KeyError when there is none."""
        return next_of((nested for nested in self.nested if nested.key == key), key)

    def to_json(self) -> dict[str, Any]:
        """JSON values; :func:`plan_from_json` reads them."""
        return asdict(self)


def next_of(found: Iterator[T], name: str) -> T:
    """The first; KeyError naming what was looked for when there is none."""
    for one in found:
        return one
    raise KeyError(name)


def vnf_from_json(document: Mapping[str, Any]) -> PlannedVnf:
    """A planned VNF that was written as JSON on its own."""
    return _vnf(document)


def pnf_from_json(document: Mapping[str, Any]) -> PlannedPnf:
    """A planned PNF that was written as JSON on its own."""
    return _pnf(document)


def plan_from_json(document: Mapping[str, Any]) -> NsPlan:
    """The plan that :meth:`NsPlan.to_json` wrote."""
    return NsPlan(
        flavour_id=document["flavour_id"],
        networks=tuple(_network(item) for item in document["networks"]),
        vnfs=tuple(_vnf(item) for item in document["vnfs"]),
        saps=tuple(replace(PlannedSap(**item), addresses=tuple(item["addresses"])) for item in document["saps"]),
        pnfs=tuple(_pnf(item) for item in document.get("pnfs", ())),
        nested=tuple(_nested(item) for item in document.get("nested", ())),
    )


def _pnf(item: Mapping[str, Any]) -> PlannedPnf:
    cps = tuple(PlannedPnfCp(**{**cp, "addresses": tuple(cp["addresses"])}) for cp in item["cps"])
    return PlannedPnf(**{**item, "cps": cps})


def _nested(item: Mapping[str, Any]) -> PlannedNested:
    return PlannedNested(**{**item, "joins": tuple(NetworkJoin(**join) for join in item["joins"])})


def _network(item: Mapping[str, Any]) -> Network:
    return Network(
        **{
            **item,
            "kind": NetworkKind(item["kind"]),
            "subnets": tuple(item["subnets"]),
            "gateways": tuple(item["gateways"]),
        }
    )


def _vnf(item: Mapping[str, Any]) -> PlannedVnf:
    return PlannedVnf(**{**item, "vnfcs": tuple(_vnfc(vnfc) for vnfc in item["vnfcs"])})


def _vnfc(item: Mapping[str, Any]) -> PlannedVnfc:
    cps = tuple(PlannedCp(**{**cp, "addresses": tuple(cp["addresses"])}) for cp in item["cps"])
    return PlannedVnfc(**{**item, "cps": cps})
