"""The one error tree of Catena.

    CatenaError
    ├── InvalidInput            what was sent is wrong: say where and how to mend it
    │   └── CallbackRefused     the callback is no receiver of notifications
    ├── NotFound                no such resource (or not this tenant's)
    ├── Conflict                the resource's state forbids it
    │   ├── WrongState          not in this life-cycle state
    │   ├── OperationInProgress another operation owns the instance
    │   ├── InUse               others still need it
    │   ├── AlreadyExists       the identifier is taken
    │   └── StaleGeneration     somebody wrote meanwhile (optimistic concurrency)
    ├── Refused                 a decision said no, with its reasons
    │   ├── NotPlaceable        placement found no fit
    │   ├── ChainUnproven       a rendered chain breaks an invariant and was not sent
    │   ├── ChainTooLarge       what a chain's ends may send does not fit its tunnels
    │   ├── NoTunnel            a chain would pass a host that no tunnel leads to
    │   ├── SandboxUnavailable  a package's script cannot be kept apart here, so it is not run
    │   ├── ScriptFailed        a package's script ended badly
    │   └── NotConfigured       the VNF did not take its configuration
    ├── Unreachable             a host, VIM, VNFM or database does not answer
    └── DeadlineExceeded        it answered too late

Each error carries a stable ``code``, a sentence for a person, an optional hint on how to mend it, and facts as
JSON values. HTTP statuses are chosen in :mod:`mano.api.problem_details` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class CatenaError(Exception):
    """Base of every error that Catena raises on purpose."""

    code: ClassVar[str] = "ERROR"

    def __init__(self, detail: str, *, hint: str = "", facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.facts: dict[str, Any] = dict(facts or {})

    def __str__(self) -> str:
        return f"{self.detail} ({self.hint})" if self.hint else self.detail

    def to_document(self) -> dict[str, Any]:
        """Plain JSON values; :func:`error_from_document` makes the error again."""
        return {"code": self.code, "detail": self.detail, "hint": self.hint, "facts": self.facts}


class InvalidInput(CatenaError):
    """The request's content is wrong; ``facts["pointer"]`` is the JSON pointer where known."""

    code = "INVALID_INPUT"


class CallbackRefused(InvalidInput):
    """The callback URI is not allowed here, does not answer, or does not answer a GET with 204."""

    code = "CALLBACK_REFUSED"


class UnknownReference(InvalidInput):
    """The request names another resource that is not there."""

    code = "UNKNOWN_REFERENCE"


class NotFound(CatenaError):
    """No such resource for this tenant."""

    code = "NOT_FOUND"


class Conflict(CatenaError):
    """The resource's present state forbids the request."""

    code = "CONFLICT"


class WrongState(Conflict):
    """The life-cycle state does not allow this operation."""

    code = "WRONG_STATE"


class OperationInProgress(Conflict):
    """One operation per instance: another one has not ended."""

    code = "OPERATION_IN_PROGRESS"


class InUse(Conflict):
    """Other resources still refer to it."""

    code = "IN_USE"


class AlreadyExists(Conflict):
    """The identifier or name is taken."""

    code = "ALREADY_EXISTS"


class StaleGeneration(Conflict):
    """The stored generation is not the one that was read."""

    code = "STALE_GENERATION"


class Refused(CatenaError):
    """A decision said no; ``facts`` holds the reasons."""

    code = "REFUSED"


class NotPlaceable(Refused):
    """No assignment to the NFVI satisfies the request; ``facts["unplaced"]`` says why per VDU."""

    code = "NOT_PLACEABLE"


class QuotaExceeded(Refused):
    """The tenant may not hold that much; the facts say of what, how much it holds and what its limit is."""

    code = "QUOTA_EXCEEDED"


class ChainUnproven(Refused):
    """A rendered set of flow tables breaks an invariant; ``facts["violations"]`` lists packet, hop and flow.

    ``facts["capture"]`` is a pcapng file in base64 with the packets that replay it; `mano` writes it to
    `catena-violation.pcapng`.
    """

    code = "CHAIN_UNPROVEN"


class ChainTooLarge(Refused):
    """The ends of a chain may send packets that do not fit the tunnels on its way.

    ``facts`` has both sizes. NSH in VXLAN-GPE takes 74 octets of the underlay's MTU: give the underlay a larger one, or
    the network a smaller one.
    """

    code = "CHAIN_MTU"


class NoTunnel(Refused):
    """A chain would begin, pass or end where no tunnel leads: beside the integration bridges, or on a host without one.

    `mano host add` makes a host's bridge and tunnel; `mano host show` tells what it has.
    """

    code = "CHAIN_NO_TUNNEL"


class SandboxUnavailable(Refused):
    """A script of a package is not run, for this machine does not let it be kept apart from everything else.

    It needs Linux 5.12 or newer on x86_64 or aarch64, user namespaces and seccomp. Packages without scripts are served
    all the same.
    """

    code = "SCRIPT_SANDBOX"


class ScriptFailed(Refused):
    """A life-cycle script of a package ended with another status than 0, or was ended at a limit.

    ``facts`` has the script, its status, the limit that ended it, and the beginning and end of what it printed. A retry
    of the operation runs it again, so it must bear that.
    """

    code = "SCRIPT_FAILED"


class NotConfigured(Refused):
    """The VNF's configuration interface refused what it was told, or answered what the standard does not have.

    ``facts`` has the HTTP status and the VNF's own sentence. A rollback of the operation tells the VNF its former
    configuration.
    """

    code = "VNF_CONFIGURATION"


class CoordinationAborted(Refused):
    """Whoever coordinates a life-cycle operation with this server refused, aborted or cancelled its part of it.

    ``facts`` has the coordination action's name and, where there is one, its identifier on the other side. A retry of
    the operation asks anew.
    """

    code = "COORDINATION_ABORTED"


class PluginError(CatenaError):
    """A part of placement that an installed package registers cannot be loaded, fails, or answers what it must not.

    The message names the part and its package. Decisions on placement are refused as long as it is there, for leaving
    a filter out might place what it forbids; everything else goes on. Mend or uninstall the package and restart.
    """

    code = "PLACEMENT_PLUGIN"

    @classmethod
    def of(cls, group: str, name: str, distribution: str, what: str) -> PluginError:
        """Said of the entry point ``name`` in ``group``, which ``distribution`` registers."""
        facts = {"group": group, "entryPoint": name, "distribution": distribution}
        hint = f"mend or uninstall the package {distribution}, then restart"
        return cls(f"placement plug-in {name!r} ({group}) of {distribution} {what}", hint=hint, facts=facts)


class Unreachable(CatenaError):
    """A host, VIM, VNFM, NFVO or database does not answer."""

    code = "UNREACHABLE"


class DeadlineExceeded(CatenaError):
    """The other side took longer than the product allows."""

    code = "DEADLINE_EXCEEDED"


def _tree(root: type[CatenaError]) -> dict[str, type[CatenaError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found.update(_tree(child))
    return found


def error_from_document(document: Mapping[str, Any]) -> CatenaError:
    """The error that :meth:`CatenaError.to_document` wrote; an unknown code becomes a plain :class:`CatenaError`."""
    kind = _tree(CatenaError).get(str(document.get("code")), CatenaError)
    return kind(str(document.get("detail", "")), hint=str(document.get("hint", "")), facts=document.get("facts") or {})
