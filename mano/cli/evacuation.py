"""Emptying a host from the command line: the server plans the order, each move is a VNF's own operation."""

from __future__ import annotations

from typing import Any

from mano.cli.client import Client
from mano.cli.exits import Exit, Failure
from mano.cli.operations import follow
from mano.cli.output import note
from mano.cli.resolve import VNF


def evacuation(client: Client, host: str, budget: int) -> dict[str, Any]:
    """What would leave the host, and in which order."""
    plan: dict[str, Any] = client.get(f"/mano/v1/hosts/{host}/evacuation", query={"budget": str(budget)})
    return plan


def tell(plan: dict[str, Any]) -> None:
    """The plan for people."""
    for number, wave in enumerate(plan["waves"], 1):
        for step in wave:
            note(f"{number}: {name_of(step)} would move to {step['to']}")
    for step in plan["stays"]:
        note(f"{name_of(step)} stays: {step['why']}")


def evacuate(client: Client, host: str, budget: int, timeout: float) -> list[str]:
    """Move wave after wave; why the rest stayed."""
    plan = evacuation(client, host, budget)
    stayed = [f"{name_of(step)}: {step['why']}" for step in plan["stays"]]
    for wave in plan["waves"]:
        started = []
        for step in wave:
            try:
                started.append((step, _start(client, step, host)))
            except Failure as failure:
                if failure.exit_code != int(Exit.BAD):
                    raise
                stayed.append(f"{name_of(step)}: {failure.message}")  # another operation of the VNF runs, for example
        for step, path in started:
            op = follow(client, path, timeout)
            if op["operationState"] == "COMPLETED":
                note(f"{name_of(step)} moved")
            else:
                detail = (op.get("error") or {}).get("detail") or op["operationState"]
                stayed.append(f"{name_of(step)}: {detail}")
    return stayed


def _start(client: Client, step: dict[str, Any], host: str) -> str:
    request = {
        "cause": f"host {host} is drained",
        "vnfcInstanceId": [step["vnfcInstanceId"]],
        "additionalParams": {"catena": {"action": "move"}},
    }
    answer = client.post(f"{VNF.path}/{step['vnfInstanceId']}/heal", request)
    return client.path_of(answer.headers["location"])


def name_of(step: dict[str, Any]) -> str:
    """The VNFC as people call it."""
    return f"{step['vnfInstanceName'] or step['vnfInstanceId']} {step['vdu']}"
