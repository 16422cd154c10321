"""VNFs of the simulated VIM take every configuration and keep it, and agree to whatever they are asked for."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from mano.adapters.vim_simulated.world import World
from mano.errors import Unreachable
from mano.ports.management import Answer, Call, ManagementReach

CONFIGURATION = "/vnfconfig/v1/configuration"
COORDINATIONS = "/lcmcoord/v1/coordinations"


class SimulatedManagement(ManagementReach):
    """What VNFCs were told is kept in the world's file with them, and ends with them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def namespace(self, place: str) -> Path | None:
        """There are no networks."""
        return None

    def call(self, place: str, call: Call, deadline_s: float) -> Answer:
        """The VNF's configuration interface (SOL002 clause 9), as a VNF would serve it that takes anything."""
        if self._world.get("attachments", place) is None:
            raise Unreachable(f"the management place {place} is not there")
        with self._world.locked():
            thing = self._world.get("computes", call.compute_id)
            if thing is None or thing["state"] == "failed":
                raise Unreachable(f"{call.address} cannot be reached: nothing runs there")
            if call.path.endswith(COORDINATIONS) and call.method == "POST":
                return _agreed(call)
            if not call.path.endswith(CONFIGURATION):
                return Answer(404)
            present: dict[str, Any] = thing.get("configuration") or {"vnfConfigurationData": {}}
            if call.method == "PATCH" and call.document is not None:
                if call.headers.get("If-Match") not in (None, _tag(present)):
                    return Answer(412)
                present = _merged(present, call.document)
                self._world.put("compute.configuration", "computes", call.compute_id, configuration=present)
        return Answer(200, {"etag": _tag(present)}, present if call.method == "GET" else dict(call.document or {}))


def _agreed(call: Call) -> Answer:
    """LcmCoord (SOL002 clause 10.5.2.3) of an action that is over at once."""
    made = str(uuid5(NAMESPACE_URL, f"{call.compute_id}{json.dumps(call.document, sort_keys=True)}"))
    document = {**(call.document or {}), "id": made, "coordinationResult": "CONTINUE"}
    return Answer(201, {"location": f"{call.path}/{made}"}, document)


def _tag(document: dict[str, Any]) -> str:
    return f'"{sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]}"'


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7396; lists of VNFCs by their identifiers (SOL002 clause 9.5.2.3)."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        elif key == "vnfcConfigurationData":
            entries = {each["vnfcInstanceId"]: each for each in found.get(key, ())}
            for each in value:
                entries[each["vnfcInstanceId"]] = _merged(entries.get(each["vnfcInstanceId"]), each)
            found[key] = list(entries.values())
        else:
            found[key] = _merged(found.get(key), value)
    return found
