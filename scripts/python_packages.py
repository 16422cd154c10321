"""The virtual environment .venv and what is installed into it, by hash from requirements/*.txt.

The stamps lie inside .venv, so that they vanish with it. A .venv that somebody made otherwise is taken over as it is
when it works; one that was made for another place or Python is made anew.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from scripts import system_packages
from scripts.steps import AUTHORITIES, PYTHON, ROOT, VENV, SetUpError, Stamp, digest, run, say, warn

LOCKS = ROOT / "requirements"
PIP = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
PRODUCT = ("mano", "sfc", "vnf_descriptors", "dpdk_helpers")
UV = VENV / "bin" / "uv"
UV_ENVIRONMENT = {"VIRTUAL_ENV": str(VENV), "UV_LINK_MODE": "copy", "UV_NO_PROGRESS": "1"}
if AUTHORITIES.is_file():
    UV_ENVIRONMENT["UV_SYSTEM_CERTS"] = "1"


def provide() -> None:
    """Have .venv with everything of requirements/dev.txt and the product itself, editable."""
    interpreter = provide_venv()
    bootstrap = LOCKS / "bootstrap.txt"
    step("bootstrap", [bootstrap], interpreter, "pip: the installer", lambda: pip_install(bootstrap))
    provide_lock("dev", interpreter)
    project = ["--no-deps", "--no-build-isolation", "--editable", "."]
    step("project", [ROOT / "pyproject.toml"], interpreter, "the project itself", lambda: install(project))
    modules = sorted(path for package in PRODUCT for path in (ROOT / package).rglob("*.py") if is_product(path))
    step("bytecode", [LOCKS / "dev.txt", *modules], interpreter, "bytecode: a server starts in half the time", compile_)


def is_product(path: Path) -> bool:
    """Whether a module is the product's, and no tool's that a build of the dashboard brought."""
    return "node_modules" not in path.parts


def compile_() -> None:
    """Compile all modules once, also where the environment keeps Python from writing what it compiled.

    Installed packages hold some files that are no Python of this version: what cannot be compiled stays as it is.
    """
    places = [VENV / "lib", *(ROOT / package for package in PRODUCT)]
    left_out = "node_modules|/samples/"
    command = [str(PYTHON), "-I", "-m", "compileall", "-q", "-j", "0", "-x", left_out, *map(str, places)]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def provide_lock(name: str, interpreter: str | None = None) -> None:
    """Install requirements/``name``.txt into .venv, unless its stamp says that it is there."""
    lock = LOCKS / f"{name}.txt"
    arguments = ["--require-hashes", "--no-build-isolation", "--requirement", str(lock.relative_to(ROOT))]
    step(name, [lock], interpreter or provide_venv(), f"uv: requirements/{name}.txt", lambda: install(arguments))


def provide_venv() -> str:
    """Have a .venv that works here; returns what identifies its interpreter."""
    identity = working_interpreter()
    if identity is None:
        if not has_ensurepip():
            provide_ensurepip()
        say(f"venv: Python {sys.version.split()[0]}")
        run([sys.executable, "-m", "venv", "--clear", VENV])
        identity = working_interpreter()
    if identity is None:
        raise SetUpError(f"{PYTHON.relative_to(ROOT)} does not run after `python3 -m venv`")
    return identity


def working_interpreter() -> str | None:
    """Version and place of the Python in .venv, or None where it doesn't run, is too old or belongs elsewhere."""
    probe = "import sys, pip; print(sys.prefix, sys.version_info[:3], sys.version_info >= (3, 11))"
    pip = VENV / "bin" / "pip"
    try:
        done = subprocess.run([PYTHON, "-Ic", probe], capture_output=True, text=True, timeout=60)
        first_line = pip.read_bytes().splitlines()[0].decode(errors="replace")
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return None
    works = done.returncode == 0 and done.stdout.startswith(f"{VENV} ") and done.stdout.endswith("True\n")
    return done.stdout if works and str(VENV) in first_line else None


def has_ensurepip() -> bool:
    """Whether this Python can make a virtual environment (Debian has that in a package of its own)."""
    return subprocess.run([sys.executable, "-Ic", "import ensurepip, venv"], capture_output=True).returncode == 0


def provide_ensurepip() -> None:
    """Install Debian's python3-venv, or say that it is needed."""
    reason = system_packages.why_not_install()
    if reason is not None:
        raise SetUpError(f"Python's ensurepip is missing ({reason}); as root: apt-get install python3-venv")
    system_packages.install(["python3-venv"])
    if not has_ensurepip():
        raise SetUpError(
            f"python3-venv is installed, but {sys.executable} still has no ensurepip: set PYTHON=/usr/bin/python3"
        )


def step(name: str, inputs: list[Path], interpreter: str, what: str, act: Callable[[], None]) -> None:
    """Do ``act`` unless the stamp ``name`` holds the hash of ``inputs`` for this interpreter."""
    stamp, hash_ = Stamp(VENV / "stamps" / name), digest(interpreter, files=inputs)
    if stamp.matches(hash_):
        return
    say(what)
    stamp.forget()
    act()
    stamp.write(hash_)


def pip_install(lock: Path) -> None:
    """Let the venv's own pip install ``lock`` by hash."""
    run([PYTHON, *PIP, "--require-hashes", "--requirement", lock])


def install(arguments: list[str]) -> None:
    """``uv pip install``, and pip in its place where uv fails (another architecture, a mirror known to pip alone)."""
    try:
        run([UV, "pip", "install", "--quiet", "--python", PYTHON, *arguments], env=UV_ENVIRONMENT)
    except SetUpError as error:
        warn(f"uv failed, trying pip: {error}")
        run([PYTHON, *PIP, *arguments], env={"PIP_USER": "0"})
