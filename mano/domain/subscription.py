"""Who wants to be told what: subscriptions of every interface that has them, and whether a notice concerns one.

A :class:`Notice` is one fact in the words of one interface, before anybody is told. Its ``facts`` hold what filters
ask for; :func:`concerns` compares them, :func:`message` makes the notification of a subscriber's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Interface(StrEnum):
    """The interfaces whose subscribers are told; the value is the API's name."""

    NSD = "nsd"
    VNFPKGM = "vnfpkgm"
    NSLCM = "nslcm"
    NSFM = "nsfm"
    NSPM = "nspm"
    NFVICI = "nfvici"
    VNFLCM = "vnflcm"
    VNFFM = "vnffm"
    VNFPM = "vnfpm"
    VNFIND = "vnfind"
    VRQAN = "vrqan"


_PACKAGE = ("VnfPackageOnboardingNotification", "VnfPackageChangeNotification")
_ALARM = ("AlarmNotification", "AlarmClearedNotification", "AlarmListRebuiltNotification")
_MEASURED = ("PerformanceInformationAvailableNotification", "ThresholdCrossedNotification")

NOTIFICATION_TYPES: Mapping[Interface, tuple[str, ...]] = {
    Interface.NSD: (
        "NsdOnBoardingNotification",
        "NsdOnBoardingFailureNotification",
        "NsdChangeNotification",
        "NsdDeletionNotification",
        "PnfdOnBoardingNotification",
        "PnfdOnBoardingFailureNotification",
        "PnfdDeletionNotification",
    ),
    Interface.VNFPKGM: _PACKAGE,
    Interface.NSLCM: (
        "NsLcmOperationOccurrenceNotification",
        "NsIdentifierCreationNotification",
        "NsIdentifierDeletionNotification",
        "NsChangeNotification",
    ),
    Interface.NSFM: _ALARM,
    Interface.NSPM: _MEASURED,
    Interface.NFVICI: ("CapacityShortageNotification",),
    Interface.VNFLCM: (
        "VnfLcmOperationOccurrenceNotification",
        "VnfIdentifierCreationNotification",
        "VnfIdentifierDeletionNotification",
    ),
    Interface.VNFFM: _ALARM,
    Interface.VNFPM: _MEASURED,
    Interface.VNFIND: ("VnfIndicatorValueChangeNotification", "SupportedIndicatorsChangeNotification"),
    Interface.VRQAN: ("VrQuotaAvailNotification",),
}
"""What each interface tells of."""

SPELLINGS: Mapping[str, str] = {
    # as the OpenAPI documents v3.7.1 spell two of them in their filters
    "NsLcmOperationOccurenceNotification": "NsLcmOperationOccurrenceNotification",
    "NsdOnboardingFailureNotification": "NsdOnBoardingFailureNotification",
}
"""Other spellings of notification types that clients send."""

INSTANCE_FILTERS = frozenset({"vnfInstanceSubscriptionFilter", "nsInstanceSubscriptionFilter"})
PRODUCTS = "vnfProductsFromProviders"

WITHIN_TYPE = frozenset(
    {
        "operationTypes",
        "operationStates",
        "nsComponentTypes",
        "lcmOpNameImpactingNsComponent",
        "lcmOpOccStatusImpactingNsComponent",
        "affectedNsInstanceIds",
    }
)
"""Criteria on an attribute of one type of notification: they say nothing of the other types."""


class AuthType(StrEnum):
    """SubscriptionAuthentication (SOL013 clause 8.3.4)."""

    BASIC = "BASIC"
    OAUTH2_CLIENT_CREDENTIALS = "OAUTH2_CLIENT_CREDENTIALS"
    TLS_CERT = "TLS_CERT"


