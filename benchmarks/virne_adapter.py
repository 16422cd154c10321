"""Our placement engine as a solver of virne (https://github.com/GeminiLight/virne), beside its ranking heuristics.

    git clone https://github.com/GeminiLight/virne /tmp/virne-source
    python3 -m venv /tmp/virne && /tmp/virne/bin/pip install hydra-core colorama colorlog tqdm pandas scipy networkx \
        ortools scikit-learn sympy pyyaml ruamel.yaml numpy gym
    PYTHONPATH=. /tmp/virne/bin/python -m benchmarks.virne_adapter /tmp/virne-source

virne embeds virtual networks: every virtual node on a physical one of its own, with CPU to spare, and every virtual
link on a path with bandwidth to spare. A request becomes a PlacementRequest: a VDU for each node (its CPU demand is the
VDU's memory, as demands of 0 occur), a chain of two with a bandwidth for each link, and a strict anti-affinity group.
The engine decides hosts and routes; the adapter asks it about several neighbourhoods of the physical network and takes
the plan that uses the least bandwidth, as the engine's own cost counts zones, not links.

virne's learning solvers, and with them torch, are left out; nothing else of it is changed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mano.domain.nfvi import Host, Inventory, Link, NumaNode
from mano.placement import request_from_document
from mano.placement.board import Board, Fleet
from mano.placement.engine import Engine
from mano.placement.parts import Parts

SOLVER = "catena"
HEURISTICS = ("order_rank", "random_rank", "grc_rank", "ffd_rank", "nrm_rank", "pl_rank", "rw_rank")
DEFAULT_RATE = 0.04
NEIGHBOURHOODS = 4
"""Places of the physical network that the engine is asked about for one request."""
DETOUR = 10
"""Nodes beyond those that may carry something that paths may lead over, besides as many as may."""
UNIT_MIB = 1024
"""Memory that stands for one unit of CPU; a VDU has a page more, as it cannot have none."""


def without_torch() -> None:
    """virne imports torch to seed it, and its learning solvers to have them: both are empty here."""
    torch: Any = types.ModuleType("torch")
    torch.manual_seed = torch.seed = lambda *_: None
    torch.cuda = types.SimpleNamespace(is_available=lambda: False)
    torch.backends = types.SimpleNamespace(cudnn=types.SimpleNamespace())
    learning: Any = types.ModuleType("virne.solver.learning")
    learning.__all__, learning.__path__ = [], []
    core: Any = types.ModuleType("virne.solver.learning.rl_core")
    core.RLSolver = type("RLSolver", (), {})
    sys.modules |= {"torch": torch, learning.__name__: learning, core.__name__: core}


@dataclass(frozen=True, slots=True)
class Plan:
    """The host of each VDU, and the links of each chain."""

    hosts: Mapping[str, str]
    links: Mapping[str, Sequence[tuple[str, str]]]


class SwiftEngine(Engine):
    """Hosts in one zone that each take one VDU all cost the same, so the search for a cheaper plan is left out."""

    def refine(self, steps: int, deadline: float | None = None) -> None:
        """Nothing could become cheaper."""


def vdu_request(virtual: Any) -> Any:
    """A virtual network as a PlacementRequest."""
    vdus = [
        {
            "id": f"v{node}",
            "vcpus": 1,
            "cpuPolicy": "shared",
            "memoryMib": int(virtual.nodes[node]["cpu"]) * UNIT_MIB + 1,
        }
        for node in virtual.nodes
    ]
    chains = [
        {"id": f"c{number}", "path": [f"v{a}", f"v{b}"], "bandwidthMbps": max(1, int(virtual.links[a, b]["bw"]))}
        for number, (a, b) in enumerate(virtual.links)
    ]
    apart = {"kind": "anti-affinity", "scope": "host", "members": [vdu["id"] for vdu in vdus], "strict": True}
    return request_from_document({"vdus": vdus, "chains": chains, "groups": [apart]})


class Embedding:
    """One request on the physical network as it is now."""

    def __init__(self, physical: Any, virtual: Any) -> None:
        self.physical, self.virtual = physical, virtual
        self.request = vdu_request(virtual)
        self.links = tuple(
            Link(f"p{a}", f"p{b}", max(0, int(data["bw"])), 1) for a, b, data in sorted(physical.edges(data=True))
        )
        self.room = {
            node: int(physical.nodes[node]["cpu"])
            + sum(int(physical.links[node, other]["bw"]) for other in physical[node])
            for node in physical.nodes
        }

    def plans(self, neighbourhoods: int) -> Iterator[Plan]:
        """A complete plan for each of the roomiest places, in the smallest neighbourhood that holds one."""
        import networkx as nx

        about = sorted(self.physical.nodes, key=lambda node: (-self.room[node], node))
        for centre in about[:neighbourhoods]:
            far = nx.single_source_shortest_path_length(self.physical, centre)
            order = sorted(far, key=lambda node: (far[node], -self.room[node], node))
            size = len(self.request.vdus) * 3 // 2 + 1
            while True:
                plan = self.plan(self.inventory(order, size))
                if plan is not None:
                    yield plan
                if plan is not None or size >= len(order):
                    break
                size *= 3

    def plan(self, inventory: Inventory) -> Plan | None:
        """What the engine makes of these hosts; None when a VDU found no place."""
        with Board(Fleet(inventory), self.request, Parts.installed()) as board:
            if SwiftEngine(board).solve(self.request.vdus):
                return None
            places = dict(board.places)
            routes = {chain.id: board.chains.route_of(chain, places) for chain in self.request.chains}
        return Plan(places, {chain: route.hops[0].links for chain, route in routes.items() if route is not None})

    def inventory(self, order: Sequence[Any], size: int) -> Inventory:
        """The first nodes as hosts, in their order; as many again and some more are switches that lead round them."""
        known = {f"p{node}" for node in order[: 2 * size + DETOUR]}
        links = tuple(link for link in self.links if link.a in known and link.b in known)
        return Inventory(tuple(self.host(node) for node in order[:size]), links)

    def host(self, node: Any) -> Host:
        memory = int(self.physical.nodes[node]["cpu"]) * UNIT_MIB + UNIT_MIB - 1
        return Host(
            name=f"p{node}",
            numa_nodes=(NumaNode(0, ((0,),), memory),),
            shared_cpus=frozenset({0}),
            cpu_overcommit=1000.0,
        )

    def paths(self, plan: Plan) -> Mapping[tuple[Any, Any], Sequence[tuple[Any, Any]]]:
        """The physical links of each virtual one."""
        return {
            link: [(node_of(a), node_of(b)) for a, b in plan.links[f"c{number}"]]
            for number, link in enumerate(self.virtual.links)
        }

    def bandwidth(self, plan: Plan) -> int:
        """What the plan takes of all physical links together."""
        return sum(int(self.virtual.links[link]["bw"]) * len(path) for link, path in self.paths(plan).items())


def node_of(name: str) -> int:
    return int(name[1:])


def register(neighbourhoods: int) -> None:
    """Put the engine into virne's registry of solvers."""
    from virne.core import Solution
    from virne.solver.base_solver import Solver, SolverRegistry

    class CatenaSolver(Solver):  # type: ignore[misc]
        """Asks the engine about several neighbourhoods."""

        def solve(self, instance: dict[str, Any]) -> Any:
            virtual, physical = instance["v_net"], instance["p_net"]
            solution = Solution.from_v_net(virtual)
            embedding = Embedding(physical, virtual)
            best = min(embedding.plans(neighbourhoods), key=embedding.bandwidth, default=None)
            if best is None:
                solution["place_result"] = False
                return solution
            for node in virtual.nodes:
                done, _ = self.controller.node_mapper.place(
                    virtual, physical, node, node_of(best.hosts[f"v{node}"]), solution
                )
                assert done, "virne refuses a node that the engine placed"
            for link, path in embedding.paths(best).items():
                self.route(virtual, physical, link, path, solution)
            solution["result"] = True
            return solution

        def route(self, virtual: Any, physical: Any, link: Any, path: Sequence[Any], solution: Any) -> None:
            """One virtual link on a path that virne's own checker accepts."""
            nodes = [path[0][0], *(end for _, end in path)]
            fits, found = self.controller.constraint_checker.check_path_level_constraints(
                virtual, physical, link, nodes
            )
            assert fits, "virne refuses a path that the engine routed"
            self.controller.link_mapper.record_route_constraint_violation(link, found, solution)
            solution["link_paths"][link] = list(path)
            used = {"bw": virtual.links[link]["bw"]}
            for step in path:
                self.controller.resource_updator.update_link_resources(physical, step, used, operator="-", safe=True)
                solution["link_paths_info"][link, step] = used

    SolverRegistry.register(solver_name=SOLVER, solver_type="framework")(CatenaSolver)


