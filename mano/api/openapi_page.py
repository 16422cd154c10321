"""``/docs``: our own OpenAPI document as one plain page that needs neither scripts nor the internet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import HTMLResponse

from mano.api.media import MediaRoute, media

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem;color:#1b1f24;background:#fff}
h2{border-bottom:1px solid #d0d7de;margin-top:2rem} summary{cursor:pointer;padding:.25rem 0}
code,.m{font-family:ui-monospace,monospace} .m{display:inline-block;width:4.5rem;font-weight:700}
table{border-collapse:collapse;margin:.25rem 0 .75rem 1rem} td,th{border:1px solid #d0d7de;padding:.15rem .5rem;
text-align:left;vertical-align:top} details div{margin-left:1rem}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117} h2,td,th{border-color:#30363d}
a{color:#58a6ff}}
"""
_METHODS = ("get", "post", "put", "patch", "delete")

router = APIRouter(route_class=MediaRoute, tags=["server"])


@router.get("/docs", include_in_schema=False)
@media(produces=("text/html",))
def read_docs(request: Request) -> HTMLResponse:
    """Every resource, its parameters, body and answers."""
    application: FastAPI = request.app
    return HTMLResponse(render(application.openapi()), headers={"Content-Security-Policy": POLICY})


def render(document: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document."""
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    sections = "".join(_section(tag, entries) for tag, entries in _by_tag(document).items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style><h1>{title}</h1>'
        f"<p>{escape(document['info'].get('description', ''))}</p>"
        f'<p>The same as data: <a href="/openapi.json">openapi.json</a></p>{sections}</html>'
    )


def _by_tag(document: Mapping[str, Any]) -> dict[str, list[tuple[str, str, Mapping[str, Any]]]]:
    tags: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                tag = (methods[method].get("tags") or ["other"])[0]
                tags.setdefault(tag, []).append((path, method, methods[method]))
    return tags


def _section(tag: str, entries: list[tuple[str, str, Mapping[str, Any]]]) -> str:
    return f"<h2>{escape(tag)}</h2>" + "".join(_operation(*entry) for entry in entries)


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    return (
        f'<details><summary><span class="m">{method.upper()}</span><code>{escape(path)}</code></summary><div>'
        f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"
        f"{''.join(_tables(operation))}</div></details>"
    )


def _tables(operation: Mapping[str, Any]) -> Iterator[str]:
    parameters = operation.get("parameters", ())
    if parameters:
        yield _table(
            ("parameter", "in", "meaning"),
            [(p["name"] + (" *" if p.get("required") else ""), p["in"], p.get("description", "")) for p in parameters],
        )
    body = operation.get("requestBody", {}).get("content", {})
    if body:
        yield _table(("body", "schema"), [(kind, _schema(content.get("schema", {}))) for kind, content in body.items()])
    answers = operation.get("responses", {})
    yield _table(("status", "answer"), [(code, answer.get("description", "")) for code, answer in answers.items()])


def _schema(schema: Mapping[str, Any]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return name or str(schema.get("type", "any"))


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    cells = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return "<table><tr>" + "".join(f"<th>{escape(name)}</th>" for name in head) + f"</tr>{cells}</table>"
