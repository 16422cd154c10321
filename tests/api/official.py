"""The official OpenAPI documents as judges of our answers. They are no part of the repository."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DOCUMENTS = Path(__file__).resolve().parents[3] / "shared" / "etsi" / "openapi"

needs_documents = pytest.mark.skipif(
    not DOCUMENTS.is_dir(), reason="the official OpenAPI documents do not lie beside this clone (../shared/etsi)"
)


@functools.cache
def _validator(document: str, schema: str) -> Draft202012Validator:
    content = json.loads((DOCUMENTS / f"{document}.json").read_text())
    registry: Registry[Any] = Registry().with_resource(
        "urn:official", Resource.from_contents(content, default_specification=DRAFT202012)
    )
    reference = {"$ref": f"urn:official#/components/schemas/{schema}"}
    return Draft202012Validator(reference, registry=registry)


def faults(document: str, schema: str, answer: Any) -> list[str]:
    """Where the answer differs from the schema."""
    return [
        f"/{'/'.join(str(step) for step in error.absolute_path)}: {error.message[:300]}"
        for error in _validator(document, schema).iter_errors(answer)
    ]
