"""PNFs in the plan of an NS (IFA 014 clause 6.3.6): their connection points get addresses and ports. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mano.domain.ids import derive_id, mac_address
from mano.domain.ns_instance import NetworkKind
from mano.errors import InvalidInput
from mano.nfvo.plan import PlannedPnf, PlannedPnfCp
from mano.nfvo.plan_inputs import PlanInputs, PnfPoint, PnfRequest
from mano.nfvo.virtual_links import Links
from mano.ports.vim import Attachment
from vnf_descriptors.model import NsFlavour, Pnfd, PnfExtCp, PnfProfile


def hold_pnf_addresses(requests: tuple[PnfRequest, ...], links: Links) -> None:
    """What requests fix, nobody gets for free."""
    for request in requests:
        for point in request.points:
            links.hold(point.link_id, point.addresses, f"PNF {request.pnf_id}")


def plan_pnf(inputs: PlanInputs, links: Links, request: PnfRequest, key: str) -> PlannedPnf:
    """The PNF with its points; raises InvalidInput for an address that is not to be had."""
    return PlannedPnf(
        key=key,
        pnf_id=request.pnf_id,
        name=request.name,
        pnfd_id=request.pnfd.descriptor_id,
        package_id=request.package_id,
        profile_id=request.profile_id,
        cps=tuple(_cp(inputs, links, request, key, point) for point in request.points),
    )


def _cp(inputs: PlanInputs, links: Links, request: PnfRequest, key: str, point: PnfPoint) -> PlannedPnfCp:
    owner = f"PNF {request.pnf_id}: {point.cpd_id}"
    network = links.network_of(point.link_id, owner)
    addresses, gateway = links.give(point.link_id, point.addresses, owner)
    return PlannedPnfCp(
        id=derive_id(inputs.operation_id, "pnf", key, point.cpd_id),
        cp_id=point.cp_id,
        cpd_id=point.cpd_id,
        network_id=network.id,
        attachment=point.attachment,
        host="" if network.kind is NetworkKind.PROVIDER else point.host,
        mac=point.mac or mac_address(inputs.operation_id, "pnf", key, point.cpd_id),
        addresses=addresses,
        gateway=gateway,
    )


def points_of(
    flavour: NsFlavour,
    profile: PnfProfile,
    pnfd: Pnfd,
    data: Mapping[str, Any],
    wishes: Mapping[str, Any],
    known: Mapping[str, Attachment],
    pointer: str,
) -> tuple[PnfPoint, ...]:
    """The PNF's connection points that the NSD connects, as AddPnfData, Catena's own parameters and names say.

    ``wishes`` maps a CPD, or a requirement of the PNF's node, to ``{attachment, address}``; ``known`` are the VIMs'
    attachments. Raises InvalidInput with a pointer to what does not fit.
    """
    unread = {str(item.get("cpdId")): item for item in data.get("cpData") or () if item.get("cpdId")}
    nameless = [item for item in data.get("cpData") or () if not item.get("cpdId")]
    found = []
    for connection in profile.connections:
        cp = ext_cp_of(profile, pnfd, connection.requirement)
        item = unread.pop(cp.id, None) or unread.pop(connection.requirement, None)
        if item is None and nameless and len(profile.connections) == 1:
            item = nameless.pop()
        wish = wishes.get(cp.id) or wishes.get(connection.requirement) or {}
        found.append(_point(flavour, cp, connection.virtual_link_id, item or {}, wish, data, known, pointer))
    if unread or nameless:
        named = next(iter(unread), str(nameless[0].get("cpInstanceId")) if nameless else "")
        points = ", ".join(ext_cp_of(profile, pnfd, each.requirement).id for each in profile.connections) or "none"
        raise InvalidInput(
            f"PNF profile {profile.id} connects no connection point '{named}'",
            hint=f"it connects: {points}",
            facts={"pointer": f"{pointer}/cpData"},
        )
    return tuple(found)


def ext_cp_of(profile: PnfProfile, pnfd: Pnfd, requirement: str) -> PnfExtCp:
    """The PNFD's connection point that a profile connects; raises InvalidInput where there is none."""
    try:
        return pnfd.ext_cp_behind(requirement)
    except KeyError:
        known = ", ".join(cp.requirement or cp.id for cp in pnfd.ext_cps) or "none"
        raise InvalidInput(
            f"PNF profile {profile.id} connects '{requirement}', and PNFD {pnfd.descriptor_id} has no such "
            "connection point (SOL001 clause 8)",
            hint=f"it has: {known}",
        ) from None


