"""From planned CPUs, nodes and pages to those of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mano.adapters.vim_local.cpus import (
    free_pages,
    pages_to_mount,
    parse_list,
    planned_cpus,
    planned_pages,
    realise_cpus,
    realise_nodes,
)
from mano.adapters.vim_local.realisations import judge_cpus, judge_hugepages, judge_sriov
from mano.domain.vnf_instance import Realisation


def cell(node: int, cpus: list[int], memory_mib: int = 1024, page_kib: int = 4, **more: int) -> dict[str, object]:
    return {"node": node, "cpus": cpus, "memoryMib": memory_mib, "pageSizeKib": page_kib, **more}


@pytest.mark.parametrize(
    ("text", "numbers"), [("", ()), ("0", (0,)), ("0-3", (0, 1, 2, 3)), ("0-1,8,10-11\n", (0, 1, 8, 10, 11))]
)
def test_the_kernel_s_lists(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_list(text) == numbers


def test_all_cpus_of_a_placement_count() -> None:
    placement = {"cells": [cell(0, [4, 2]), cell(1, [9])], "emulatorCpus": [5]}
    assert planned_cpus(placement, shared=(7,)) == (2, 4, 5, 9)


def test_shared_vcpus_float_over_the_hosts_shared_cpus() -> None:
    assert planned_cpus({"cells": [cell(0, [])]}, shared=(1, 33)) == (1, 33)
    assert planned_cpus({"cells": [cell(0, [2], sharedVcpus=2)]}, shared=(1, 33)) == (1, 2, 33)
    assert planned_cpus({}, shared=()) == ()


def test_cpus_that_are_here_are_enforced() -> None:
    assert realise_cpus((1,), (0, 1)) == realise_cpus((1, 1), (0, 1))
    assert realise_cpus((1,), (0, 1)).realisation is Realisation.ENFORCED


def test_a_cpu_that_is_not_here_runs_on_its_id_modulo_those_that_are() -> None:
    found = realise_cpus((2, 35), (0, 1))
    assert found.cpus == (0, 1)
    assert found.realisation is Realisation.EMULATED
    assert "2, 35" in found.note


def test_without_planned_cpus_it_runs_on_any() -> None:
    found = realise_cpus((), (0, 1))
    assert (found.cpus, found.realisation) == ((0, 1), Realisation.EMULATED)


@given(
    st.lists(st.integers(0, 500), max_size=20),
    st.sets(st.integers(0, 64), min_size=1, max_size=8),
)
def test_a_vnfc_runs_only_on_usable_cpus_and_on_some(planned: list[int], usable: set[int]) -> None:
    found = realise_cpus(planned, sorted(usable))
    assert found.cpus
    assert set(found.cpus) <= usable
    assert (found.realisation is Realisation.ENFORCED) == (bool(planned) and set(planned) <= usable)


def test_memory_comes_from_the_planned_nodes_when_all_are_here() -> None:
    placement = {"cells": [cell(0, [0]), cell(1, [8])]}
    assert realise_nodes(placement, (0, 1)) == (0, 1)
    assert realise_nodes(placement, (0,)) == ()
    assert realise_nodes({}, (0,)) == ()


def make_pages(tmp_path: Path, size_kib: int, free: int, reserved: int = 0) -> None:
    place = tmp_path / f"hugepages-{size_kib}kB"
    place.mkdir()
    (place / "free_hugepages").write_text(f"{free}\n")
    (place / "resv_hugepages").write_text(f"{reserved}\n")


def test_pages_are_counted_by_size() -> None:
    placement = {"cells": [cell(0, [0], 1024, 2048), cell(1, [8], 512, 2048), cell(1, [9], 64, 4)]}
    assert planned_pages(placement) == {2048: 768}


def test_pages_are_mounted_only_when_all_are_free(tmp_path: Path) -> None:
    make_pages(tmp_path, 2048, free=600, reserved=88)
    assert free_pages(2048, tmp_path) == 512
    assert free_pages(1048576, tmp_path) == 0
    fits = {"cells": [cell(0, [0], 1024, 2048)]}
    assert pages_to_mount(fits, tmp_path) == {"2048": 512}
    assert pages_to_mount({"cells": [cell(0, [0], 1026, 2048)]}, tmp_path) == {}
    assert pages_to_mount({"cells": [cell(0, [0], 64, 2048), cell(0, [1], 1024, 1048576)]}, tmp_path) == {}
    assert pages_to_mount({"cells": [cell(0, [0], 64, 4)]}, tmp_path) == {}


def test_a_host_says_which_of_its_cpus_are_imitated() -> None:
    assert judge_cpus((0, 1), (0, 1, 2))[0] is Realisation.ENFORCED
    realisation, note = judge_cpus((0, 1, 32, 33), (0, 1))
    assert realisation is Realisation.EMULATED
    assert "2 of 4" in note and "32" in note
    assert judge_sriov()[0] is Realisation.EMULATED
    assert judge_hugepages(())[0] is Realisation.ACCOUNTED
