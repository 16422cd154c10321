"""An NFVO of somebody else's over our VNFM: it permits and subscribes, we place; SOL003 and nothing else between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.sfc_paths_simulated import SimulatedServicePaths
from mano.adapters.vim_simulated import SimulatedVim
from mano.bootstrap import build
from mano.placement import document_from_text
from mano.settings import Listener, Outbound, Peer, Peers, Role, Settings, Tier
from tests.api.conftest import Api
from tests.scenarios.main_job.conftest import SAMPLES
from tests.scenarios.two_roles.conftest import ADMIN_TOKEN, Side, bound_socket, inline_engine, write_credentials
from tests.scenarios.two_roles.foreign_nfvo import PASSWORD, USER, ForeignServer, foreign_nfvo, package_of

FIREWALL = "5c6f2a4e-7a0b-4b8e-9d51-3f1d9f3b1c01"


@dataclass
class Stage:
    """Their NFVO, our VNFM, and its VIM."""

    nfvo: ForeignServer
    side: Side
    vim: SimulatedVim
    vnfd_id: str

    def held(self) -> tuple[int, int, int]:
        """(Reservations, computes, ports)."""
        seen = self.vim.observe()
        with self.side.catena.store.open_unit(read_only=True) as uow:
            return len(uow.reservations.list()), len(seen.computes), len(seen.ports)

    def create(self) -> str:
        status, made, _ = self.nfvo.call(
            "POST", "/vnflcm/v2/vnf_instances", {"vnfdId": self.vnfd_id, "vnfInstanceName": "box"}
        )
        assert status == 201, made
        return str(made["id"])


@pytest.fixture
def stage(tmp_path: Path, archives: dict[str, Path]) -> Iterator[Stage]:
    with ExitStack() as stack:
        nfvo = stack.enter_context(foreign_nfvo())
        listener = bound_socket()
        port = listener.getsockname()[1]
        settings = Settings(
            data_dir=tmp_path / "vnfm",
            role=Role.VNFM,
            peers=Peers(nfvo=Peer(nfvo.url, USER, PASSWORD, foreign=True, basic=True)),
            listen=Listener("127.0.0.1", port),
            tier=Tier.SIMULATED,
            watches=False,
            outbound=Outbound(loopback=True),
        )
        write_credentials(settings.data_dir)
        vim = SimulatedVim(tmp_path / "vim")
        catena = build(settings, vims={"local": vim}, paths=SimulatedServicePaths(), engine=inline_engine)
        side = Side(catena, Api(port, token=ADMIN_TOKEN), listener)
        side.serve()
        stack.callback(side.stop)
        catena.start()
        inventory = document_from_text((SAMPLES / "inventory" / "gi-lan.yaml").read_text(encoding="utf-8"), "Inventory")
        assert side.api.post("/mano/v1/hosts", inventory).status == 201
        nfvo.vnfm, nfvo.token = f"http://127.0.0.1:{port}", ADMIN_TOKEN
        vnfd_id = FIREWALL
        nfvo.packages[vnfd_id] = package_of(archives["firewall"])
        yield Stage(nfvo, side, vim, vnfd_id)


def subscribed(nfvo: ForeignServer) -> None:
    receiver: dict[str, Any] = {
        "callbackUri": f"{nfvo.url}/told",
        "authentication": {"authType": ["BASIC"], "paramsBasic": {"userName": USER, "password": PASSWORD}},
    }
    status, made, _ = nfvo.call("POST", "/vnflcm/v2/subscriptions", receiver)
    assert status == 201, made


def test_a_vnf_lives_under_a_foreign_nfvo(stage: Stage) -> None:
    nfvo = stage.nfvo
    subscribed(nfvo)
    vnf = stage.create()
    nfvo.patient = True
    for task, body, instances in (
        ("instantiate", {"flavourId": "simple"}, 1),
        ("scale", {"type": "SCALE_OUT", "aspectId": "load"}, 2),
        ("heal", {"cause": "a test"}, 2),
        ("scale", {"type": "SCALE_IN", "aspectId": "load"}, 1),
    ):
        ended = nfvo.run(vnf, task, body)
        assert ended["operationState"] == "COMPLETED", ended
        assert stage.held()[:2] == (instances, instances)
        assert ended["grantId"]
    assert [one["operation"] for one in nfvo.asked] == ["INSTANTIATE", "SCALE", "HEAL", "SCALE"]
    assert nfvo.asked[0]["flavourId"] == "simple" and len(nfvo.asked[0]["addResources"]) == 1
    _, shown, _ = nfvo.call("GET", f"/vnflcm/v2/vnf_instances/{vnf}")
    (vnfc,) = shown["instantiatedVnfInfo"]["vnfcResourceInfo"]
    assert vnfc["metadata"]["catenaPlacement"]["cells"][0]["cpus"]
    assert nfvo.run(vnf, "terminate", {"terminationType": "FORCEFUL"})["operationState"] == "COMPLETED"
    assert stage.held() == (0, 0, 0)
    assert nfvo.call("DELETE", f"/vnflcm/v2/vnf_instances/{vnf}")[0] == 204
    assert nfvo.strange == [], "nothing but SOL003 was spoken"
    states = [one["operationState"] for one in nfvo.told if one["notificationType"].endswith("OccurrenceNotification")]
    assert states.count("COMPLETED") >= 1


@pytest.mark.deep
def test_what_a_foreign_nfvo_refuses_is_not_done(stage: Stage) -> None:
    nfvo = stage.nfvo
    nfvo.refuses = "INSTANTIATE"
    vnf = stage.create()
    ended = nfvo.run(vnf, "instantiate", {"flavourId": "simple"})
    assert (ended["operationState"], ended["error"]["detail"]) == ("ROLLED_BACK", "the tenant has not paid")
    assert stage.held() == (0, 0, 0)
    nfvo.refuses = ""
    for host in "h1", "h2", "h3":
        assert stage.side.api.call("PATCH", f"/mano/v1/hosts/{host}", {"state": "draining"}).status == 200
    ended = nfvo.run(vnf, "instantiate", {"flavourId": "simple"})
    assert (ended["operationState"], ended["error"]["code"]) == ("ROLLED_BACK", "NOT_PLACEABLE")
    assert stage.held() == (0, 0, 0)
