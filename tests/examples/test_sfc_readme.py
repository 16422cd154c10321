"""The README's examples run as they are printed, one after the other."""

from __future__ import annotations

import contextlib
import io
import re

from tests.architecture.tree import ROOT


def test_the_readmes_examples_run() -> None:
    text = (ROOT / "sfc" / "README.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            exec(compile(block, "sfc/README.md", "exec"), names)
    trace = names["trace"]
    assert trace.functions == ("fw",)  # type: ignore[attr-defined]
    assert [left.port for left in trace.deliveries] == ["server"]  # type: ignore[attr-defined]
    assert "function fw by fw-in" in printed.getvalue()
    assert "actions=set_field:02:ca:00:00:64:ff->eth_src,output:11" in printed.getvalue()


def test_every_module_of_the_readme_exists() -> None:
    text = (ROOT / "sfc" / "README.md").read_text()
    told = set(re.findall(r"^\| `sfc\.(\w+)`", text, re.MULTILINE))
    there = {path.stem for path in (ROOT / "sfc").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert told == there - NOT_FOR_USERS


NOT_FOR_USERS = {"__init__", "errors", "collector", "forgery", "samples"}
"""What the other modules stand on."""
