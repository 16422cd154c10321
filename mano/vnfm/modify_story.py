"""The modification of a VNF instance's information (SOL003 clause 5.4.3.3.4): an operation without a grant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mano.domain.lcm_op_occ import LcmOpOcc, Level
from mano.domain.merge_patch import merged
from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput
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
    if "vnfcInfoModifications" in changes:
        fields["vnfc_configuration"] = _of_vnfcs(instance, changes["vnfcInfoModifications"] or ())
    return replace(instance, **fields)


def _of_vnfcs(instance: VnfInstance, changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Configurable properties of VNFCs; raises InvalidInput for one that the VNF does not have."""
    known = [vnfc.id for vnfc in instance.vnfcs]
    found = {vnfc: values for vnfc, values in instance.vnfc_configuration.items() if vnfc in known}
    for number, change in enumerate(changes):
        if change["id"] not in known:
            raise InvalidInput(
                "vnfcInfoModifications names a VNFC that the VNF does not have",
                hint=f"it has: {', '.join(known) or 'none'}",
                facts={"pointer": f"/vnfcInfoModifications/{number}/id"},
            )
        found[change["id"]] = merged(found.get(change["id"], {}), change["vnfcConfigurableProperties"])
    return found
