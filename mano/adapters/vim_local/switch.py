"""A host's Open vSwitch: what the local VIM wants of :mod:`sfc.ovs`, with errors in the words of the VIM port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mano.adapters.vim_local.lab import Lab
from mano.errors import CatenaError, DeadlineExceeded, Unreachable
from sfc.ovs.control import ask
from sfc.ovs.errors import SwitchError, SwitchTimeout, SwitchUnreachable
from sfc.ovs.location import SwitchLocation

PORT_KEY = "catena-port"
NETWORK_KEY = "catena-network"

ANSWER_DEADLINE_S = 2.0


def location_of(lab: Lab, host: str) -> SwitchLocation:
    return SwitchLocation(host, lab.host_directory(host) / "ovs", lab.namespace(host))


def answers(location: SwitchLocation) -> bool:
    """Whether ovs-vswitchd says anything at all within :data:`ANSWER_DEADLINE_S`."""
    try:
        ask(location, "version", timeout=ANSWER_DEADLINE_S)
    except SwitchError:
        return False
    return True


@contextmanager
def switch_errors() -> Iterator[None]:
    """Errors of :mod:`sfc.ovs` leave as errors of :mod:`mano.errors`."""
    try:
        yield
    except SwitchUnreachable as error:
        raise Unreachable(error.message, hint=error.hint, facts={"host": error.host}) from error
    except SwitchTimeout as error:
        raise DeadlineExceeded(error.message, hint=error.hint, facts={"host": error.host}) from error
    except SwitchError as error:
        raise CatenaError(error.message, hint=error.hint, facts={"host": error.host}) from error
