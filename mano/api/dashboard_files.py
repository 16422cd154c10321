"""``/ui``: the built dashboard, as static files under a policy that lets the page load nothing from elsewhere.

The page holds no secret: it gets its token in the URL's fragment (``/ui/#token=...``), which browsers never send.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from mano.api.media import JSON, config_of
from mano.api.sfc_neutron.router import versions
from mano.errors import NotFound

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

INDEX = "index.html"
_IMMUTABLE = "public, max-age=31536000, immutable"
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Catena</title>
<h1>The dashboard is not built</h1>
<p>In a clone of the repository, <code>python3 -m scripts.set_up demo</code> builds it; then load this page again.
A released package has it inside.</p>
<p>Everything it shows is also at <code>/mano/v1/topology</code> and <code>/mano/v1/chains</code>.</p></html>"""

router = APIRouter(include_in_schema=False)


@router.get("/")
def root(request: Request) -> Response:
    """The dashboard for a person who types the server's address, the versions of ``/v2.0`` for OpenStack's clients."""
    if JSON in request.headers.get("accept", ""):
        return versions(request)
    return to_dashboard()


@router.get("/ui")
def to_dashboard() -> RedirectResponse:
    """Where a person who types the server's address wants to go."""
    return RedirectResponse("/ui/", status_code=307)


@router.get("/ui/{path:path}")
def read_file(request: Request, path: str) -> Response:
    """One file of the bundle."""
    folder = config_of(request).dashboard_dir
    headers = {"Content-Security-Policy": POLICY}
    if folder is None or not (folder / INDEX).is_file():
        return HTMLResponse(_NOT_BUILT, status_code=200 if path in ("", INDEX) else 404, headers=headers)
    file = _resolve(folder, path or INDEX)
    if path.startswith("assets/"):
        headers["Cache-Control"] = _IMMUTABLE  # the build puts a hash into these names
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return FileResponse(file, headers=headers, media_type=kind)


def _resolve(folder: Path, path: str) -> Path:
    """The file, if it is one of the folder's own."""
    try:
        file = (folder / path).resolve(strict=True)
    except (OSError, ValueError):
        raise NotFound("there is no such file") from None
    if not file.is_file() or not file.is_relative_to(folder.resolve()):
        raise NotFound("there is no such file")
    return file
