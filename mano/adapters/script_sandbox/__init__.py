"""Runs the scripts of VNF packages apart from everything: :class:`ScriptSandbox`.

It is imported on first use only: the launcher of scripts is a module of this package and starts small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mano.adapters.script_sandbox.sandbox import ScriptSandbox

__all__ = ["ScriptSandbox"]


def __getattr__(name: str) -> Any:
    if name == "ScriptSandbox":
        from mano.adapters.script_sandbox.sandbox import ScriptSandbox

        return ScriptSandbox
    raise AttributeError(name)