def _point(
    flavour: NsFlavour,
    cp: PnfExtCp,
    link_id: str,
    item: Mapping[str, Any],
    wish: Mapping[str, Any],
    data: Mapping[str, Any],
    known: Mapping[str, Attachment],
    pointer: str,
) -> PnfPoint:
    mac, addresses = addresses_in(item.get("cpProtocolData") or ())
    if wish.get("address"):
        addresses = (str(wish["address"]),)
    physical = flavour.virtual_link(link_id).physical_network or ""
    name = _attachment_name(cp, wish, data, known, physical)
    if not name and not physical:
        raise InvalidInput(
            f"PNF {data['pnfId']}: no VIM has an attachment where its connection point {cp.id} could be",
            hint=f"add one of that PNF's name ({data['pnfName']}) on a host, or name one: "
            f"additionalParamsForNs.catena.pnfs.{data['pnfId']}.{cp.id}.attachment",
            facts={"pointer": pointer},
        )
    host = known[name].host if name else ""
    return PnfPoint(str(item.get("cpInstanceId") or cp.id), cp.id, link_id, name, host, mac, addresses)


def _attachment_name(
    cp: PnfExtCp, wish: Mapping[str, Any], data: Mapping[str, Any], known: Mapping[str, Attachment], physical: str
) -> str:
    """The attachment that the request names, else the first of the PNF's names that there is on the link's network."""
    asked = str(wish.get("attachment") or "")
    if asked and (asked not in known or known[asked].physical_network != physical):
        where = f"on physical network {physical}" if physical else "on a host's bridge"
        fitting = ", ".join(sorted(name for name, one in known.items() if one.physical_network == physical)) or "none"
        raise InvalidInput(
            f"PNF {data['pnfId']}: no VIM has an attachment '{asked}' {where}, where its virtual link is",
            hint=f"there: {fitting}",
            facts={"pointer": f"/additionalParamsForNs/catena/pnfs/{data['pnfId']}/{cp.id}/attachment"},
        )
    names = [
        f"{own}{end}" for own in (data["pnfName"], data["pnfId"], data["pnfProfileId"]) for end in (f"-{cp.id}", "")
    ]
    fitting_names = (name for name in names if name in known and known[name].physical_network == physical)
    return asked or next(fitting_names, "")


def addresses_in(protocols: Any) -> tuple[str, tuple[str, ...]]:
    """(MAC address, fixed IP addresses) of CpProtocolData; the MAC in lower case with colons."""
    mac, addresses = "", []
    for protocol in protocols:
        data = protocol.get("ipOverEthernet") or {}
        mac = mac or str(data.get("macAddress") or "").lower().replace("-", ":")
        for entry in data.get("ipAddresses") or ():
            addresses += [str(address) for address in entry.get("fixedAddresses") or ()]
    return mac, tuple(addresses)


def pnf_keys(present: Iterator[str] | tuple[str, ...], requests: tuple[PnfRequest, ...]) -> list[str]:
    """A free ``<profile>-<n>`` for each of the requests."""
    held, keys = set(present), []
    for request in requests:
        number = next(n for n in range(len(held) + 1) if f"{request.profile_id}-{n}" not in held)
        keys.append(f"{request.profile_id}-{number}")
        held.add(keys[-1])
    return keys


def modified(planned: PlannedPnf, name: str | None, points: Mapping[str, PnfPoint], links: Links) -> PlannedPnf:
    """The PNF with another name or other addresses (ModifyPnfData, SOL005 clause 6.5.3.15); its ports keep their ids.

    ``points`` maps a CPD to what is asked for; a point that it does not name stays. ``links`` must not count the PNF's
    own addresses as taken.
    """
    cps = []
    for cp in planned.cps:
        point = points.get(cp.cpd_id)
        if point is None:
            cps.append(cp)
            continue
        fixed = point.addresses or tuple(address.split("/")[0] for address in cp.addresses)
        addresses, gateway = links.give(point.link_id, fixed, f"PNF {planned.pnf_id}: {cp.cpd_id}")
        cps.append(replace(cp, mac=point.mac or cp.mac, addresses=addresses, gateway=gateway))
    return replace(planned, name=name or planned.name, cps=tuple(cps))


def without_own(taken: Mapping[str, Iterable[str]], planned: PlannedPnf) -> dict[str, list[str]]:
    """The addresses in use, but for those of the PNF itself."""
    own = {(cp.network_id, address) for cp in planned.cps for address in cp.addresses}
    return {id: [text for text in addresses if (id, text) not in own] for id, addresses in taken.items()}
