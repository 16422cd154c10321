"""What the demo prints: plain lines anywhere, colours and a moving line on a terminal."""

from __future__ import annotations

import io

import pytest

from mano.cli.demo.stage import MovingLine, Stage

ESCAPE = "\x1b"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def played(out: io.StringIO, environment: dict[str, str], tier: str = "root") -> str:
    stage = Stage(tier, out, environment)
    stage.title("Title")
    with stage.step("build") as tell:
        tell("the last part")
    stage.check("packets pass", True, "3 of 3")
    stage.check("nothing is left", False, "a veth", packets=False)
    stage.table([("a", "1"), ("longer", "2")])
    stage.summary()
    return out.getvalue()


def test_a_pipe_gets_plain_lines() -> None:
    text = played(io.StringIO(), {"TERM": "xterm"})
    assert ESCAPE not in text
    assert "\r" not in text
    assert "  ✓ build  0.0" in text
    assert "  ✓ packets pass: 3 of 3\n" in text
    assert "  ✗ FAILED nothing is left: a veth\n" in text
    assert "  a       1\n  longer  2\n" in text
    assert "the last part" not in text
    assert "tier root: 1 of 2 checks held" in text


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}])
def test_a_terminal_that_may_not_be_painted_gets_plain_lines(environment: dict[str, str]) -> None:
    text = played(Terminal(), environment)
    assert ESCAPE not in text
    assert "\r" not in text


def test_a_terminal_gets_colours() -> None:
    assert f"{ESCAPE}[32m✓{ESCAPE}[0m packets pass" in played(Terminal(), {"TERM": "xterm"})


def test_only_the_real_tier_claims_packets_without_saying_so() -> None:
    text = played(io.StringIO(), {}, tier="simulated")
    assert "packets pass [simulated]: 3 of 3" in text
    assert "nothing is left: a veth" in text


def test_a_failed_step_is_told_and_goes_on_failing() -> None:
    out = io.StringIO()
    stage = Stage("root", out, {})
    with pytest.raises(RuntimeError), stage.step("build"):
        raise RuntimeError
    assert "✗ build" in out.getvalue()


def test_a_moving_line_shows_what_the_step_is_at_and_is_no_wider_than_the_terminal() -> None:
    line = MovingLine(Terminal(), "instantiate", columns=40)
    line.tell("vnfs")
    assert "instantiate · vnfs  3 s" in line.line(1, 3.2)
    line.tell("x" * 100)
    assert len(line.line(1, 3.2)) == 39


def test_a_moving_line_is_gone_at_the_end() -> None:
    out = Terminal()
    with MovingLine(out, "build", columns=40):
        pass
    assert out.getvalue().endswith(f"\r{ESCAPE}[K")


def test_no_check_is_no_success() -> None:
    assert not Stage("root", io.StringIO(), {}).summary()
