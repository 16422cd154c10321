"""The library's values: topology, chains, rendered paths and flow tables.

A caller describes the world and its chains, gives each chain its path identifiers, and renders::

    topology = Topology(
        sffs=(Sff("h1", IPv4Address("10.99.0.1"), tunnel_ofport=100), ...),
        networks=(Network("access", vni=100),),
        ports=(Port("sub", "h1", 1, Mac.parse("02:10:00:00:00:02"), (IPv4Address("10.10.0.2"),), "access"), ...),
        functions=(ServiceFunction("fw-1", "firewall", ingress="fw-in", egress="fw-out"), ...),
    )
    chain = Chain("web", ingress="sub", path=(PathGroup.of("fw-1"), PathGroup.of("nat-1")),
                  classifiers=(Classifier(Match(protocol=6, destination_port=PortRange(80, 80))),))
    planned, pool = plan_chains(topology, (chain,), SpiPool(100, 999))      # sfc.path
    tables = render(topology, planned)                                      # sfc.render: {"h1": FlowTables, ...}
    violations = verify(topology, planned, tables)                          # sfc.verify: () when all is proven

``planned`` is plain data to be stored: rendering the same topology and plan gives the same flows. Every tenant
network is rendered too, with or without chains, so the tables are the bridge's whole desired state.
"""

from __future__ import annotations

from sfc.model.actions import (
    Action,
    CheckLarger,
    Clone,
    Ct,
    Decap,
    DecNshTtl,
    EncapEthernet,
    EncapNsh,
    HashFields,
    MeterBy,
    Move,
    Multipath,
    Output,
    OutputInPort,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
    ToGroup,
)
from sfc.model.addresses import IpAddress, IpNetwork, Mac
from sfc.model.chains import (
    SI_FIRST,
    Chain,
    Direction,
    Hop,
    OnMiss,
    PathGroup,
    PathPosition,
    PlannedChain,
    Rsp,
    SpiPool,
    WeightedInstance,
)
from sfc.model.classifiers import Classifier, ContextMatch, Match, PortRange
from sfc.model.cookies import OWNER, OWNER_MASK, Cookie, Kind
from sfc.model.fields import Field, FieldMatch
from sfc.model.flows import Bucket, Flow, FlowTables, Group, GroupType, Meter, flow
from sfc.model.topology import (
    VNI_FIRST_NETWORK,
    VNI_NSH,
    VNI_OAM_REPLY,
    Awareness,
    Layer,
    LivenessProbe,
    Network,
    OnFailure,
    Port,
    PortRole,
    ServiceFunction,
    Sff,
    Topology,
    Unclassified,
)

__all__ = [
    "OWNER",
    "OWNER_MASK",
    "SI_FIRST",
    "VNI_FIRST_NETWORK",
    "VNI_NSH",
    "VNI_OAM_REPLY",
    "Action",
    "Awareness",
    "Bucket",
    "Chain",
    "CheckLarger",
    "Classifier",
    "Clone",
    "ContextMatch",
    "Cookie",
    "Ct",
    "DecNshTtl",
    "Decap",
    "Direction",
    "EncapEthernet",
    "EncapNsh",
    "Field",
    "FieldMatch",
    "Flow",
    "FlowTables",
    "Group",
    "GroupType",
    "HashFields",
    "Hop",
    "IpAddress",
    "IpNetwork",
    "Kind",
    "Layer",
    "LivenessProbe",
    "Mac",
    "Match",
    "Meter",
    "MeterBy",
    "Move",
    "Multipath",
    "Network",
    "OnFailure",
    "OnMiss",
    "Output",
    "OutputInPort",
    "PathGroup",
    "PathPosition",
    "PlannedChain",
    "PopVlan",
    "Port",
    "PortRange",
    "PortRole",
    "PushVlan",
    "Resubmit",
    "Rsp",
    "ServiceFunction",
    "SetField",
    "Sff",
    "SpiPool",
    "ToGroup",
    "Topology",
    "Unclassified",
    "WeightedInstance",
    "flow",
]
