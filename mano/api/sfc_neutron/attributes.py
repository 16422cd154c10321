"""The resources with their attributes: what a client may send, in what form, and what is refused with a reason.

Names and rules are networking-sfc's and Neutron's; where Catena can do less, an attribute takes the one value that it
can do. Attributes that only Neutron's other extensions know are refused, as a Neutron without these extensions does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mano.api.problem_details import PLAIN_NAME
from mano.api.sfc_neutron.conversions import (
    ADDRESS,
    BOOLEAN,
    BRANCHES,
    DESCRIPTION,
    IDENTIFIER,
    IDENTIFIERS,
    MAC_ADDRESS,
    NAME,
    PREFIX,
    SUBNET,
    Kind,
    Schema,
    integer,
    list_of,
    list_of_objects,
    object_of,
    one_of,
    only,
    text,
)
from mano.domain.port_chains import LB_FIELDS
from mano.errors import InvalidInput

REQUIRED = object()
"""Default of an attribute that has none."""

PORT = integer(0, 65535).or_null()
NSH = "chains of Catena are carried by NSH (RFC 8300)"
HANDED = f"{NSH}; a function gets it (nsh) or a proxy takes it off (null)"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute. ``kept`` is False for one that is checked and means nothing more."""

    kind: Kind
    default: Any = REQUIRED
    updatable: bool = False
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Collection:
    """One kind of resource, with its names in URLs and bodies."""

    path: str
    singular: str
    attributes: Mapping[str, Attribute]

    @property
    def plural(self) -> str:
        """Its name in lists."""
        return self.path.rpartition("/")[2]

    def created(self, body: Any, tenant_id: str) -> dict[str, Any]:
        """Every attribute of a new resource; raises InvalidInput."""
        sent = self._attributes(body, tenant_id)
        values = {}
        for name, attribute in self.attributes.items():
            if name not in sent and attribute.default is REQUIRED:
                raise InvalidInput(
                    f"{self.singular} needs {name}", facts={"pointer": f"/{self.singular}/{name}", "attribute": name}
                )
            if attribute.kept:
                values[name] = self._converted(name, sent[name]) if name in sent else attribute.default
            elif name in sent:
                self._converted(name, sent[name])
        return values

    def updated(self, body: Any, tenant_id: str) -> dict[str, Any]:
        """The attributes that a client changes; raises InvalidInput."""
        sent = self._attributes(body, tenant_id)
        for name in sent:
            if not self.attributes[name].updatable:
                raise InvalidInput(
                    f"{name} of a {self.singular} cannot be changed",
                    hint="delete it and make another one",
                    facts={"pointer": f"/{self.singular}/{name}"},
                )
        return {name: self._converted(name, value) for name, value in sent.items()}

    def _attributes(self, body: Any, tenant_id: str) -> dict[str, Any]:
        inner = body.get(self.singular) if isinstance(body, dict) else None
        if not isinstance(inner, dict) or len(body) != 1:
            raise InvalidInput(f"the body is not an object with the one member {self.singular}, an object")
        sent = dict(inner)
        for name in ("tenant_id", "project_id"):
            if sent.pop(name, None) not in (None, "", tenant_id):
                raise InvalidInput(f"{name} is not the caller's", hint="leave it out: the token says whose it is")
        unknown = [name if PLAIN_NAME.fullmatch(name) else "*" for name in sent if name not in self.attributes]
        if unknown:
            raise InvalidInput(f"{self.singular} has no attribute {', '.join(unknown[:5])} here")
        return sent

    def _converted(self, name: str, value: Any) -> Any:
        try:
            return self.attributes[name].kind.convert(value)
        except ValueError as error:
            raise InvalidInput(
                f"{name} of {self.singular} must be {error}", facts={"pointer": f"/{self.singular}/{name}"}
            ) from None

    def schema(self, *, creating: bool) -> Schema:
        """The JSON schema of a request's body."""
        taken = {name: a for name, a in self.attributes.items() if creating or a.updatable}
        inner: dict[str, Any] = {
            "type": "object",
            "properties": {name: attribute.kind.schema for name, attribute in taken.items()},
            "additionalProperties": False,
        }
        required = [name for name, attribute in taken.items() if creating and attribute.default is REQUIRED]
        if required:
            inner["required"] = required
        return {
            "type": "object",
            "properties": {self.singular: inner},
            "required": [self.singular],
            "additionalProperties": False,
        }


_NAMED = {"name": Attribute(NAME, "", updatable=True), "description": Attribute(DESCRIPTION, "", updatable=True)}


def _accepted(kind: Kind, default: Any = None) -> Attribute:
    return Attribute(kind, default, kept=False)


NETWORKS = Collection(
    "/networks",
    "network",
    {
        **_NAMED,
        "mtu": Attribute(integer(576, 9000).or_null(), None),
        "vlan_transparent": Attribute(BOOLEAN, False),
        "admin_state_up": _accepted(only(True, "a network of Catena is always up")),
        "shared": _accepted(only(False, "a network belongs to one tenant")),
        "router:external": _accepted(only(False, "networks made here are overlays")),
        "provider:network_type": _accepted(only("vxlan", "networks made here are overlays")),
        "port_security_enabled": _accepted(only(True, "every port may send from its own addresses only")),
    },
)

