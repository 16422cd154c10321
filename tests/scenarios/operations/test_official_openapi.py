"""The official OpenAPI documents as testers: generated requests to every operation that they have (schemathesis).

They are no part of the repository: the test skips visibly on a clone that lies alone. What the documents say wrongly,
by the standard's text or by themselves, is corrected here, with its reason.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis import Case
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from mano.api.api_versions import ROOTS
from mano.api.config import ApiConfig
from mano.settings import AuthMode
from tests.api.conftest import Api, serving
from tests.api.official import DOCUMENTS, needs_documents
from tests.scenarios.operations.conftest import job_at

pytestmark = needs_documents

EXAMPLES = 5

SERVED = {
    "SOL003-VNFLifecycleManagement": "/vnflcm/v2",
    "SOL003-VNFPerformanceManagement": "/vnfpm/v2",
    "SOL003-VNFFaultManagement": "/vnffm/v1",
    "SOL003-VNFIndicator": "/vnfind/v1",
    "SOL003-VNFLifecycleOperationGranting": "/grant/v1",
    "SOL003-VNFPackageManagement": "/vnfpkgm/v2",
    "SOL003-VirtualisedResourcesQuotaAvailableNotification": "/vrqan/v1",
    "SOL005-NSLifecycleManagement": "/nslcm/v2",
    "SOL005-NSDManagement": "/nsd/v2",
    "SOL005-NSPerformanceManagement": "/nspm/v2",
    "SOL005-NSFaultManagement": "/nsfm/v1",
    "SOL005-NFVICapacityInformation": "/nfvici/v1",
    "SOL005-VNFPackageManagement": "/vnfpkgm/v2",
}
"""Document to the root that serves it."""

PATHS = {
    "/api-versions": "/api_versions",
    "/indicators/subscriptions/{subscriptionId}": "/subscriptions/{subscriptionId}",
    "/nslcm/v1/ns_lcm_op_occs/{nsLcmOpOccId}/fail": "/ns_lcm_op_occs/{nsLcmOpOccId}/fail",
    "/nslcm/v1/ns_lcm_op_occs/{nsLcmOpOccId}/cancel": "/ns_lcm_op_occs/{nsLcmOpOccId}/cancel",
}
"""Paths that the documents have otherwise than the standard's text and the other documents."""

COLLECTIONS = frozenset(
    {"/alarms", "/indicators", "/nfvi_capacity_infos", "/pm_jobs", "/subscriptions", "/thresholds"}
    | {"/vnf_instances", "/vnf_lcm_op_occs", "/vnf_snapshots", "/capacity_thresholds"}
)
"""Resources that are lists, though some documents give one member as their answer."""

GENERAL = (303, 304, 400, 401, 403, 404, 405, 406, 409, 412, 413, 414, 415, 416, 422, 429, 500, 503, 504)
"""Statuses that SOL013 has for every resource; the documents list them unevenly."""


LISTS = {
    "vnfInstanceId": ("/vnflcm/v2/vnf_instances", "id"),
    "vnfLcmOpOccId": ("/vnflcm/v2/vnf_lcm_op_occs", "id"),
    "vnfSnapshotInfoId": ("/vnflcm/v2/vnf_snapshots", "id"),
    "nsInstanceId": ("/nslcm/v2/ns_instances", "id"),
    "nsLcmOpOccId": ("/nslcm/v2/ns_lcm_op_occs", "id"),
    "vnfPkgId": ("/vnfpkgm/v2/vnf_packages", "id"),
    "vnfdId": ("/vnfpkgm/v2/vnf_packages", "vnfdId"),
    "nsdInfoId": ("/nsd/v2/ns_descriptors", "id"),
    "vimId": ("/nfvici/v1/nfvi_capacity_infos", "vimId"),
}
"""Where the identifiers of a path's parameter are found."""

PLAIN = {
    "VnfIndicator": ("value",),
    "NfviCapacityMeasurement": ("totalCapacity", "reservedCapacity", "allocatedCapacity", "availableCapacity"),
}
"""Attributes that some documents take for objects."""

EMPTY_HERE = frozenset({"/vnf_snapshots/{vnfSnapshotInfoId}/vnf_state_snapshot"})
"""What the sample service does not have."""


@functools.cache
def document(name: str) -> dict[str, Any]:
    """The document with corrected paths and the general statuses."""
    content: dict[str, Any] = json.loads((DOCUMENTS / f"{name}.json").read_text())
    content["paths"] = {PATHS.get(path, path): item for path, item in content["paths"].items()}
    _correct_types(content["components"]["schemas"])
    for path, item in content["paths"].items():
        for method, operation in item.items():
            if method not in ("get", "post", "put", "patch", "delete"):
                continue  # parameters, a description
            if method == "put" and "application/binary" in json.dumps(operation):
                operation.pop("requestBody", None)  # an archive: no generator of JSON makes one
            # What is accepted has no body yet (SOL003 clause 5.4.3.3.4); one document promises the changes themselves.
            operation.get("responses", {}).get("202", {}).pop("content", None)
            if method == "get":
                _correct_form(path, operation["responses"])
            for status in GENERAL:
                operation["responses"].setdefault(str(status), {"description": "SOL013"})
    return content


