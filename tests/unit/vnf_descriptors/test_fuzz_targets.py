"""What `make fuzz` looks into, on the inputs that it begins with."""

from __future__ import annotations

import pytest

from tests.fuzz.descriptors import TARGETS, dictionary, main, seeds


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_its_seeds_and_their_beginnings(name: str) -> None:
    for seed in seeds(name):
        for end in (len(seed), len(seed) // 2, 1, 0):
            TARGETS[name](seed[:end])


def test_the_words_of_the_dictionary_are_quoted_and_plain() -> None:
    lines = dictionary().splitlines()
    assert '"tosca.nodes.nfv.Vdu.Compute"' in lines
    assert all(line[0] == line[-1] == '"' and line.count('"') == 2 and "\\" not in line for line in lines)


def test_an_unknown_target_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["nothing"])
    assert ended.value.code == 2 and "no target nothing" in capsys.readouterr().err
