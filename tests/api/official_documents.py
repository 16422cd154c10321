"""The official OpenAPI documents of SOL003 and SOL005, put right where they are wrong, and what of them is served.

They are no part of the repository: who uses them skips visibly on a clone that lies alone. What the documents say
wrongly, by the standard's text or by themselves, is corrected here, with its reason.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from tests.api.official import DOCUMENTS

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

PLAIN = {
    "VnfIndicator": ("value",),
    "NfviCapacityMeasurement": ("totalCapacity", "reservedCapacity", "allocatedCapacity", "availableCapacity"),
}
"""Attributes that some documents take for objects."""


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
            _correct_made(operation["responses"])
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
    reports = schemas.get("PmJob", {}).get("properties", {})
    if reports.get("reports", {}).get("type") == "object":  # 0..N of them, SOL003 clause 6.5.2.7
        reports["reports"] = {"type": "array", "items": reports["reports"]}
    if "PerformanceReport" in schemas:
        _correct_report(schemas["PerformanceReport"]["properties"]["entries"]["items"])
    if "PnfdOnboardingStateType" in schemas:  # ONBOARDING in the list, ONBOARDED in its own explanation
        schemas["PnfdOnboardingStateType"]["enum"].append("ONBOARDED")
    for name, attributes in PLAIN.items():
        for attribute in attributes if name in schemas else ():
            schemas[name]["properties"][attribute] = {"type": ["number", "string", "boolean"]}


def _correct_report(entry: dict[str, Any]) -> None:
    """SOL003 clause 6.5.2.10 and SOL005 clause 7.5.2.10: names that the documents require and do not define."""
    values = entry["properties"]["performanceValues"]["items"]
    values["properties"]["value"] = {"type": "number"}  # "shall correspond to the measurement unit"
    values["required"] = ["timeStamp", "value"]
    entry["required"] = ["objectType", "objectInstanceId", "performanceMetric", "performanceValues"]
    entry["properties"]["subObjectInstanceId"] = {"type": "string"}


def _correct_form(path: str, responses: dict[str, Any]) -> None:
    """A collection answers an array and a single resource does not, whatever a document says."""
    media = responses.get("200", {}).get("content", {}).get("application/json", {})
    schema = media.get("schema", {})
    is_one = path.endswith("}") and not path.endswith("indicators/{vnfInstanceId}")
    if is_one and schema.get("type") == "array":
        media["schema"] = schema["items"]
    elif path in COLLECTIONS and schema and schema.get("type") != "array":
        media["schema"] = {"type": "array", "items": schema}


def _correct_made(responses: dict[str, Any]) -> None:
    """What was made is one resource, though some documents answer a list of them."""
    media = responses.get("201", {}).get("content", {}).get("application/json", {})
    if media.get("schema", {}).get("type") == "array":
        media["schema"] = media["schema"]["items"]


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


@functools.cache
def validator(name: str, schema: str) -> Draft202012Validator:
    """Judges by a schema of the document."""
    whole = {**json.loads(schema), "components": document(name)["components"]}
    return Draft202012Validator(whole)
