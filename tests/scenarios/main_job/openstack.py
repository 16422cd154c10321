"""What the tests of networking-sfc's API ask with: a client that behaves as OpenStack's, and things to ask about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.api.conftest import Answer, Api
from tests.scenarios.main_job.conftest import Job


@dataclass
class Cloud:
    """A client that looks names up as OpenStack's does: by identifier first, then by ``?name=``."""

    api: Api
    job: Job

    def id(self, path: str, name: str) -> str:
        plural = path.rpartition("/")[2]
        assert self.api.get(f"/v2.0/{path}/{name.replace('/', '%2F')}").status == 404
        found = self.api.get(f"/v2.0/{path}?name={name.replace('/', '%2F')}").json[plural]
        assert len(found) == 1, (path, name, found)
        return str(found[0]["id"])

    def port(self, name: str) -> str:
        return self.id("ports", name)

    def post(self, path: str, **attributes: Any) -> Answer:
        return self.api.call("POST", f"/v2.0/{path}", {_singular(path): attributes})

    def make(self, path: str, **attributes: Any) -> dict[str, Any]:
        answer = self.post(path, **attributes)
        assert answer.status == 201, answer.body
        made = answer.json[_singular(path)]
        assert self.api.get(f"/v2.0/{path}/{made['id']}").json == answer.json
        return dict(made)

    def put(self, path: str, id: str, **attributes: Any) -> Answer:
        return self.api.call("PUT", f"/v2.0/{path}/{id}", {_singular(path): attributes})

    def delete(self, path: str, id: str) -> int:
        return self.api.call("DELETE", f"/v2.0/{path}/{id}").status

    def chains(self) -> list[dict[str, Any]]:
        """The chains on the bridges that are no network service's."""
        found = self.job.services.forwarding_graphs.list(self.job.tenant)
        return sorted((dict(c) for c in found if not c["nsInstanceId"]), key=lambda c: str(c["name"]))

    def way(self, chain: str, source: str, destination: str, protocol: str, port: int) -> list[str]:
        """Names of the functions that a packet passes on the programmed tables."""
        found = next(c for c in self.chains() if c["name"] == chain)
        packet = {"source": source, "destination": destination, "protocol": protocol, "destinationPort": port}
        traced = self.job.services.forwarding_graphs.trace(found["id"], self.job.tenant, packet)
        return [hop["sfName"] for path in found["paths"] if path["spi"] in _spis(traced) for hop in path["hops"]]


def _spis(traced: Any) -> set[int]:
    return {hop["spi"] for hop in traced["hops"] if hop.get("spi")}


def _singular(path: str) -> str:
    return path.rpartition("/")[2].removesuffix("s")


def refused(answer: Answer, status: int) -> str:
    """The message of an error in Neutron's shape."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    error = answer.json["NeutronError"]
    assert list(answer.json) == ["NeutronError"] and error["type"] and "detail" in error
    return str(error["message"])


@dataclass
class Bench:
    """Two stations and two bridging functions of one's own on a network of one's own."""

    cloud: Cloud
    network: str
    ports: dict[str, str]
    pairs: dict[str, str]

    def group(self, name: str, *pairs: str, **attributes: Any) -> str:
        made = self.cloud.make(
            "sfc/port_pair_groups", name=name, port_pairs=[self.pairs[pair] for pair in pairs], **attributes
        )
        return str(made["id"])

    def classifier(self, name: str, **attributes: Any) -> str:
        ends = {"logical_source_port": self.ports["a"], "logical_destination_port": self.ports["b"]}
        return str(self.cloud.make("sfc/flow_classifiers", name=name, **ends, **attributes)["id"])
