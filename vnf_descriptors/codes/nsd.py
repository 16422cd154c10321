"""Findings on NS descriptors."""

from __future__ import annotations

from vnf_descriptors.codes.code import ERROR, WARNING, Code

NSD = (
    Code(
        "NSD001",
        ERROR,
        "constituent without a descriptor",
        "IFA014 6.3.3",
        "A VNF, PNF or nested NS of the NS names its descriptor by descriptor_id, in the node or in its type.",
    ),
    Code(
        "NSD002",
        ERROR,
        "SAP goes nowhere",
        "SOL001 7.8",
        "A service access point is attached to a virtual link of the NS by the requirement internal_virtual_link.",
    ),
    Code(
        "NSD003",
        ERROR,
        "forwarding path incomplete",
        "SOL001 7.8",
        "A forwarding path has at least one position, a position at least one element, and an element one connection "
        "point, or two: ingress and egress.",
    ),
    Code(
        "NSD004",
        ERROR,
        "forwarding path names no connection point",
        "SOL001 7.8",
        "The element of a position leads to no connection point of a constituent or SAP of this NS.",
    ),
    Code(
        "NSD005",
        ERROR,
        "chain cannot be wired",
        "SOL001 7.8",
        "An element's connection point is attached to no virtual link, so packets could not reach it.",
    ),
    Code(
        "NSD006",
        ERROR,
        "classifier rule wrong",
        "SOL001 7.10",
        "A port range, prefix, address, protocol, VLAN tag or DSCP of an NfpRule is not well-formed, or ports are "
        "given for a protocol that has none.",
        "destination_port_range: [443, 80]",
    ),
    Code(
        "NSD007",
        WARNING,
        "forwarding path without rules",
        "SOL001 7.10",
        "No NfpRule targets this forwarding path, so no traffic ever takes it.",
    ),
    Code(
        "NSD008",
        WARNING,
        "classifier rules overlap",
        "SOL001 7.10",
        "Two paths have rules that match the same packets; the path that stands first wins.",
    ),
    Code(
        "NSD009",
        ERROR,
        "number of constituents out of limits",
        "IFA014 6.3",
        "An NS level gives a constituent fewer instances than its profile permits, or more; or names an unknown level "
        "or aspect.",
    ),
    Code(
        "NSD010",
        ERROR,
        "forwarding path not in a graph",
        "SOL001 7.9",
        "A VNFFG names a member that does not exist, or an NFP belongs to no VNFFG.",
    ),
    Code(
        "NSD011",
        ERROR,
        "dependencies form a cycle",
        "IFA014 6.3",
        "Constituents wait for each other, so none could be instantiated first.",
    ),
    Code(
        "NSD012",
        WARNING,
        "virtual link of the NS used by nobody",
        "SOL001 7.8",
        "No constituent and no SAP is attached to this virtual link.",
    ),
)
