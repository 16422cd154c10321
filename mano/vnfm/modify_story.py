"""The modification of a VNF instance's information (SOL003 clause 5.4.3.3.4): an operation without a grant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mano.domain.lcm_op_occ import LcmOpOcc, Level
from mano.domain.vnf_instance import VnfInstance
from mano.ports.repositories import UnitOfWork
from mano.ports.workflows import Step
from mano.vnfm.world import VnfmWorld

APPLY = "apply"

MERGED = {
    "metadata": "metadata",
    "extensions": "extensions",
    "vnfConfigurableProperties": "configuration",
}
"""Attributes that are changed key by key (SOL003 clause 5.5.2.12), and the fields that hold them."""


class ModifyVnf:
    """MODIFY_INFO: names, metadata, extensions and configurable properties; everything at once."""

    level = Level.VNF
    operation = "MODIFY_INFO"

    def __init__(self, world: VnfmWorld) -> None:
        self._world = world

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """There is nothing to decide."""
        return (APPLY,)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """The change itself is made with the operation's end, in one transaction."""
        return Step(name, lambda: None, lambda: None)

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The instance is as asked for."""
        instance = uow.vnf_instances.get(op.instance_id)
        self._world.announce(uow, uow.vnf_instances.save(modified(instance, op.parameters)), "changed")

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Nothing was changed."""


def modified(instance: VnfInstance, changes: Mapping[str, Any]) -> VnfInstance:
    """The instance with a VnfInfoModificationRequest merged in (RFC 7396)."""
    fields: dict[str, Any] = {}
    if "vnfInstanceName" in changes:
        fields["name"] = changes["vnfInstanceName"] or ""
    if "vnfInstanceDescription" in changes:
        fields["description"] = changes["vnfInstanceDescription"] or ""
    for attribute, name in MERGED.items():
        if attribute in changes:
            fields[name] = merged(getattr(instance, name), changes[attribute] or {})
    return replace(instance, **fields)


def merged(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON merge patch: ``null`` removes a member."""
    found = dict(target)
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, Mapping):
            inner = found.get(key)
            found[key] = merged(inner if isinstance(inner, Mapping) else {}, value)
        else:
            found[key] = value
    return found
