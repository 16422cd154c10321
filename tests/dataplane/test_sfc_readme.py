"""The README's chain between three namespaces, as it is printed."""

from __future__ import annotations

import contextlib
import io
import re
import secrets

import pytest

from sfc.model import Chain, PathGroup
from sfc.ovs.errors import SwitchRefused
from sfc.ovs.lab import Lab
from tests.architecture.tree import ROOT
from tests.plugins.labs import remains_of

pytestmark = pytest.mark.dataplane


def test_the_readme_builds_a_chain_between_three_namespaces_in_twenty_lines():
    text = (ROOT / "sfc" / "README.md").read_text()
    (block,) = re.findall(r"^```python root\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len([line for line in block.splitlines() if line]) <= 20
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        name = f"t{secrets.token_hex(3)}"  # two runs of the tests on one machine
        exec(compile(block.replace('Lab("readme")', f'Lab("{name}")'), "sfc/README.md", "exec"), {})
    assert printed.getvalue().splitlines() == [
        "2 to the function (chain with SPI 100, forward, si 255)",
        "1 to the function (chain with SPI 100, reverse, si 255)",
    ]
    assert remains_of(name) == []


def test_what_a_function_forbids_does_not_arrive_and_what_cannot_be_is_refused():
    name = f"t{secrets.token_hex(3)}"
    with Lab(name) as lab:
        ends = lab.station("client", "10.0.0.1/24"), lab.station("server", "10.0.0.2/24")
        firewall = lab.bridging_function("firewall")
        lab.program(Chain("all", ends[0], (PathGroup.of(firewall),), egress=ends[1]))
        with lab.socket("server") as listening:
            listening.bind(("10.0.0.2", 80))
            listening.listen()
            with lab.socket("client") as client:
                client.connect(("10.0.0.2", 80))
            lab.run("firewall", "ip", "link", "set", "bridge", "down")
            with lab.socket("client") as client, pytest.raises(TimeoutError):
                client.settimeout(0.3)
                client.connect(("10.0.0.2", 80))
        with pytest.raises(SwitchRefused, match="No such file"):
            lab.run("client", "cat", "/nowhere")
        with pytest.raises(ValueError, match="no namespace"):
            lab.run("stranger", "true")
        with pytest.raises(ValueError, match="not allowed"):
            lab.station("x; reboot", "10.0.0.3/24")
    assert remains_of(name) == []
