"""The plan of an NS: every resource that an instantiation will make, as one value. Pure; serialises to JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from mano.domain.ns_instance import Network, NetworkKind


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


@dataclass(frozen=True, slots=True)
class NsPlan:
    """Desired state of one NS."""

    flavour_id: str
    networks: tuple[Network, ...]
    vnfs: tuple[PlannedVnf, ...]
    saps: tuple[PlannedSap, ...]

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

    def to_json(self) -> dict[str, Any]:
        """JSON values; :func:`plan_from_json` reads them."""
        return asdict(self)


def plan_from_json(document: Mapping[str, Any]) -> NsPlan:
    """The plan that :meth:`NsPlan.to_json` wrote."""
    return NsPlan(
        flavour_id=document["flavour_id"],
        networks=tuple(_network(item) for item in document["networks"]),
        vnfs=tuple(_vnf(item) for item in document["vnfs"]),
        saps=tuple(replace(PlannedSap(**item), addresses=tuple(item["addresses"])) for item in document["saps"]),
    )


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
