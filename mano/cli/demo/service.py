"""The sample network service on a server: packages, hosts, on-boarding and life cycle, as any client asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from mano.cli.demo.errors import DemoProblem
from mano.cli.demo.server import Api
from mano.cli.demo.world import INTERNET, INTERNET_ADDRESS, SUBSCRIBER_ADDRESS, SUBSCRIBERS

VNF_SAMPLES = ("firewall", "dpi", "nat")
NSD_SAMPLE = "gi-lan"
PHYSICAL_NETWORK = "dc1"
OPERATION_TIMEOUT_S = 120.0

Follow = Callable[[Mapping[str, Any]], None]
"""Is told the operation occurrence each time that somebody looked."""


def build_packages(directory: Path) -> dict[str, Path]:
    """Build the samples' SOL004 archives into a directory; their paths by name."""
    from vnf_descriptors import build

    archives = {}
    for name in (*VNF_SAMPLES, NSD_SAMPLE):
        archives[name] = directory / f"{name}.csar"
        build(_samples() / name, archives[name])
    return archives


def sample_inventory(count: int) -> dict[str, Any]:
    """The samples' hosts; more than there are by repeating them under new names, in their zones and behind their
    switches."""
    from mano.placement import document_from_text

    text = (_samples() / "inventory" / "gi-lan.yaml").read_text(encoding="utf-8")
    inventory: dict[str, Any] = document_from_text(text, "Inventory")
    hosts = inventory["hosts"]
    if count < len(hosts):
        raise DemoProblem(f"the demo needs at least {len(hosts)} hosts: its functions must be on different ones")
    names = {f"h{number + 1}": hosts[number % len(hosts)] for number in range(len(hosts), count)}
    inventory["hosts"] = [*hosts, *({**model, "name": name} for name, model in names.items())]
    wires = {link["a"]: link for link in inventory.get("links", ())}
    inventory["links"] = [
        *inventory.get("links", ()),
        *({**wires[model["name"]], "a": name} for name, model in names.items() if model["name"] in wires),
    ]
    return inventory


class GiLan:
    """The network service by its server's API."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def add_hosts(self, inventory: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Bring the hosts under management, and name the two places outside; the hosts as the server sees them."""
        hosts: Sequence[Mapping[str, Any]] = self._api.post("/mano/v1/hosts", inventory)
        first = inventory["hosts"][0]["name"]
        for place in ({"name": SUBSCRIBERS, "host": first}, {"name": INTERNET, "physnet": PHYSICAL_NETWORK}):
            self._api.post("/mano/v1/vims/local/attachments", place)
        return hosts

    def onboard(self, archives: Mapping[str, Path]) -> str:
        """On-board three VNF packages and the NSD (SOL005); the NSD's identifier."""
        for name in VNF_SAMPLES:
            self._upload("/vnfpkgm/v2/vnf_packages", "package_content", archives[name])
        info = self._upload("/nsd/v2/ns_descriptors", "nsd_content", archives[NSD_SAMPLE])
        return str(info["nsdId"])

    def create(self, nsd_id: str) -> str:
        """Create the NS instance; its identifier."""
        body = {"nsdId": nsd_id, "nsName": "gi-lan", "nsDescription": "subscribers to the internet"}
        return str(self._api.post("/nslcm/v2/ns_instances", body)["id"])

    def instantiate(self, ns_id: str, follow: Follow) -> None:
        """Instantiate and wait; raises :class:`DemoProblem` unless it completes."""
        saps = {
            SUBSCRIBERS: {"attachment": SUBSCRIBERS, "address": SUBSCRIBER_ADDRESS},
            INTERNET: {"attachment": INTERNET, "address": INTERNET_ADDRESS},
        }
        request = {"nsFlavourId": "simple", "additionalParamsForNs": {"catena": {"saps": saps}}}
        self._operate(f"/nslcm/v2/ns_instances/{ns_id}/instantiate", request, follow)

    def terminate(self, ns_id: str, follow: Follow) -> None:
        """Terminate and wait, then delete the instance."""
        self._operate(f"/nslcm/v2/ns_instances/{ns_id}/terminate", {"terminationTime": None}, follow)
        self._api.delete(f"/nslcm/v2/ns_instances/{ns_id}")

    def _operate(self, path: str, body: Mapping[str, Any], follow: Follow) -> None:
        self._api.wait_for(self._api.post(path, body), OPERATION_TIMEOUT_S, follow)

    def _upload(self, collection: str, content: str, archive: Path) -> Mapping[str, Any]:
        created = self._api.post(collection, {})
        path = f"{collection}/{created['id']}"
        self._api.upload(f"{path}/{content}", archive)
        info: Mapping[str, Any] = self._api.get(path)
        state = info.get("onboardingState") or info.get("nsdOnboardingState")
        if state != "ONBOARDED":
            failure = info.get("onboardingFailureDetails") or {}
            raise DemoProblem(f"{archive.name} is {state}: {failure.get('detail', 'no detail')}")
        return info


def _samples() -> Path:
    return Path(str(files("vnf_descriptors"))) / "samples"
