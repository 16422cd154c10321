"""Commands that need no server: packages and placement."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from mano.cli.commands import mano
from mano.cli.packages import in_words

SAMPLES = Path(__file__).resolve().parents[3] / "vnf_descriptors" / "samples"
FIREWALL = SAMPLES / "firewall"
INVENTORY = SAMPLES / "inventory" / "gi-lan.yaml"


def run(*words: object, code: int = 0, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(mano, [str(word) for word in words], input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr)
    return result


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firewall, built."""
    out = tmp_path_factory.mktemp("built") / "firewall.csar"
    assert "wrote" in run("package", "build", FIREWALL, "-o", out).stderr
    return out


def test_a_built_package_is_valid(archive: Path) -> None:
    assert "error" not in run("package", "validate", archive).stdout
    (report,) = json.loads(run("package", "validate", archive, "-o", "json").stdout)
    assert report["ok"] is True
    assert json.loads(run("package", "validate", archive, "-o", "sarif").stdout)["version"] == "2.1.0"


def test_every_fault_is_told_with_its_place(archive: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.csar"
    broken.write_bytes(b"no archive")
    alone = run("package", "validate", broken, code=1).stdout
    assert ": error " in alone and "broken.csar!" not in alone
    together = run("package", "validate", archive, broken, code=1).stdout
    assert f"{broken}!" in together
    assert run("package", "validate", archive, broken, "-o", "name", code=1).stdout == f"{broken}\n"
    run("package", "validate", tmp_path / "nothing", code=1)


def test_a_new_package_begins_as_a_copy_that_builds(tmp_path: Path) -> None:
    directory = tmp_path / "mine"
    assert "mano package build" in run("package", "init", directory).stderr
    run("package", "build", directory, "-o", tmp_path / "mine.csar")
    assert "not empty" in run("package", "init", directory, code=1).stderr


def test_a_tree_that_cannot_be_built_leaves_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(FIREWALL, broken)
    shutil.rmtree(broken / "Definitions")
    out = tmp_path / "out.csar"
    refused = run("package", "build", broken, "-o", out, code=1)
    assert "not built" in refused.stderr and not out.exists()
    run("package", "build", FIREWALL, "-o", out, "--sign", archive_key(tmp_path), code=2)


def archive_key(folder: Path) -> Path:
    key = folder / "key.pem"
    key.write_text("no key")
    return key


def test_a_key_that_is_none_is_told(tmp_path: Path) -> None:
    key = archive_key(tmp_path)
    refused = run("package", "build", FIREWALL, "-o", tmp_path / "x.csar", "--sign", key, "--cert", key, code=1)
    assert "sign" in refused.stderr


def test_packages_are_compared(archive: Path, tmp_path: Path) -> None:
    assert run("package", "diff", archive, FIREWALL).stdout == ""
    other = tmp_path / "other"
    shutil.copytree(FIREWALL, other)
    (definition,) = [path for path in (other / "Definitions").rglob("*.yaml") if "5c6f2a4e" in path.read_text()][:1]
    text = definition.read_text()
    definition.write_text(text.replace("5c6f2a4e", "5c6f2a4f"))
    changed = run("package", "diff", archive, other, code=10)
    assert "descriptor id changed from 5c6f2a4e-" in changed.stdout
    entries = json.loads(run("package", "diff", archive, other, "-o", "json", code=10).stdout)
    assert {"path", "a", "b"} <= set(entries[0])


def test_a_difference_is_told_in_words(tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(FIREWALL, other)
    definition = other / "Definitions" / "firewall.yaml"
    text = definition.read_text()
    assert text.count("num_virtual_cpu: 2") == 1
    definition.write_text(text.replace("num_virtual_cpu: 2", "num_virtual_cpu: 4"))
    told = run("package", "diff", FIREWALL, other, code=10).stdout
    assert told == "flavour simple, VDU firewall: cpu vcpus changed from 2 to 4\n"


def test_files_that_the_descriptor_does_not_name_are_compared_too(tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(FIREWALL, other)
    (other / "ChangeLog.txt").write_text("2.0.0: better\n")
    told = run("package", "diff", FIREWALL, other, code=10).stdout
    assert told == "the file ChangeLog.txt has another content\n"


@pytest.mark.parametrize(
    ("path", "before", "after", "words"),
    [
        ("/flavours/simple/vdus/lb", "absent", {"id": "lb"}, "flavour simple: VDU lb is new"),
        ("/flavours/simple/vdus/lb", {"id": "lb"}, "absent", "flavour simple: VDU lb is gone"),
        ("/flavours/s/vdus/lb/memory_mib", 512, 1024, "flavour s, VDU lb: memory mib changed from 512 to 1024"),
        ("/product_info_name", "absent", "Wall", "product info name is new: Wall"),
        ("/artifacts/Scripts/start.sh", "ab", "cd", "the file Scripts/start.sh has another content"),
        ("/artifacts/new.sh", "absent", "cd", "the file new.sh is new"),
        ("/artifacts/old.sh", "ab", "absent", "the file old.sh is gone"),
        ("/", {"a": 1}, {"b": 2}, "the descriptor changed from {'a': 1} to {'b': 2}"),
    ],
)
def test_differences_of_all_kinds(path: str, before: object, after: object, words: str) -> None:
    assert in_words(path, before, after) == words


def test_a_review_tool_finds_the_file_of_a_source_tree(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(FIREWALL, tree)
    definition = tree / "Definitions" / "firewall.yaml"
    definition.write_text(definition.read_text().replace("num_virtual_cpu: 2", "num_virtual_cpu: many"))
    log = json.loads(run("package", "validate", tree, "-o", "sarif", code=1).stdout)
    (result,) = log["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert result["ruleId"] == "TOSCA011" and result["level"] == "error"
    assert place["artifactLocation"]["uri"] == f"{tree}/Definitions/firewall.yaml"
    line = definition.read_text().splitlines()[place["region"]["startLine"] - 1]
    assert line[place["region"]["startColumn"] - 1 :].startswith("many")


def test_a_type_of_the_standard_is_explained() -> None:
    told = run("explain", "tosca.nodes.nfv.Vdu.Compute.properties.vdu_profile").stdout
    assert "min_number_of_instances: integer; required" in told
    unknown = run("explain", "tosca.nodes.nfv.Vdu.Compute.properties.vdu_profil", code=1).stderr
    assert "near it: tosca.nodes.nfv.Vdu.Compute.properties.vdu_profile" in unknown


def request(**vdu: object) -> str:
    wanted = {"id": "v1", "vcpus": 2, "cpuPolicy": "dedicated", "memoryMib": 512, **vdu}
    return yaml.safe_dump({"apiVersion": "catena/v1", "kind": "PlacementRequest", "vdus": [wanted]})


def test_a_request_is_placed_without_a_server(tmp_path: Path) -> None:
    wanted = tmp_path / "request.yaml"
    wanted.write_text(request())
    plan = ("place", "plan", "--inventory", INVENTORY, "--request")
    told = run(*plan, wanted)
    assert "v1" in told.stdout and "cost" in told.stdout
    document = json.loads(run(*plan, wanted, "-o", "json").stdout)
    assert document["placements"]["v1"]["host"] == "h1" and document["unplaced"] == {}
    assert set(document) == {"placements", "chains", "objective", "unplaced", "decisionMs"}
    assert run(*plan, "-", "-o", "name", stdin=request()).stdout == "v1\n"
    assert yaml.safe_load(run(*plan, wanted, "-o", "yaml").stdout)["placements"]["v1"]["host"] == "h1"


def test_what_fits_nowhere_is_explained_and_ends_with_3(tmp_path: Path) -> None:
    wanted = tmp_path / "request.yaml"
    wanted.write_text(request(vcpus=4000))
    refused = run("place", "plan", "--inventory", INVENTORY, "--request", wanted, code=3)
    assert "none of 3 hosts fits" in refused.stderr and "CPU_DEDICATED on 3" in refused.stderr
    printed = run("place", "plan", "--inventory", INVENTORY, "--request", wanted, "-o", "json", code=3)
    assert json.loads(printed.stdout)["unplaced"]["v1"]["reasons"] == {"CPU_DEDICATED": 3}


@pytest.mark.parametrize("text", ["", "a: [", "- 1", "kind: PlacementRequest\nvdus: 7\n", "\x00", "&a [*a]"])
def test_a_request_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    wanted = tmp_path / "request.yaml"
    wanted.write_text(text)
    assert run("place", "plan", "--inventory", INVENTORY, "--request", wanted, code=1).stderr.startswith("Error:")


def test_the_schemas_are_json_schema() -> None:
    from jsonschema import Draft202012Validator

    both = json.loads(run("place", "schema").stdout)
    assert set(both) == {"Inventory", "PlacementRequest"}
    Draft202012Validator(json.loads(run("place", "schema", "Inventory").stdout)).validate(
        yaml.safe_load(INVENTORY.read_text())
    )


@pytest.mark.parametrize("code", ["NO_END", "L3_OVERLAP", "CHAIN_MTU", "CHAIN_NO_TUNNEL", "rewrites_in_the_middle"])
def test_refusals_of_chains_are_explained(code: str) -> None:
    result = CliRunner().invoke(mano, ["explain", code])
    assert result.exit_code == 0 and result.output.startswith(f"{code.upper()}: ")
