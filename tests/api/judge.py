"""A client whose exchanges the official OpenAPI documents judge; it remembers which operations succeeded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.api.conftest import Answer, Api
from tests.api.official_documents import SERVED, document, operations, validator

Operation = tuple[str, str, str]
"""(document, method, path)."""

LOCATED = {"POST": (201, 202), "PATCH": (202,)}
"""Answers that say where what they made is (SOL013 clause 5.2)."""
UNLOCATED = ("/retry", "/rollback", "/continue", "/cancel", "/package_content")
"""Tasks whose 202 concerns a resource that the client knows already."""


@dataclass
class Judged(Api):
    """Raises AssertionError for an answer, or a request that was taken, that no document has."""

    succeeded: set[Operation] = field(default_factory=set)

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str | None] | None = None, **options: Any
    ) -> Answer:
        answer = super().call(method, path, body, headers, **options)
        for operation in operations_of(method, path):
            _judge(operation, body, answer)
            if answer.status < 300:
                self.succeeded.add(operation)
        return answer

    def patch(self, path: str, body: Any, **headers: str) -> Answer:
        kind = {"Content-Type": "application/merge-patch+json"}
        return self.call("PATCH", path, body, kind | {name.replace("_", "-"): value for name, value in headers.items()})

    def path_of(self, answer: Answer) -> str:
        """Where the answer's Location leads on this server."""
        assert answer.status in (201, 202, 303), (answer.status, answer.body)
        return answer.headers["location"].split(f":{self.port}", 1)[1]


def operations_of(method: str, path: str) -> Iterator[Operation]:
    """What the documents call this; a path may be in two of them. A name goes before a parameter."""
    path = path.partition("?")[0]
    for name, root in SERVED.items():
        if not path.startswith(root + "/"):
            continue
        fitting = [each for each in document(name)["paths"] if _pattern(each).fullmatch(path[len(root) :])]
        if fitting:
            best = min(fitting, key=lambda each: each.count("{"))
            if method.lower() in document(name)["paths"][best]:
                yield name, method, best


def unmet(succeeded: set[Operation]) -> list[str]:
    """Operations of the documents that did not succeed."""
    return sorted(" ".join(each) for each in set(operations()) - succeeded)


def _pattern(template: str) -> re.Pattern[str]:
    anything = {"{artifactPath}": ".+"}
    parts = re.split(r"({.*?})", template)
    return re.compile("".join(anything.get(p, "[^/]+") if p.startswith("{") else re.escape(p) for p in parts))


def _judge(operation: Operation, body: Any, answer: Answer) -> None:
    name, method, path = operation
    told = document(name)["paths"][path][method.lower()]
    where = f"{method} {path} of {name}: {answer.status}"
    assert str(answer.status) in told["responses"], f"{where} is not in the document; {answer.body[:300]!r}"
    assert answer.status < 500, (where, answer.body)
    content = told["responses"][str(answer.status)].get("content", {})
    if answer.status >= 400:
        answer.problem()
        return
    if answer.status in (202, 204, 303):
        assert answer.body == b"", where
    if answer.status in LOCATED.get(method, ()) and not path.endswith(UNLOCATED):
        assert "location" in answer.headers or "upload_from_uri" in path, where
    if answer.headers.get("content-type") == "application/json":
        _fits(name, content.get("application/json", {}).get("schema"), answer.json, where)
    taken = told.get("requestBody", {}).get("content", {})
    if not isinstance(body, bytes) and body is not None:
        _fits(name, next((each.get("schema") for each in taken.values()), None), body, f"{where}, the request")


def _fits(name: str, schema: Any, value: Any, where: str) -> None:
    if not schema:
        return
    found = validator(name, json.dumps(schema, sort_keys=True)).iter_errors(value)
    wrong = [f"/{'/'.join(map(str, one.absolute_path))}: {one.message[-200:]}" for one in found]
    assert wrong == [], f"{where}: {wrong}"
