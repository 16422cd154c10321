"""The main job without root and without a packet: the same tables on the simulator, and every line says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mano.cli.demo import remains
from mano.cli.demo.simulated import SIMULATED_CHECKS
from tests.architecture.tree import ROOT

LAB = "simtest"


def test_the_simulated_demo_holds_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "mano.cli", "demo", "--full", "--tier", "simulated", "--lab", LAB]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    claims = [line for line in lines if any(check.name in line for check in SIMULATED_CHECKS)]
    assert len(claims) == len(SIMULATED_CHECKS)
    for claim in claims:
        name, _, evidence = claim.partition(": ")
        assert name.endswith("[simulated]"), claim
        assert "simulated" in evidence, claim
    changed = next(line for line in lines if "dpi comes into the chain `other`" in line)
    assert "[simulated]" in changed and "let the new version classify" in changed
    assert any("web forward, SPI" in line for line in lines)
    assert any("no time passes  end of the path" in line for line in lines)
    assert any(line.startswith("  not shown here") and "failover" in line for line in lines)
    assert any("simulated NFVI hosts" in line for line in lines)
    assert any(line.startswith("  tier simulated: ") for line in lines)
    assert any("the terminated service left nothing: no row of it in the database" in line for line in lines)
    assert "\x1b" not in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert not remains.working_directory(LAB).exists()
