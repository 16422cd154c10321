"""Set-up of a clone, from a bare machine or again: ``python3 -m scripts.set_up lint|demo|test``.

Each step looks at what is there and acts only where something is missing, so a second run takes well under a second.
What is installed stays inside the clone (.venv, .stamps, the dashboard's folders), but for Debian packages.
"""

from __future__ import annotations

import signal
import sys

from scripts import dashboard, python_packages, system_packages
from scripts.steps import ROOT, SetUpError, only_one, said_anything, say

# What each purpose takes: rows of system_packages.txt, and whether the dashboard is built.
SYSTEM_PACKAGES = {"lint": [], "demo": ["demo"], "test": ["demo", "test"]}
DASHBOARD = {"demo", "test"}


def set_up(purpose: str) -> None:
    """Have everything there that ``purpose`` needs. Raises SetUpError."""
    with only_one(ROOT / ".stamps" / "lock", "another set-up of this clone"):
        system_packages.provide(SYSTEM_PACKAGES[purpose])
        python_packages.provide()
        if purpose in DASHBOARD:
            dashboard.provide()
    if said_anything():
        say("done")


def main(arguments: list[str]) -> int:
    """Exit code 0 when all is there, 1 when a step failed, 2 for wrong usage."""
    if len(arguments) != 1 or arguments[0] not in SYSTEM_PACKAGES:
        print(f"usage: python3 -m scripts.set_up {'|'.join(SYSTEM_PACKAGES)}", file=sys.stderr)
        return 2
    if sys.version_info < (3, 11):
        print(f"set-up needs Python 3.11 or newer, this is {sys.version.split()[0]}: make PYTHON=…", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        set_up(arguments[0])
    except SetUpError as error:
        print(f"set-up failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("set-up interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
