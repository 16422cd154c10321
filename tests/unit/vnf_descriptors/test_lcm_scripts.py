"""Scripts of a VNF's life-cycle interface: languages, inputs, networks, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import vnf_descriptors
from tests.unit.vnf_descriptors.descriptor_support import (
    VNFD,
    archive,
    changed,
    check_files,
    found,
    manifest_of,
    package_files,
    write,
)
from vnf_descriptors.model import LcmScript, Vnfd

OPERATIONS = """\
        Vnflcm:
          inputs: {site: {get_input: site}}
          operations:
            instantiate_end:
              implementation: {primary: configure, dependencies: [lib/common.sh], timeout: 5}
              inputs:
                product: {get_property: [SELF, product_name]}
                names: [{concat: [a, {get_input: unknown_at_rest}]}, 7, true]
                address: {get_attribute: [front, ip_address]}
            terminate_start: {implementation: install.sh}
      metadata: {"catena:scriptNetwork": front}
      artifacts:
        configure: {type: tosca.artifacts.Implementation.Python, file: ../Scripts/configure}
"""


def _package(text: str = VNFD, further: dict[str, bytes] | None = None) -> dict[str, bytes]:
    files = {name: data for name, data in package_files(text).items() if name != "vnf.mf"} | (further or {})
    return {**files, "vnf.mf": manifest_of(files)}


def _scripts(tmp_path: Path, files: dict[str, bytes]) -> dict[str, LcmScript]:
    model = vnf_descriptors.load(write(tmp_path / "package.csar", archive(files)))
    assert isinstance(model, Vnfd)
    return {script.operation: script for script in model.flavours[0].lcm_scripts}


def _with_operations() -> str:
    text = changed("        Vnflcm:\n          instantiate: {implementation: install.sh}\n", OPERATIONS)
    return changed("    site: {", "    unknown_at_rest: {type: string}\n    site: {", text)


def test_a_script_has_its_language_inputs_deadline_and_network(tmp_path: Path) -> None:
    further = {"Scripts/configure": b"print(1)\n", "lib/common.sh": b""}
    by_operation = _scripts(tmp_path, _package(_with_operations(), further))
    script = by_operation["instantiate_end"]
    assert (script.path, script.language, script.timeout_s) == ("Scripts/configure", "python3", 5)
    assert (script.network_cp, script.dependencies) == ("front", ("lib/common.sh",))
    assert json.loads(script.inputs) == {
        "site": {"get_input": ["site", "north"]},
        "product": "Balancer",
        "names": [{"concat": ["a", {"get_input": ["unknown_at_rest", None]}]}, 7, True],
        "address": {"get_attribute": ["front", "ip_address"]},
    }
    assert by_operation["terminate_start"].language == "shell"


@pytest.mark.parametrize(
    ("first", "language"),
    [
        (b"#!/bin/sh -e\n", "shell"),
        (b"#! /bin/bash\n", "bash"),
        (b"#!/usr/bin/env -S python3 -I\n", "python3"),
        (b"#!/usr/bin/perl\n", ""),
        (b"echo by the name of its file\n", "shell"),
    ],
)
def test_the_first_line_tells_the_language(tmp_path: Path, first: bytes, language: str) -> None:
    files = _package(further={"install.sh": first})
    assert _scripts(tmp_path, files)["instantiate"].language == language
    assert [entry.code for entry in found(check_files(tmp_path, files), "VNFD023")] == ["VNFD023"] * (not language)


def test_the_network_of_scripts_is_one_of_the_vnf(tmp_path: Path) -> None:
    text = changed(
        "          instantiate: {implementation: install.sh}\n",
        '          instantiate: {implementation: install.sh}\n      metadata: {"catena:scriptNetwork": frnt}\n',
    )
    (entry,) = found(check_files(tmp_path, _package(text)), "VNFD024")
    assert "Did you mean 'front'" in entry.hint


def test_values_that_lead_to_each_other_for_ever_end(tmp_path: Path) -> None:
    loop = """\
          instantiate:
            implementation: install.sh
            inputs: {again: {get_input: first}}
"""
    text = changed("          instantiate: {implementation: install.sh}\n", loop)
    text = changed(
        "    site: {",
        "    first: {type: map, default: {x: {get_input: first}, y: {get_input: first}}}\n    site: {",
        text,
    )
    report = check_files(tmp_path, _package(text))
    assert report is not None


def test_details_of_an_interface_say_where_it_is(tmp_path: Path) -> None:
    policy = """\
  - configuring:
      type: tosca.policies.nfv.SupportedVnfInterface
      targets: [front]
      properties:
        interface_name: vnf_configuration
        details: {uri_components: {scheme: http, authority: {port: "8080"}, path: /api/}}
"""
    text = changed("  - apart:\n", policy + "  - apart:\n")
    model = vnf_descriptors.load(write(tmp_path / "package.csar", archive(_package(text))))
    assert isinstance(model, Vnfd)
    (interface,) = [each for each in model.flavours[0].supported_interfaces if each.id == "configuring"]
    assert (interface.name, interface.cp_ids, interface.port, interface.path) == (
        "vnf_configuration",
        ("front",),
        8080,
        "/api",
    )