def measure(source: Path, solver: str, rate: float, requests: int, scratch: Path) -> dict[str, Any]:
    """One run of virne with its default setting: Waxman-100, seed 0."""
    from hydra import compose, initialize_config_dir
    from virne.system import BaseSystem
    from virne.utils.config import add_simulation_into_config

    chosen = [
        f"solver.solver_name={solver}",
        "experiment.run_id=run",
        f"experiment.save_root_dir={scratch}",
        "experiment.if_save_config=false",
        "recorder.if_save_records=false",
        "recorder.if_temp_save_records=false",
        "logger.backends=[file]",
        "logger.level=ERROR",
        f"v_sim_setting.arrival_rate.lam={rate}",
        f"v_sim_setting.num_v_nets={requests}",
    ]
    with initialize_config_dir(str(source.resolve() / "settings"), version_base=None):
        config = compose("main", overrides=chosen)
    add_simulation_into_config(config)
    started = time.process_time()
    system = BaseSystem.from_config(config)
    system.run()
    told = system.recorder.summary_records(system.recorder.memory)
    return {
        "solver": solver,
        "arrivalRate": rate,
        "acceptance": float(told["acceptance_rate"]),
        "revenueToCost": float(told["long_term_time_r2c_ratio"]),
        "revenuePerTime": float(told["long_term_avg_time_revenue"]),
        "cpuS": time.process_time() - started,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when all ran."""
    import tempfile

    parser = argparse.ArgumentParser(description="Run virne's default setting with our engine and its heuristics.")
    parser.add_argument("source", type=Path, help="a checkout of GeminiLight/virne")
    parser.add_argument("--solvers", nargs="*", default=[SOLVER, *HEURISTICS])
    parser.add_argument("--rates", nargs="*", type=float, default=[DEFAULT_RATE, 2 * DEFAULT_RATE])
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--neighbourhoods", type=int, default=NEIGHBOURHOODS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if not (options.source / "virne/solver").is_dir():
        parser.error(f"{options.source} is no checkout of GeminiLight/virne")
    os.environ.setdefault("TQDM_DISABLE", "1")
    logging.disable(logging.WARNING)
    without_torch()
    sys.path.insert(0, str(options.source.resolve()))
    register(options.neighbourhoods)
    with tempfile.TemporaryDirectory(prefix="catena-virne-") as scratch:
        for rate in options.rates:
            for solver in options.solvers:
                told = measure(options.source, solver, rate, options.requests, Path(scratch))
                figures = ", ".join(f"{key} {value:.4g}" for key, value in told.items() if isinstance(value, float))
                print(json.dumps(told) if options.json else f"{solver}: {figures}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
