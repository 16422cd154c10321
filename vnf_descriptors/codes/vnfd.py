"""Findings on VNF descriptors and on the requirements of placement and chains."""

from __future__ import annotations

from vnf_descriptors.codes.code import ERROR, WARNING, Code

VNFD = (
    Code(
        "VNFD001",
        ERROR,
        "no VNF node",
        "SOL001 6.8",
        "A deployment flavour has one node template whose type derives from tosca.nodes.nfv.VNF (or NS, PNF for the "
        "other descriptors), or substitution_mappings that name such a type. A package that only derives one, "
        "with defaults for all that it requires, is read by these defaults: that is a warning.",
    ),
    Code(
        "VNFD002",
        WARNING,
        "identifier is no UUID",
        "IFA011 7.1.2",
        "Descriptor identifiers are globally unique; the standard's type definitions note UUID as their form.",
        "descriptor_id: my-firewall",
    ),
    Code(
        "VNFD003",
        WARNING,
        "no virtualisation deployment unit",
        "IFA011 7.1.2",
        "A deployment flavour consists of at least one VDU; without one there is nothing to deploy.",
    ),
    Code(
        "VNFD004",
        ERROR,
        "connection point without a VDU",
        "SOL001 6.8",
        "A VduCp is bound to the VDU whose interface it is by the requirement virtual_binding (a sub-port by "
        "trunk_binding).",
    ),
    Code(
        "VNFD005",
        ERROR,
        "connection point goes nowhere",
        "SOL001 6.8",
        "A VduCp is attached to an internal virtual link, or exposed to the outside by substitution_mappings.",
    ),
    Code(
        "VNFD006",
        ERROR,
        "number of instances out of limits",
        "SOL001 6.10",
        "An initial delta, an instantiation level or a scaling step gives a VDU fewer instances than its vdu_profile "
        "permits, or more.",
        "VduInitialDelta: 3 with max_number_of_instances: 2",
    ),
    Code(
        "VNFD007",
        ERROR,
        "unknown scaling aspect or delta",
        "SOL001 6.10",
        "A policy names a scaling aspect that ScalingAspects does not define, or a step names a delta that no "
        "VduScalingAspectDeltas defines for the aspect. A warning for a VDU that is scaled without "
        "a VduInitialDelta or levels.",
    ),
    Code(
        "VNFD008",
        ERROR,
        "unknown instantiation level",
        "SOL001 6.10",
        "default_level or a VduInstantiationLevels policy names a level that InstantiationLevels does not define, or "
        "a VDU lacks one of the levels, or several levels have no default.",
    ),
    Code(
        "VNFD009",
        ERROR,
        "scale level out of limits",
        "SOL001 6.10",
        "An instantiation level sets an aspect to a scale level above the aspect's max_scale_level. A warning "
        "for an aspect with several step_deltas, but not one for each scale level.",
    ),
    Code(
        "VNFD010",
        ERROR,
        "software image incomplete",
        "SOL001 6.5",
        "A VDU boots from an image: an artifact of type tosca.artifacts.nfv.SwImage. Up to edition 2.6.1 its data "
        "stand in sw_image_data beside the artifact.",
    ),
    Code(
        "VNFD011",
        ERROR,
        "image checksum wrong",
        "SOL001 6.2",
        "The image in the package has another digest than its checksum says, or the checksum is not well-formed.",
    ),
    Code(
        "VNFD012",
        WARNING,
        "image size wrong",
        "SOL001 6.5",
        "The image in the package has another size than its property size says.",
    ),
    Code(
        "VNFD013",
        ERROR,
        "deployment flavours not consistent",
        "IFA011 7.1.8",
        "Two flavours have one identifier, a flavour has none, or the flavours belong to different descriptors.",
    ),
    Code(
        "VNFD014",
        WARNING,
        "affinity rule without effect",
        "SOL001 6.10",
        "An affinity or anti-affinity rule has no target, or a group with fewer than two members.",
    ),
    Code(
        "VNFD015",
        ERROR,
        "limits contradict each other",
        "SOL001 6.2",
        "A minimum is greater than its maximum: of instances, of bit rates, of the ends of an address pool or of a "
        "range of ports.",
    ),
    Code(
        "VNFD016",
        ERROR,
        "address or subnet wrong",
        "SOL001 6.2",
        "A CIDR, address, pool or gateway is not well-formed, of another IP version than it says, or outside its "
        "subnet.",
        "cidr: 10.0.0.0/33",
    ),
    Code(
        "VNFD017",
        ERROR,
        "two interfaces with one order",
        "SOL001 6.8",
        "Two connection points of one VDU have the same order, so which interface comes first is not known.",
    ),
    Code(
        "VNFD018",
        ERROR,
        "container workload without its parts",
        "SOL001 6.8",
        "An OsContainerDeployableUnit has at least one container, and an Mciop names deployable units that exist.",
    ),
    Code(
        "VNFD019",
        WARNING,
        "virtual link used by nobody",
        "SOL001 6.8",
        "No connection point is attached to this virtual link.",
    ),
    Code(
        "VNFD020",
        ERROR,
        "policy given twice",
        "SOL001 6.10",
        "Two policies set the same fact of the same target: two initial deltas of one VDU, two ScalingAspects.",
    ),
    Code(
        "VNFD021",
        WARNING,
        "VDU that says nothing of itself",
        "SOL001 6.8",
        "A Vdu.Compute has no virtual_compute capability, no image and no connection point. Packages for container "
        "platforms use such nodes for what their own manifests describe. The package is onboarded; the VDU is modelled "
        "as a container workload and cannot be placed on a host.",
    ),
    Code(
        "VNFD022",
        WARNING,
        "trigger that cannot be followed",
        "SOL001 6.10; TOSCA 1.3 3.6.22",
        "A trigger of a VnfIndicator or NsAutoScale policy has a condition (assertions on numbers, connected by and, "
        "or, not) and an action that calls an operation: scale, with an aspect that exists, or heal. Anything else is "
        "left out when it is watched.",
        "condition: [{load: [{more_than: 60}]}]",
    ),
    Code(
        "VNFD023",
        WARNING,
        "script in a language that is not run",
        "SOL001 6.7",
        "A script of the life-cycle interface Vnflcm is run when it is one of sh, bash or Python 3: by its first line "
        "(#!), else the type of its artifact (tosca.artifacts.Implementation.Bash or .Python), else the name of its "
        "file. An operation with any other is refused.",
        "#!/usr/bin/perl",
    ),
    Code(
        "VNFD024",
        ERROR,
        "network of scripts does not exist",
        "SOL001 6.7",
        "Scripts have no network unless the VNF node's metadata name one of the VNF's connection points, whose network "
        "they share then.",
        'metadata: {"catena:scriptNetwork": mgmt}',
    ),
    Code(
        "REQ001",
        WARNING,
        "unknown requirement key",
        "SOL001 6.2",
        "SOL001 leaves the keys of vdu_cpu_requirements, vdu_mem_requirements, compute_requirements and "
        "network_interface_requirements to operators. Known are Nova's hw: keys and our own catena: keys. An "
        "unknown key has no effect here.",
        "hw:cpu_polcy: dedicated",
    ),
    Code(
        "REQ002",
        ERROR,
        "requirement value not understood",
        "SOL001 6.2",
        "The key is known, but the value is none of its values.",
        "hw:cpu_policy: pinned",
    ),
    Code(
        "REQ003",
        ERROR,
        "requirement no host could satisfy",
        "SOL001 6.2",
        "A page size that no processor has, more NUMA cells than vCPUs, memory that is no multiple of its page, "
        "cells that do not add up: the VDU could never be placed.",
        "hw:mem_page_size: 3000",
    ),
    Code(
        "REQ004",
        ERROR,
        "requirements contradict each other",
        "SOL001 6.2",
        "Two keys, or a key and a property, say different things about the same fact.",
        "virtual_cpu_pinning_policy: static\nhw:cpu_policy: shared",
    ),
    Code(
        "REQ005",
        WARNING,
        "requirement not supported",
        "SOL001 6.2",
        "The requirement is understood, but placement cannot honour it exactly; the message says what happens.",
    ),
)
