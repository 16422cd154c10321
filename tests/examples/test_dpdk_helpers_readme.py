"""The examples in dpdk_helpers' README run as they are printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "dpdk_helpers" / "README.md"
EXAMPLES = re.findall(r"^## (.+?)$.*?^```python\n(.+?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_an_example_runs(title, code, capsys):
    exec(compile(code, f"{README.name}: {title}", "exec"), {})
    if title == "This host":
        assert re.search(r"^node [0-9]+: [0-9]+ cores, CPUs ", capsys.readouterr().out, re.MULTILINE)


def test_there_are_examples():
    assert len(EXAMPLES) == 5
