"""Our own OpenAPI document as a tester: generated requests to every operation, good and bad (schemathesis)."""

from __future__ import annotations

import functools
import re
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mano.api.api_versions import ROOTS, ApiRoot
from mano.api.app import create_app
from mano.api.config import ApiConfig
from mano.api.services import Services
from mano.api.sfc_neutron.errors import is_neutron
from tests.api.conftest import CREDENTIALS, Api

EXAMPLES = 10
ENDLESS = "/mano/v1/events"
CHECKS = (
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)


class Anything:
    """Has every use case: routers that name theirs when they are made find it. None is called."""

    def __getattr__(self, name: str) -> object:
        return self


@functools.cache
def document() -> dict[str, Any]:
    """The document of an application that has every interface."""
    anything = cast(Any, Anything())
    services = Services(*[anything] * len(Services.__slots__))
    return create_app(services, ApiConfig(credentials=CREDENTIALS)).openapi()


def operations() -> list[tuple[str, str]]:
    """Every operation, but of those for older clients: these are the same handlers under another name."""
    old = tuple(f"{prefix}/" for prefix, root in ROOTS.items() if not root.strict)
    return [
        (method.upper(), path)
        for path, methods in document()["paths"].items()
        for method in methods
        if path != ENDLESS and not path.startswith(old)
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "operation" in metafunc.fixturenames:
        every = operations()
        metafunc.parametrize("operation", every, ids=[f"{method} {path}" for method, path in every])


def test_every_operation_answers_what_its_document_says(served: Api, operation: tuple[str, str]) -> None:
    method, path = operation
    schema = schemathesis.openapi.from_dict(document())
    schema.config.update(base_url=f"http://127.0.0.1:{served.port}")
    headers = {"Authorization": f"Bearer {served.token}"}
    root = next((root for prefix, root in ROOTS.items() if path.startswith(prefix + "/")), None)
    if root is not None:
        headers["Version"] = root.version

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[path][method].as_strategy())
    def answers(case: Case[Any]) -> None:
        response = case.call(headers=headers, timeout=20)
        assert response.status_code < 500, response.content
        case.validate_response(response, checks=list(CHECKS))
        if response.status_code >= 400:
            expected = "application/json" if is_neutron(path) else "application/problem+json"
            assert response.headers["content-type"][0].startswith(expected)

    answers()


def test_every_operation_has_a_name_of_its_own_and_a_sentence() -> None:
    described = [
        (operation["operationId"], operation.get("description"))
        for methods in document()["paths"].values()
        for operation in methods.values()
    ]
    assert len({name for name, _ in described}) == len(described)
    assert all(sentence for _, sentence in described)


UNKNOWN = "11111111-1111-4111-8111-111111111111"


def at(path: str) -> str:
    """The path with an identifier that nothing has."""
    return re.sub(r"\{[^}]*\}", UNKNOWN, path)


def root_of(path: str) -> ApiRoot:
    return next(root for prefix, root in ROOTS.items() if path.startswith(f"{prefix}/"))


@pytest.fixture(scope="module")
def resources(served: Api) -> dict[str, set[str]]:
    """The methods of every resource of the standard's that the server has."""
    return {
        path: {method.upper() for method in methods}
        for path, methods in served.get("/openapi.json").json["paths"].items()
        if any(path.startswith(f"{prefix}/") for prefix in ROOTS)
    }


def test_methods_that_a_resource_does_not_have_are_told(served: Api, resources: dict[str, set[str]]) -> None:
    for path, has in resources.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - has:
            answer = served.call(method, at(path))
            assert answer.status == 405, (method, path)
            assert set(answer.headers["allow"].split(", ")) <= has, (method, path)
            assert answer.headers["version"] == root_of(path).version, (method, path)
            answer.problem()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": None}, 401),
        ({"Authorization": "Bearer negativetoken"}, 401),
        ({"Authorization": "Bear sometoken"}, 400),
        ({"Version": "99.0.0"}, 406),
        ({"Version": "newest"}, 400),
    ],
)
def test_refusals_tell_the_version_of_their_api(
    served: Api, resources: dict[str, set[str]], headers: dict[str, str | None], status: int
) -> None:
    for path, has in resources.items():
        if "GET" in has and not path.endswith("api_versions"):
            answer = served.call("GET", at(path), headers=headers)
            assert (answer.status, answer.headers["version"]) == (status, root_of(path).version), path
            answer.problem()


@pytest.mark.parametrize(
    "query",
    [
        "wrongName=any_value",
        "filter_invalid",
        "filter=(eq,attribute_not_exist,some_value)",
        "fields=wrong_field",
        "exclude_fields=wrong_field",
        "fields=id&all_fields",
        "nextpage_opaque_marker=erroneous",
    ],
)
def test_lists_refuse_what_they_cannot_follow(served: Api, resources: dict[str, set[str]], query: str) -> None:
    for path, has in resources.items():
        if "GET" in has and "{" not in path and not path.endswith("api_versions"):
            answer = served.get(f"{path}?{query}")
            assert (answer.status, answer.headers["version"]) == (400, root_of(path).version), path
            answer.problem()


def test_lists_take_the_filters_of_older_editions(served: Api) -> None:
    packages = "/vnfpkgm/v2/vnf_packages"
    one, other = (served.post(packages, {"userDefinedData": {"name": name}}).json["id"] for name in ("one", "other"))

    def found(query: str) -> list[str]:
        return [package["id"] for package in served.get(f"{packages}?{query}").json]

    assert found(f"id={one}") == found(f"id.eq={one}&onboardingState=CREATED") == [one]
    assert found(f"userDefinedData.name=one&id={one},{other}") == [one]
    assert found(f"id={one}&onboardingState.neq=CREATED") == []
