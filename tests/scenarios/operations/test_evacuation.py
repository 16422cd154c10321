"""Emptying a host: the order, what stays and why, and the moves themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from mano.api.config import ApiConfig
from mano.cli.commands import mano
from mano.errors import InvalidInput, NotFound
from mano.nfvo.evacuating import waves_of
from mano.settings import AuthMode
from tests.api.conftest import Api, serving
from tests.scenarios.operations.conftest import Running


@pytest.fixture
def api(running: Running) -> Iterator[Api]:
    with serving(running.job.services, ApiConfig(auth=AuthMode.NONE)) as served:
        served.token = None
        yield served


def test_what_has_somewhere_to_go_leaves_and_the_rest_says_why(running: Running) -> None:
    host = running.vnf("nat-0").vnfcs[0].host
    plan = running.job.services.evacuation.plan(host)
    (stays,) = plan["stays"]
    assert (stays["vnfInstanceName"], stays["possible"], plan["waves"]) == ("nat-0", False, [])
    assert "AFFINITY" in stays["why"]
    running.add_spare_host()
    plan = running.job.services.evacuation.plan(host)
    assert [[step["to"] for step in wave] for wave in plan["waves"]] == [["h4"]]


def test_a_vnf_with_others_elsewhere_goes_first_and_one_at_a_time(running: Running) -> None:
    running.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load", "numberOfSteps": 2})
    running.add_spare_host()
    host = running.vnf("dpi-0").vnfcs[0].host
    plan = running.job.services.evacuation.plan(host, 1)
    assert all(len(wave) == 1 for wave in plan["waves"])


def test_a_wave_has_as_many_vnfs_as_the_budget_and_each_once() -> None:
    steps = [{"vnfInstanceId": vnf, "vnfcInstanceId": f"{vnf}{n}"} for vnf in "ab" for n in range(2)]
    steps.append({"vnfInstanceId": "c", "vnfcInstanceId": "c0"})
    named = [[step["vnfcInstanceId"] for step in wave] for wave in waves_of(steps, 2)]
    assert named == [["a0", "b0"], ["a1", "b1"], ["c0"]]
    assert [len(wave) for wave in waves_of(steps, 1)] == [1] * 5
    assert [len(wave) for wave in waves_of(steps, 10)] == [3, 2]
    assert waves_of([], 3) == []


def test_unknown_hosts_and_impossible_budgets_are_refused(running: Running) -> None:
    with pytest.raises(NotFound):
        running.job.services.evacuation.plan("nowhere")
    with pytest.raises(InvalidInput, match="1 to 1000"):
        running.job.services.evacuation.plan("h1", 0)


def test_mano_host_drain_empties_a_host(running: Running, api: Api) -> None:
    running.add_spare_host()
    host = running.vnf("dpi-0").vnfcs[0].host
    answer = CliRunner().invoke(
        mano, ["host", "drain", host, "-o", "json"], env={"CATENA_URL": f"http://127.0.0.1:{api.port}"}
    )
    assert answer.exit_code == 0, answer.output
    assert running.vnf("dpi-0").vnfcs[0].host == "h4"
    running.consistent()
    host = running.vnf("nat-0").vnfcs[0].host
    answer = CliRunner().invoke(mano, ["host", "drain", host], env={"CATENA_URL": f"http://127.0.0.1:{api.port}"})
    assert answer.exit_code == 3, answer.output
    assert "nat-0" in answer.output
    running.consistent()


def test_the_plan_is_served(api: Api) -> None:
    assert api.get("/mano/v1/hosts/h1/evacuation").json["host"] == "h1"
    assert api.get("/mano/v1/hosts/nowhere/evacuation").status == 404
    assert api.get("/mano/v1/hosts/h1/evacuation?budget=0").status == 400