def _correct_types(schemas: dict[str, Any]) -> None:
    """Values that are numbers or text are no objects, and a checksum is as SOL005's document has it."""
    if "hash" not in schemas.get("Checksum", {}).get("properties", {}):
        schemas["Checksum"] = {"type": "object", "required": ["algorithm", "hash"]}
    capacity = schemas.get("NfviCapacityInfo", {}).get("properties", {})
    if "totalCapacityInfo" in capacity:  # of every resource type, SOL005 clause 10.5.2.2
        capacity["totalCapacityInfo"] = {"type": "array", "items": capacity["totalCapacityInfo"]}
    for name, attributes in PLAIN.items():
        for attribute in attributes if name in schemas else ():
            schemas[name]["properties"][attribute] = {"type": ["number", "string", "boolean"]}


def _correct_form(path: str, responses: dict[str, Any]) -> None:
    """A collection answers an array and a single resource does not, whatever a document says."""
    media = responses.get("200", {}).get("content", {}).get("application/json", {})
    schema = media.get("schema", {})
    is_one = path.endswith("}") and not path.endswith("indicators/{vnfInstanceId}")
    if is_one and schema.get("type") == "array":
        media["schema"] = schema["items"]
    elif path in COLLECTIONS and schema and schema.get("type") != "array":
        media["schema"] = {"type": "array", "items": schema}


def operations() -> Iterator[tuple[str, str, str]]:
    """(document, method, path) of every operation that is more than "405"."""
    if not DOCUMENTS.is_dir():
        return
    for name in SERVED:
        for path, item in document(name)["paths"].items():
            for method, operation in item.items():
                if method in ("get", "post", "put", "patch", "delete") and any(
                    status.startswith("2") for status in operation["responses"]
                ):
                    yield name, method.upper(), path


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "operation" in metafunc.fixturenames:
        every = list(operations())
        metafunc.parametrize("operation", every, ids=[" ".join(one) for one in every])


@pytest.fixture(scope="module")
def service_api(service: Path, archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server over a copy of the running service, with a snapshot of one of its VNFs."""
    directory = tmp_path_factory.mktemp("official") / "copy"
    shutil.copytree(service, directory)
    job = job_at(directory, archives)
    with serving(job.services, ApiConfig(auth=AuthMode.NONE)) as served:
        served.token = None
        snapshot = served.post("/vnflcm/v2/vnf_snapshots", {}).json["id"]
        vnf = served.get("/vnflcm/v2/vnf_instances").json[0]["id"]
        served.post(f"/vnflcm/v2/vnf_instances/{vnf}/create_snapshot", {"vnfSnapshotInfoId": snapshot})
        served.post("/vnffm/v1/subscriptions", {"callbackUri": "http://203.0.113.1/"})
        yield served
    job.catena.stop()


@pytest.fixture(scope="module")
def known(service_api: Api) -> dict[str, list[str]]:
    """Identifiers of what there is, by the name of the path's parameter."""
    return {name: [one[key] for one in service_api.get(path).json] for name, (path, key) in LISTS.items()}


def reading() -> list[tuple[str, str]]:
    """(document, path) of what can be read with the identifiers that are known."""
    return [
        (name, path)
        for name, method, path in operations()
        if method == "GET" and set(re.findall(r"{(.*?)}", path)) <= LISTS.keys() and path not in EMPTY_HERE
    ]


@pytest.mark.parametrize(("name", "path"), reading(), ids=[" ".join(one) for one in reading()])
def test_what_can_be_read_is_as_the_official_document_has_it(
    service_api: Api, known: dict[str, list[str]], name: str, path: str
) -> None:
    here = re.sub(r"{(.*?)}", lambda match: known[match[1]][0], path)
    answer = service_api.get(SERVED[name] + here)
    assert answer.status == 200, answer.body[:300]
    content = document(name)["paths"][path]["get"]["responses"]["200"].get("content", {})
    schema = content.get("application/json", {}).get("schema")
    if schema and answer.headers["content-type"] == "application/json":
        found = list(validator(name, json.dumps(schema)).iter_errors(answer.json))
        assert [f"/{'/'.join(map(str, one.absolute_path))}: {one.message[:200]}" for one in found] == []


def validator(name: str, schema: str) -> Draft202012Validator:
    """Judges by a schema of the document."""
    whole = {**json.loads(schema), "components": document(name)["components"]}
    return Draft202012Validator(whole)


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_every_operation_answers_what_the_official_document_says(
    service_api: Api, known: dict[str, list[str]], operation: tuple[str, str, str]
) -> None:
    name, method, path = operation
    root = ROOTS[SERVED[name]]
    schema = schemathesis.openapi.from_dict(document(name))
    schema.config.update(base_url=f"http://127.0.0.1:{service_api.port}{root.prefix}")
    headers = {"Version": root.version, "Accept": "application/json, application/problem+json, */*"}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[path][method].as_strategy(), data=st.data())
    def answers(case: Case[Any], data: st.DataObject) -> None:
        for parameter in case.path_parameters or {}:
            if known.get(parameter) and method != "DELETE":
                case.path_parameters[parameter] = data.draw(st.sampled_from(known[parameter]))
        response = case.call(headers=headers, timeout=60)
        assert response.status_code < 500, response.content
        case.validate_response(response, checks=[status_code_conformance, response_schema_conformance])

    answers()
