"""How many connections each function serves, from the marks that the ends of chains keep."""

from __future__ import annotations

from collections.abc import Mapping

from mano.errors import CatenaError
from mano.nfvo.data_plane import DataPlane
from mano.ports.service_paths import ServicePaths
from sfc.statistics import active_connections


def active_functions(paths: ServicePaths, plane: DataPlane) -> Mapping[str, int]:
    """Connections by function, of all chains; those of chains whose end does not answer are left out."""
    symmetric = [one for one in plane.chains if one.reverse is not None]
    marks = {}
    for host in sorted({one.forward.end_sff for one in symmetric}):
        try:
            marks[host] = paths.connections(host)
        except CatenaError:
            continue
    known = [one for one in symmetric if one.forward.end_sff in marks]
    return active_connections(plane.topology, known, marks)
