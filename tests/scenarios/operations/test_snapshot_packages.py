"""VNF snapshot packages over HTTP: built, read, deleted, uploaded again and gone back to; and what is not believed."""

from __future__ import annotations

import io
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mano.adapters.snapshot_archive import MANIFEST, ZipSnapshotArchives
from mano.adapters.vim_local import state
from mano.api.config import ApiConfig
from mano.cli.commands import mano
from mano.domain.lcm_op_occ import OperationState
from mano.domain.vnf_snapshot import VnfSnapshot
from mano.domain.vnf_snapshot_package import SnapshotPackageState
from mano.errors import InvalidInput
from mano.ports.snapshot_archives import RECORD
from mano.settings import AuthMode
from tests.api.conftest import Api, serving
from tests.api.official import DOCUMENTS, faults
from tests.scenarios.operations.conftest import Running, Start
from tests.scenarios.operations.test_snapshots import revert, states, taken, write

PACKAGES = "/vnfsnapshotpkgm/v1/vnf_snapshot_packages"
PATCH = {"Content-Type": "application/merge-patch+json"}
ZIPPED = {"Content-Type": "application/zip"}


@pytest.fixture
def there(start: Start) -> Running:
    return start()


@pytest.fixture
def api(there: Running) -> Iterator[Api]:
    with serving(there.job.services, ApiConfig(auth=AuthMode.NONE)) as served:
        served.token = None
        yield served


def made(api: Api, name: str = "kept") -> str:
    answer = api.post(PACKAGES, {"name": name, "userDefinedData": {"why": "a test"}})
    assert answer.status == 201
    official(answer.json)
    return f"{PACKAGES}/{answer.json['id']}"


def official(document: Any) -> None:
    """By SOL005's document: SOL003's has lists as objects, digests as texts and names that its own text has not."""
    if DOCUMENTS.is_dir():
        assert faults("SOL005-VNFSnapshotPackageManagement", "VnfSnapshotPkgInfo", document) == []


def settled(api: Api, path: str) -> dict[str, Any]:
    """The information when nothing is done with the content any more."""
    deadline = time.monotonic() + 20
    while (document := api.get(path).json)["state"] in ("BUILDING", "UPLOADING", "PROCESSING", "EXTRACTING"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    official(document)
    return dict(document)


def test_a_snapshot_goes_elsewhere_and_comes_back(api: Api, there: Running) -> None:
    write(there, "then")
    snapshot = taken(there)
    state_path = f"/vnflcm/v2/vnf_snapshots/{snapshot.id}/vnf_state_snapshot"
    answer = api.get(state_path)
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"dpi/0.img": b"then"}
    assert api.call("GET", state_path, None, {"Range": "bytes=0-3"}).body == answer.body[:4] == b"PK\x03\x04"
    path = made(api)
    assert api.get(f"{path}/package_content").status == 409
    built = api.post(f"{path}/package_content/build", {"vnfSnapshotInfoId": snapshot.id})
    assert (built.status, built.body) == (202, b"")
    info = settled(api, path)
    assert (info["state"], info["isFullSnapshot"]) == ("AVAILABLE", True)
    assert (info["vnfSnapshotId"], info["vnfdInfo"]["vnfdId"]) == (snapshot.id, there.vnf("dpi-0").vnfd_id)
    (image,) = info["vnfcSnapshotImages"]
    assert api.get(f"{path}/artifacts/{image['imagePath']}").body == b"then"
    content = api.get(f"{path}/package_content").body
    assert api.post(f"{path}/package_content/build", {"vnfSnapshotInfoId": snapshot.id}).status == 409
    assert api.post(f"{path}/package_content/cancel", {}).status == 409
    assert api.call("DELETE", path).status == 204
    assert api.call("DELETE", f"/vnflcm/v2/vnf_snapshots/{snapshot.id}").status == 204
    assert there.job.vim.snapshots() == ()
    write(there, "now")
    other = made(api, "returned")
    assert api.call("PUT", f"{other}/package_content", content, ZIPPED).status == 202
    assert settled(api, other)["state"] == "AVAILABLE"
    extracted = {"vnfInstanceId": there.vnf("dpi-0").id}
    assert api.post(f"{other}/package_content/extract", extracted).status == 202
    assert settled(api, other)["state"] == "AVAILABLE"
    (back,) = api.get("/vnflcm/v2/vnf_snapshots?all_fields").json
    assert back["vnfSnapshotPkgId"] == other.rsplit("/", 1)[1]
    assert revert(there, back["id"]).state is OperationState.COMPLETED
    assert states(there) == ["then"]
    there.consistent()
    assert api.call("PATCH", other, {"name": "new"}, PATCH).json == {"name": "new"}
    assert api.call("PATCH", other, {"state": "AVAILABLE"}, PATCH).status == 409
    assert [one["name"] for one in api.get(PACKAGES).json] == ["new"]


def test_the_command_line_writes_and_takes_such_a_file(api: Api, there: Running, tmp_path: Path) -> None:
    write(there, "then")
    snapshot, file = taken(there), tmp_path / "dpi.zip"

    def run(*words: str) -> Any:
        address = {"CATENA_URL": f"http://127.0.0.1:{api.port}"}
        return CliRunner().invoke(mano, ["vnf", "snapshot", *words], env=address)

    assert run("export", snapshot.id, "-o", str(file)).exit_code == 0
    assert zipfile.is_zipfile(file)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert run("import", "dpi-0", str(file), "-o", "json").exit_code == 0
    assert len(api.get("/vnflcm/v2/vnf_snapshots").json) == 2
    assert api.get(PACKAGES).json == []
    file.write_bytes(b"no archive")
    refused = run("import", "dpi-0", str(file))
    assert (refused.exit_code, "cannot be read" in refused.output) == (1, True)


def test_what_is_asked_of_a_package_fits_or_is_refused(api: Api, there: Running) -> None:
    write(there, "then")
    snapshot, path = taken(there), made(api)
    content = f"{path}/package_content"
    for body, status in (
        ({}, 400),
        ({"vnfSnapshotInfoId": "nowhere"}, 404),
        ({"vnfSnapshotInfoId": snapshot.id, "importSnapshotResource": False}, 400),
        ({"vnfSnapshotInfoId": snapshot.id, "vnfcSnapshotsInfoIds": ["x"]}, 400),
    ):
        assert api.post(f"{content}/build", body).status == status
    assert api.post(f"{content}/extract", {}).status == 400
    assert api.post(f"{content}/extract", {"vnfInstanceId": "x"}).status == 409
    assert api.post(f"{content}/upload_from_uri", {"addressInformation": "http://169.254.1.1/x"}).status == 400
    assert api.get(f"{path}/ext_artifacts_access").json == {}
    entry = {"artifactUri": "https://a.example/x"}
    assert api.call("PUT", f"{path}/ext_artifacts_access", {"artifact": [entry]}).json == {"artifact": entry}
    assert api.call("PUT", content, b"no archive", ZIPPED).status == 202
    failed = settled(api, path)
    assert (failed["state"], failed["failureDetails"]["errorType"]) == ("ERROR", "PROCESS_ERROR")
    with there.job.catena.store.open_unit() as uow:
        package = uow.vnf_snapshot_packages.get(path.rsplit("/", 1)[1])
        request = {"vnfSnapshotInfoId": snapshot.id}
        uow.vnf_snapshot_packages.save(replace(package, state=SnapshotPackageState.BUILDING, request=request))
    assert api.post(f"{content}/cancel", {"cause": "no room"}).status == 202
    there.job.services.snapshot_packages.recover()  # as a server that comes back
    cancelled = settled(api, path)
    assert (cancelled["state"], cancelled["failureDetails"]["errorType"]) == ("ERROR", "CANCELLED")
    assert cancelled["failureDetails"]["details"]["detail"] == "cancelled: no room"


@pytest.mark.parametrize(
    "forge",
    [
        lambda files: files.pop(MANIFEST),
        lambda files: files.pop(RECORD),
        lambda files: files.update({RECORD: b"{}"}),
        lambda files: files.update({"Images/../../etc/passwd": b""}),
        lambda files: files.update({"more": b"x"}),
        lambda files: files.update({MANIFEST: b"\xff"}),
    ],
)
def test_a_forged_package_is_not_believed(
    tmp_path: Path, forge: Callable[[dict[str, bytes]], Any], whole: bytes
) -> None:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    forge(files)
    path = tmp_path / "forged.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(InvalidInput):
        ZipSnapshotArchives().read(str(path))


@pytest.fixture(scope="module")
def whole() -> bytes:
    """A package of an empty snapshot: its shape is right, and its record says too little."""
    snapshot = VnfSnapshot(id="s", tenant_id="t", created_at=datetime.now(UTC))
    return b"".join(ZipSnapshotArchives().pack(snapshot, "u", (), ()))


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, target
    return found


@pytest.mark.parametrize(
    "members",
    [
        [member("etc/passwd")],
        [member("vnf/../etc/passwd")],
        [member("/vnf/x")],
        [member("vnf/device", tarfile.CHRTYPE)],
        [member("vnf/hard", tarfile.LNKTYPE, "/etc/shadow")],
        [member("vnf/link", tarfile.SYMTYPE, "/etc"), member("vnf/link/passwd")],
    ],
)
def test_a_state_that_no_vnfc_can_have_written_is_not_kept(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for one in members:
            archive.addfile(one)
    with pytest.raises(InvalidInput, match="nothing that a VNFC can have written"):
        state.check(tmp_path / "a.tar")
