"""XML from elsewhere to elements: no document type, thus no entities, and limits on size, depth and number.

The standard library's parsers expand entities, nine levels of which fill any memory; who declares none loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

MAX_OCTETS = 2**25
MAX_DEPTH = 64
MAX_ELEMENTS = 500_000

_DECLARATION = re.compile(r"<\?xml[^>]{0,200}\?>")


class XmlError(ValueError):
    """Text that is no XML, or XML that nobody writes who means well."""


def elements_of(text: str) -> Element:
    """An element `documents` around all documents of a text, one after the other. Raises XmlError."""
    if len(text) > MAX_OCTETS:
        raise XmlError(f"expected at most {MAX_OCTETS >> 20} MiB of XML, found {len(text) >> 20}")
    if "<!DOCTYPE" in text:
        raise XmlError("expected XML without a document type declaration")
    return _Reading().read(f"<documents>{_DECLARATION.sub('', text)}</documents>")


class _Reading:
    """One pass of expat, whose every event is counted."""

    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._depth = 0
        self._elements = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._builder.data

    def read(self, text: str) -> Element:
        try:
            self._parser.Parse(text.encode("utf-8", "surrogatepass"), True)
        except expat.ExpatError as error:
            place = f"line {error.lineno}, column {error.offset}"
            raise XmlError(f"expected XML, found at {place}: {expat.ErrorString(error.code)}") from None
        return self._builder.close()

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise XmlError(f"expected at most {MAX_DEPTH} levels and {MAX_ELEMENTS} elements")
        self._builder.start(tag, dict(attributes))

    def _end(self, tag: str) -> None:
        self._depth -= 1
        self._builder.end(tag)
