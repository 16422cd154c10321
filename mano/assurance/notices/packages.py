"""VNF packages (SOL003 clause 10.5.2.8, SOL005 clause 9.5.2.8), NSDs and PNFDs (SOL005 clause 5.5.2.9 to 5.5.2.16)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mano.assurance.notices.problems import problem
from mano.domain.events import Event
from mano.domain.subscription import Interface, Notice
from mano.ports.repositories import UnitOfWork


def of_vnf_package(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """On-boarding, a change of the operational state, deletion."""
    vnfd_id = str(event.data.get("descriptorId", ""))
    kind, body = _vnf_package_news(event)
    if kind and vnfd_id:
        yield Notice(
            id=event.id,
            interface=Interface.VNFPKGM,
            type=kind,
            tenant_id=event.tenant_id,
            order_key=event.subject,
            occurred_at=event.occurred_at,
            facts={
                "vnfPkgId": (event.subject,),
                "vnfdId": (vnfd_id,),
                "operationalState": (str(event.data.get("operationalState", "")),),
                "usageState": (str(event.data.get("usageState", "")),),
                "vnfmInfo": tuple(event.data.get("vnfmInfo") or ()),
            },
            products=_product(event.data),
            body={"vnfPkgId": event.subject, "vnfdId": vnfd_id, **body},
            links={
                "vnfPackage": f"/vnfpkgm/v2/vnf_packages/{event.subject}",
                "vnfPackageByVnfdId": f"/vnfpkgm/v2/onboarded_vnf_packages/{vnfd_id}",
            },
        )


def _vnf_package_news(event: Event) -> tuple[str, Mapping[str, Any]]:
    if event.verb == "onboarded":
        return "VnfPackageOnboardingNotification", {"vnfmInfo": list(event.data.get("vnfmInfo") or ())}
    if event.verb == "changed" and event.data.get("operationalStateChanged"):
        state = event.data["operationalState"]
        return "VnfPackageChangeNotification", {"changeType": "OP_STATE_CHANGE", "operationalState": state}
    if event.verb == "deleted":
        return "VnfPackageChangeNotification", {"changeType": "PKG_DELETE"}
    return "", {}


def _product(data: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(data.get(name, "")) for name in ("provider", "name", "softwareVersion", "descriptorVersion"))


def of_nsd(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """On-boarding and its failure, a change of the operational state, deletion."""
    kinds = {
        "onboarded": "NsdOnBoardingNotification",
        "onboarding-failed": "NsdOnBoardingFailureNotification",
        "deleted": "NsdDeletionNotification",
    }
    kind = kinds.get(event.verb, "")
    body: dict[str, Any] = {}
    if event.verb == "changed" and event.data.get("operationalStateChanged"):
        kind = "NsdChangeNotification"
        body["nsdOperationalState"] = event.data["operationalState"]
    if kind:
        yield _descriptor_notice(uow, event, "nsd", kind, body, f"/nsd/v2/ns_descriptors/{event.subject}")


def of_pnfd(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """On-boarding and its failure, deletion."""
    kinds = {
        "onboarded": "PnfdOnBoardingNotification",
        "onboarding-failed": "PnfdOnBoardingFailureNotification",
        "deleted": "PnfdDeletionNotification",
    }
    if event.verb in kinds:
        path = f"/nsd/v2/pnf_descriptors/{event.subject}"
        yield _descriptor_notice(uow, event, "pnfd", kinds[event.verb], {}, path)


def _descriptor_notice(
    uow: UnitOfWork, event: Event, noun: str, kind: str, body: Mapping[str, Any], path: str
) -> Notice:
    data = event.data
    more: dict[str, Any] = {}
    if event.verb == "onboarding-failed":
        package = uow.packages.find(event.subject)
        more["onboardingFailureDetails"] = problem((package.failure if package else None) or {})
    if data.get("descriptorId"):
        more[f"{noun}Id"] = data["descriptorId"]
    designer = "nsdDesigner" if noun == "nsd" else "pnfdProvider"
    named = {
        f"{noun}Id": "descriptorId",
        f"{noun}Name": "name",
        f"{noun}Version": "descriptorVersion",
        designer: "provider",
        f"{noun}InvariantId": "invariantId",
        f"{noun}OnboardingState": "onboardingState",
        f"{noun}OperationalState": "operationalState",
        f"{noun}UsageState": "usageState",
    }
    facts = {attribute: (str(data.get(key, "")),) for attribute, key in named.items()}
    facts["nsdInfoId" if noun == "nsd" else "pnfdInfoIds"] = (event.subject,)
    return Notice(
        id=event.id,
        interface=Interface.NSD,
        type=kind,
        tenant_id=event.tenant_id,
        order_key=event.subject,
        occurred_at=event.occurred_at,
        facts=facts,
        body={f"{noun}InfoId": event.subject, **more, **body},
        links={f"{noun}Info": path},
    )
