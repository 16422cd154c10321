"""A VIM whose NFVI hosts are network namespaces on this machine, each with an Open vSwitch of its own.

:class:`LocalVim` is the driver; :mod:`mano.adapters.vim_local.cleanup` removes what a killed process left. The driver
is imported on first use only: the launcher of VNFCs is a module of this package and starts small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mano.adapters.vim_local.driver import LocalVim

__all__ = ["LocalVim"]


def __getattr__(name: str) -> Any:
    if name == "LocalVim":
        from mano.adapters.vim_local.driver import LocalVim

        return LocalVim
    raise AttributeError(name)