SUBNETS = Collection(
    "/subnets",
    "subnet",
    {
        "name": Attribute(NAME, ""),
        "network_id": Attribute(IDENTIFIER),
        "cidr": Attribute(SUBNET),
        "ip_version": Attribute(integer(4, 6).or_null(), None),
        "gateway_ip": Attribute(ADDRESS.or_null(), None),
        "description": _accepted(only("", "subnets have no description")),
        "enable_dhcp": _accepted(BOOLEAN),
        "dns_nameservers": _accepted(list_of(())),
        "host_routes": _accepted(list_of(())),
        "ipv6_address_mode": _accepted(only(None, "addresses are set by Catena")),
        "ipv6_ra_mode": _accepted(only(None, "addresses are set by Catena")),
    },
)

PORTS = Collection(
    "/ports",
    "port",
    {
        **_NAMED,
        "network_id": Attribute(IDENTIFIER),
        "mac_address": Attribute(MAC_ADDRESS.or_null(), None),
        "fixed_ips": Attribute(
            list_of_objects({"subnet_id": IDENTIFIER.or_null(), "ip_address": ADDRESS.or_null()}).or_null(), None
        ),
        "binding:host_id": Attribute(text(63), ""),
        "device_id": Attribute(text(63), ""),
        "device_owner": Attribute(NAME, ""),
        "admin_state_up": _accepted(only(True, "a port of Catena is always up")),
        "binding:vnic_type": _accepted(only("normal", "VFs come with a VNF")),
        "port_security_enabled": _accepted(only(True, "every port may send from its own addresses only")),
        "allowed_address_pairs": _accepted(list_of(())),
        "security_groups": _accepted(list_of(())),
    },
)

PORT_PAIRS = Collection(
    "/sfc/port_pairs",
    "port_pair",
    {
        **_NAMED,
        "ingress": Attribute(IDENTIFIER),
        "egress": Attribute(IDENTIFIER),
        "service_function_parameters": Attribute(
            object_of(
                {
                    "correlation": only(
                        "nsh", NSH + "; a function gets it (nsh) or a proxy takes it off (null)"
                    ).or_null(),
                    "weight": integer(0, 1000),
                }
            ),
            {},
        ),
    },
)

PORT_PAIR_GROUPS = Collection(
    "/sfc/port_pair_groups",
    "port_pair_group",
    {
        **_NAMED,
        "port_pairs": Attribute(IDENTIFIERS, (), updatable=True),
        "port_pair_group_parameters": Attribute(
            object_of(
                {
                    "lb_fields": list_of(LB_FIELDS),
                    "layer": one_of("l2", "l3"),
                    "ppg_n_tuple_mapping": object_of(
                        {"ingress_n_tuple": object_of({}), "egress_n_tuple": object_of({})}
                    ),
                }
            ),
            {},
        ),
        "tap_enabled": Attribute(BOOLEAN, False),
    },
)

FLOW_CLASSIFIERS = Collection(
    "/sfc/flow_classifiers",
    "flow_classifier",
    {
        **_NAMED,
        "ethertype": Attribute(one_of("IPv4", "IPv6"), "IPv4"),
        "protocol": Attribute(one_of("tcp", "udp", "icmp", "sctp").or_null(), None),
        "source_ip_prefix": Attribute(PREFIX.or_null(), None),
        "destination_ip_prefix": Attribute(PREFIX.or_null(), None),
        "source_port_range_min": Attribute(PORT, None),
        "source_port_range_max": Attribute(PORT, None),
        "destination_port_range_min": Attribute(PORT, None),
        "destination_port_range_max": Attribute(PORT, None),
        "logical_source_port": Attribute(IDENTIFIER.or_null(), None),
        "logical_destination_port": Attribute(IDENTIFIER.or_null(), None),
        "l7_parameters": _accepted(object_of({})),
    },
)

PORT_CHAINS = Collection(
    "/sfc/port_chains",
    "port_chain",
    {
        **_NAMED,
        "port_pair_groups": Attribute(IDENTIFIERS, updatable=True),
        "flow_classifiers": Attribute(IDENTIFIERS, (), updatable=True),
        "chain_parameters": Attribute(
            object_of({"correlation": only("nsh", NSH), "symmetric": BOOLEAN}), {"symmetric": False}
        ),
        "chain_id": _accepted(only(0, "Catena allocates service path identifiers itself")),
    },
)

SERVICE_GRAPHS = Collection("/sfc/service_graphs", "service_graph", {**_NAMED, "port_chains": Attribute(BRANCHES)})

SFC = (PORT_PAIRS, PORT_PAIR_GROUPS, FLOW_CLASSIFIERS, PORT_CHAINS, SERVICE_GRAPHS)


def check_together(collection: Collection, values: Mapping[str, Any]) -> None:
    """What the attributes of one request must fulfil together; raises InvalidInput."""
    if collection is not FLOW_CLASSIFIERS:
        return
    version = 4 if values["ethertype"] == "IPv4" else 6
    for side in ("source", "destination"):
        prefix = values[f"{side}_ip_prefix"]
        if prefix is not None and (6 if ":" in prefix else 4) != version:
            raise InvalidInput(f"the {side} IP prefix is not of ethertype {values['ethertype']}")
        low, high = values[f"{side}_port_range_min"], values[f"{side}_port_range_max"]
        if (low is not None or high is not None) and values["protocol"] not in ("tcp", "udp", "sctp"):
            raise InvalidInput(f"a {side} port range needs protocol tcp, udp or sctp")
        if low is not None and high is not None and low > high:
            raise InvalidInput(f"the {side} port range ends before it begins")
