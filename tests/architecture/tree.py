"""What the architecture tests look at: the root of the clone, its packages and its tracked files."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("dpdk_helpers", "sfc", "vnf_descriptors")
PACKAGES = ("mano", *LIBRARIES)


def tracked_files() -> list[Path]:
    """The files that git tracks and that are there, relative to the root."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listing.split("\0") if name and (ROOT / name).is_file()]


def product_modules() -> list[Path]:
    """The tracked Python modules of the four packages, relative to the root; samples are VNF packages, not modules."""
    return [
        file
        for file in tracked_files()
        if file.suffix == ".py" and file.parts[0] in PACKAGES and "samples" not in file.parts
    ]
