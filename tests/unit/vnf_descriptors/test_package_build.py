from __future__ import annotations

import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

import vnf_descriptors
from tests.unit.vnf_descriptors.descriptor_support import SAMPLES, codes, package_files, write
from tests.unit.vnf_descriptors.signing_support import issue, signed_files
from vnf_descriptors import DescriptorError, Policy, SigningKey, Vnfd


def copy(sample: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLES / sample, tmp_path / sample))


@pytest.mark.parametrize("name", ["firewall", "dpi", "nat", "gi-lan"])
def test_a_tree_becomes_a_valid_package(tmp_path: Path, name: str) -> None:
    report = vnf_descriptors.build(SAMPLES / name, tmp_path / "out.csar")
    assert report.to_text() == ""
    assert vnf_descriptors.load(tmp_path / "out.csar") == vnf_descriptors.load(SAMPLES / name)
    names = zipfile.ZipFile(tmp_path / "out.csar").namelist()
    assert names[0] == "TOSCA-Metadata/TOSCA.meta"
    assert not any(each.startswith("images/") or "__pycache__" in each for each in names)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out.csar"]


def test_the_same_tree_gives_the_same_octets(tmp_path: Path) -> None:
    vnf_descriptors.build(SAMPLES / "nat", tmp_path / "one.csar")
    tree = copy("nat", tmp_path)
    for number, path in enumerate(sorted(tree.rglob("*"))):
        os.utime(path, (number, number))
    (tree / "images/nat/__pycache__").mkdir(exist_ok=True)
    write(tree / "images/nat/__pycache__/vnf.pyc", b"compiled")
    write(tree / ".git/config", b"hidden")
    vnf_descriptors.build(tree, tmp_path / "two.csar")
    assert (tmp_path / "one.csar").read_bytes() == (tmp_path / "two.csar").read_bytes()


def test_an_image_is_a_plain_tar_with_its_checksum_in_the_descriptor(tmp_path: Path) -> None:
    vnf_descriptors.build(SAMPLES / "firewall", tmp_path / "out.csar")
    model = vnf_descriptors.load(tmp_path / "out.csar")
    assert isinstance(model, Vnfd)
    image = model.flavour().vdu("firewall").sw_image
    assert image is not None and image.path == "Files/images/firewall.tar" and image.checksum is not None
    with vnf_descriptors.open_package(tmp_path / "out.csar") as package:
        data = package.read(image.path)
    assert len(data) == image.size_bytes and len(image.checksum.value) == 64
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = {member.name: member for member in tar.getmembers()}
    assert {"entrypoint", "image.yaml"} <= set(members)
    assert members["entrypoint"].mode == 0o755
    assert all((each.uid, each.gid, each.mtime, each.uname) == (0, 0, 0, "") for each in members.values())


def test_a_faulty_tree_is_not_built(tmp_path: Path) -> None:
    tree = copy("nat", tmp_path)
    path = tree / "Definitions/nat.yaml"
    path.write_text(path.read_text().replace("num_virtual_cpu: 2", "num_virtual_cpu: two"))
    write(tmp_path / "out.csar", b"what was there before")
    with pytest.raises(DescriptorError) as caught:
        vnf_descriptors.build(tree, tmp_path / "out.csar")
    assert codes(caught.value.report, errors_only=True) == {"TOSCA011"}
    assert (tmp_path / "out.csar").read_bytes() == b"what was there before"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["nat", "out.csar"]


def test_a_placeholder_without_its_file_is_a_finding(tmp_path: Path) -> None:
    tree = copy("nat", tmp_path)
    shutil.rmtree(tree / "images")
    with pytest.raises(DescriptorError) as caught:
        vnf_descriptors.build(tree, tmp_path / "out.csar")
    assert "TOSCA020" in codes(caught.value.report, errors_only=True)


def test_a_tree_needs_a_manifest(tmp_path: Path) -> None:
    tree = copy("nat", tmp_path)
    (tree / "nat.mf").unlink()
    with pytest.raises(DescriptorError) as caught:
        vnf_descriptors.build(tree, tmp_path / "out.csar")
    assert "MF001" in codes(caught.value.report, errors_only=True)


def test_an_unpacked_package_is_judged_as_it_is(tmp_path: Path) -> None:
    for name, data in package_files().items():
        write(tmp_path / "tree" / name, data)
    assert vnf_descriptors.validate(tmp_path / "tree").to_text() == ""
    write(tmp_path / "tree/install.sh", b"changed")
    assert codes(vnf_descriptors.validate(tmp_path / "tree"), errors_only=True) == {"MF006"}


def test_an_unpacked_package_is_built_anew(tmp_path: Path) -> None:
    signer = issue("vendor")
    files = {**signed_files(issue("previous")), "images/readme/first.txt": b"no image of a source tree"}
    files["vnf.mf"] = files["vnf.mf"].replace(
        b"metadata:\n",
        b"non_mano_artifact_sets:\n  guides:\n    Source: images/readme/first.txt\nmetadata:\n",
    )
    for name, data in files.items():
        write(tmp_path / "tree" / name, data)
    write(tmp_path / "tree/install.sh", b"changed")
    out = tmp_path / "new.csar"
    report = vnf_descriptors.build(tmp_path / "tree", out, SigningKey(signer.key, signer.certificate))
    assert (report.ok, report.signer) == (True, "CN=vendor"), report.to_text()
    with vnf_descriptors.open_package(out) as package:
        assert package.read("install.sh") == b"changed" and package.manifest is not None
        assert package.manifest.non_mano == {"guides": ("images/readme/first.txt",)}
        sources = [entry.source for entry in package.manifest.entries]
        assert sources == sorted(set(package.members.names()) - {"vnf.mf"})


def test_what_a_policy_allows_is_built(tmp_path: Path) -> None:
    tree = copy("nat", tmp_path)
    with (tree / "nat.mf").open("a") as file:
        file.write(f"\nSource: https://example.org/x\nAlgorithm: SHA-256\nHash: {'0' * 64}\n")
    with pytest.raises(DescriptorError):
        vnf_descriptors.build(tree, tmp_path / "out.csar")
    assert vnf_descriptors.build(tree, tmp_path / "out.csar", policy=Policy(allow_external=True)).ok


def test_an_oversized_image_is_refused(tmp_path: Path) -> None:
    tree = copy("nat", tmp_path)
    with (tree / "images/nat/big").open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    assert codes(vnf_descriptors.validate(tree), errors_only=True) == {"ZIP008"}
