"""A service of one function, for what is done a great many times: every step of the whole, few of each kind."""

from __future__ import annotations

import re

LEFT_OUT = ("firewall", "nat", "at_firewall", "firewall_element", "at_nat", "nat_element", "other", "public", "mgmt")
"""Node templates of the sample service that the small one has not."""

END = """
    at_internet:
      type: tosca.nodes.nfv.NfpPosition
      requirements:
      - element: internet_element

    internet_element:
      type: tosca.nodes.nfv.NfpPositionElement
      requirements:
      - profile_element: {node: internet, capability: forwarding}

  groups:
"""


def small(text: str) -> str:
    """The sample's NSD with its dpi alone, one virtual link and one forwarding path."""
    for name in LEFT_OUT:
        text = re.sub(rf"^    {name}:\n(?:      .*\n|\n)*", "", text, flags=re.MULTILINE)
    for name in ("firewall_level", "nat_level", "rest", "one_per_host"):
        text = re.sub(rf"^  - {name}:\n(?:      .*\n)*", "", text, flags=re.MULTILINE)
    text = re.sub(r"^    apart:\n(?:      .*\n)*", "", text, flags=re.MULTILINE)
    text = text.replace("      - nfp_position: at_firewall\n", "").replace("at_nat\n", "at_internet\n")
    text = text.replace("      - virtual_link_mgmt: mgmt\n", "")
    text = text.replace("internal_virtual_link: public", "internal_virtual_link: access")
    return text.replace("members: [web, other]", "members: [web]").replace("\n  groups:\n", END)
