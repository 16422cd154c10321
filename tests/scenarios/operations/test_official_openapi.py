"""The official OpenAPI documents as testers: generated requests to every operation that they have (schemathesis).

They are no part of the repository: the test skips visibly on a clone that lies alone.
"""

from __future__ import annotations

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
from schemathesis import Case
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from mano.api.api_versions import ROOTS
from mano.api.config import ApiConfig
from mano.settings import AuthMode
from tests.api.conftest import Api, serving
from tests.api.official import needs_documents
from tests.api.official_documents import SERVED, document, operations, validator
from tests.scenarios.operations.conftest import job_at

pytestmark = needs_documents

EXAMPLES = 5

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

EMPTY_HERE = frozenset({"/vnf_snapshots/{vnfSnapshotInfoId}/vnf_state_snapshot"})
"""What the sample service does not have."""


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
