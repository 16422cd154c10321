"""The example of the library's README runs, and prints what the README says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import vnf_descriptors

README = Path(vnf_descriptors.__file__).parent / "README.md"


def test_the_example_runs_without_the_rest_of_catena(tmp_path: Path) -> None:
    text = README.read_text("utf-8")
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    output = re.findall(r"prints\n\n```\n(.*?)```", text, re.DOTALL)
    assert len(code) == len(output) == 1
    check = "\nimport sys\nassert not {'mano', 'sfc', 'dpdk_helpers', 'toscaparser'} & set(sys.modules)\n"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code[0] + check],
        cwd=tmp_path,
        env={"PYTHONPATH": str(README.parents[1]), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (run.returncode, run.stdout) == (0, output[0]), run.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["firewall.csar"]


def test_every_public_name_is_there() -> None:
    for name in vnf_descriptors.__all__:
        assert getattr(vnf_descriptors, name) is not None