@dataclass(frozen=True, slots=True)
class Authentication:
    """How a server proves to a receiver who it is. ``kinds`` are those that the receiver takes; none: no proof."""

    kinds: tuple[AuthType, ...] = ()
    user_name: str = ""
    password: str = ""
    client_id: str = ""
    client_password: str = ""
    token_endpoint: str = ""

    def __repr__(self) -> str:
        return f"Authentication({', '.join(self.kinds) or 'none'})"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One receiver and what it wants.

    ``root`` is ``scheme://host[:port]`` under which the subscriber called us: links in notifications begin with it.
    ``filter`` is the standard's object as sent. ``hidden`` ones belong to a PM job or a threshold of the same ``id``
    and are no resources of their own.
    """

    id: str
    tenant_id: str
    interface: Interface
    callback_uri: str
    root: str
    created_at: datetime
    filter: Mapping[str, Any] = field(default_factory=dict)
    authentication: Authentication = field(default_factory=Authentication)
    verbosity: str = "FULL"
    hidden: bool = False
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """One fact for the subscribers of one interface.

    ``id`` is the same in every notification of it. ``order_key`` names what it must not overtake within. ``facts``
    maps a filter's attribute to the values it may have here. ``links`` maps a link's name to a path of ours.
    ``detail`` are the attributes that subscribers of verbosity SHORT are spared. ``receiver`` is the one subscription
    that it is for, where it is for one.
    """

    id: str
    interface: Interface
    type: str
    tenant_id: str
    order_key: str
    occurred_at: datetime
    facts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    products: Sequence[str] = ()
    body: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    receiver: str = ""


def concerns(notice: Notice, subscription: Subscription) -> bool:
    """Shall this subscriber be told?"""
    if notice.interface is not subscription.interface or notice.tenant_id != subscription.tenant_id:
        return False
    if notice.receiver:
        return notice.receiver == subscription.id
    return not subscription.hidden and _fits(notice, subscription.filter)


def _fits(notice: Notice, wanted: Mapping[str, Any]) -> bool:
    return all(_criterion_fits(notice, name, value) for name, value in wanted.items() if value not in (None, [], {}))


def _criterion_fits(notice: Notice, name: str, value: Any) -> bool:
    if name in INSTANCE_FILTERS:
        return isinstance(value, Mapping) and _fits(notice, value)
    if name == PRODUCTS:
        return any(_product_fits(notice.products, provider) for provider in value)
    values = [value] if isinstance(value, str) else value
    if name == "notificationTypes":
        return notice.type in {SPELLINGS.get(kind, kind) for kind in values}
    if name not in notice.facts:
        return name in WITHIN_TYPE
    return not set(notice.facts[name]).isdisjoint(values)


def _product_fits(product: Sequence[str], provider: Mapping[str, Any]) -> bool:
    """(provider, product, software version, VNFD version) against one entry of ``vnfProductsFromProviders``."""
    if not product or provider.get("vnfProvider") != product[0]:
        return False
    # SOL005's OpenAPI document gives the inner array the outer one's name
    products = provider.get("vnfProducts") or provider.get(PRODUCTS)
    return not products or any(
        entry.get("vnfProductName") == product[1] and _version_fits(product, entry.get("versions"))
        for entry in products
    )


def _version_fits(product: Sequence[str], versions: Sequence[Mapping[str, Any]] | None) -> bool:
    return not versions or any(
        version.get("vnfSoftwareVersion") == product[2]
        and (not version.get("vnfdVersions") or product[3] in version["vnfdVersions"])
        for version in versions
    )


def message(notice: Notice, subscription: Subscription) -> dict[str, Any]:
    """The notification that this subscriber gets of the notice."""
    told = notice.occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    here = f"{subscription.root}/{subscription.interface.value}"
    links = {name: {"href": subscription.root + path} for name, path in notice.links.items()}
    if not subscription.hidden:
        major = "v1" if subscription.interface in _MAJOR_ONE else "v2"
        links["subscription"] = {"href": f"{here}/{major}/subscriptions/{subscription.id}"}
    whole = {} if subscription.verbosity == "SHORT" else notice.detail
    return {
        "id": notice.id,
        "notificationType": notice.type,
        **({} if subscription.hidden else {"subscriptionId": subscription.id}),
        # SOL005 clause 6.5.2.5 alone writes it in lower case
        "timestamp" if notice.interface is Interface.NSLCM else "timeStamp": told,
        **_absolute({**notice.body, **whole}, subscription.root),
        "_links": links,
    }


def _absolute(value: Any, root: str) -> Any:
    """The same with every ``href`` that is a path made a URI."""
    if isinstance(value, Mapping):
        return {
            key: root + item if key == "href" and str(item).startswith("/") else _absolute(item, root)
            for key, item in value.items()
        }
    return [_absolute(item, root) for item in value] if isinstance(value, list | tuple) else value


_MAJOR_ONE = frozenset({Interface.NSFM, Interface.VNFFM, Interface.VNFIND, Interface.VRQAN, Interface.NFVICI})
