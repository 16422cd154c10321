"""Files as answers, whole or in part (RFC 9110 clause 14: one range of octets)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from mano.api.faults import RangeUnsatisfiable

CHUNK = 256 << 10
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def answer_file(request: Request, path: str, media_type: str, *, etag: str = "") -> Response:
    """The file, or the part that ``Range`` asks for."""
    size = Path(path).stat().st_size
    headers = {"Accept-Ranges": "bytes"} | ({"ETag": etag} if etag else {})
    part = requested_range(request.headers.get("range", ""), size)
    if part is None:
        headers["Content-Length"] = str(size)
        return StreamingResponse(_read(path, 0, size), media_type=media_type, headers=headers)
    first, last = part
    headers |= {"Content-Length": str(last - first + 1), "Content-Range": f"bytes {first}-{last}/{size}"}
    content = _read(path, first, last - first + 1)
    return StreamingResponse(content, status_code=206, media_type=media_type, headers=headers)


def requested_range(header: str, size: int) -> tuple[int, int] | None:
    """(first, last) octet that is asked for, ``None`` for everything.

    A header in another unit, of several ranges or malformed is ignored, as RFC 9110 clause 14.2 allows. Raises
    :class:`~mano.api.faults.RangeUnsatisfiable` for a range beyond the end.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        first, last = size - length, size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
        if match[2] and int(match[2]) < first:
            return None
    if first >= size or first > last:
        raise RangeUnsatisfiable("no octet lies in the range", headers={"Content-Range": f"bytes */{size}"})
    return first, last


def _read(path: str, first: int, length: int) -> Iterator[bytes]:
    with open(path, "rb") as file:
        file.seek(first)
        while length > 0 and (chunk := file.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk
