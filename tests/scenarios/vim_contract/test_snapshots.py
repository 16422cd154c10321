"""The state of VNFCs is kept and brought back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mano.errors import NotFound, WrongState
from mano.ports.snapshots import SnapshotKeeper
from mano.ports.vim import VimDriver
from tests.scenarios.vim_contract.samples import compute, inside, outside
from tests.scenarios.vim_contract.stories import build_host, instantiate, take_host_down, terminate
from tests.scenarios.vim_contract.worlds import World, serving_image


def keeper(driver: VimDriver) -> SnapshotKeeper:
    assert isinstance(driver, SnapshotKeeper)
    return driver


def test_what_a_vnfc_wrote_comes_back(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    vnfc = compute(serving_image(world), (inside(), outside()))
    instantiate(vnfc)(driver)
    world.write(vnfc.id, "before")
    kept = keeper(driver).take_snapshot("snap-1", vnfc.id, "h1")
    assert kept.size_bytes > 0 and len(kept.checksum) == 64
    assert driver.compute_status(vnfc.id, "h1").state == "running"
    assert keeper(driver).take_snapshot("snap-1", vnfc.id, "h1") == kept

    driver.ensure_compute(replace(vnfc, user_data={"another": "specification"}))
    assert world.read(vnfc.id) == ""  # a start from its image knows nothing
    restored = keeper(world.driver()).restore_compute(vnfc, "snap-1", "request-1")
    assert (restored.state, world.read(vnfc.id)) == ("running", "before")
    assert driver.ensure_compute(vnfc).state == "running" and world.read(vnfc.id) == "before"

    keeper(driver).restore_compute(vnfc, "snap-1", "request-1")  # a repetition starts nothing
    driver.remove_compute(vnfc.id, "h1")
    with pytest.raises(WrongState):
        keeper(driver).take_snapshot("snap-2", vnfc.id, "h1")
    assert keeper(driver).snapshots() == ("snap-1",)
    for _ in range(2):
        keeper(driver).remove_snapshot("snap-1")
    assert keeper(driver).snapshots() == ()
    with pytest.raises(NotFound):
        keeper(driver).restore_compute(vnfc, "snap-1", "request-2")
    terminate(vnfc)(driver)
    take_host_down(driver)
