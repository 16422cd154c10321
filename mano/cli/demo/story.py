"""The main job in order: packages, hosts, network service, traffic, checks, and nothing left at the end."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from mano.cli.demo import look, server
from mano.cli.demo.captures import UnderlayCapture
from mano.cli.demo.certificate import write_certificate
from mano.cli.demo.checks import AFTERWARDS, WHILE_CAPTURING, Check
from mano.cli.demo.errors import CheckFailed, DemoProblem
from mano.cli.demo.simulated import SIMULATED_CHECKS
from mano.cli.demo.stage import Stage
from mano.cli.demo.world import INTERNET, INTERNET_ADDRESS, SUBSCRIBER_ADDRESS, SUBSCRIBERS, DemoWorld

LAB = "demo"
VNF_SAMPLES = ("firewall", "dpi", "nat")
NSD_SAMPLE = "gi-lan"
OPERATION_TIMEOUT_S = 120.0
OUTSIDE_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """How the demo runs. ``directory`` holds everything that it writes; ``listen`` is the server's HOST:PORT."""

    directory: Path
    tier: str
    listen: str
    hosts: int = 3
    keep: bool = False


def run(options: Options, stage: Stage) -> bool:
    """The whole demo; True when every check held. Leaves nothing behind unless ``keep``."""
    story = Story(options, stage)
    try:
        story.tell()
    except DemoProblem as problem:
        stage.check("the demo reaches its end", False, str(problem), packets=False)
    except BaseException:
        story.tear_down(quietly=True)
        raise
    held = all(result.held for result in stage.results)
    if options.keep and held:
        story.say_how_to_go_on()
    else:
        story.tear_down()
    return stage.summary()


class Story:
    """The steps with what they made so far."""

    def __init__(self, options: Options, stage: Stage) -> None:
        self._options = options
        self._stage = stage
        self._server: server.ServerProcess | None = None
        self._outside: subprocess.Popen[bytes] | None = None
        self._base_ports: dict[str, list[str]] = {}
        self._kept: list[str] = []
        self._hosts: list[str] = []

    @property
    def _api(self) -> server.Api:
        assert self._server is not None
        return self._server.api

    @property
    def _real(self) -> bool:
        return self._options.tier != "simulated"

    def tell(self) -> None:
        """Everything up to the last check."""
        self._stage.title(f"Catena demo, tier {self._options.tier}")
        archives = self._build_packages()
        self._start_server()
        self._add_hosts()
        nsd_id = self._onboard(archives)
        ns_id = self._instantiate(nsd_id)
        world = self._world(ns_id)
        self._show_placements()
        self._show_chains(world)
        self._check(world)
        if not self._options.keep:
            self._terminate(ns_id)

    def tear_down(self, *, quietly: bool = False) -> None:
        """Stop what runs and remove the lab, whatever happened before."""
        stage = contextlib.nullcontext() if quietly else self._stage.step("stop the server, remove the lab")
        with stage:
            self._stop_outside()
            if self._server is not None:
                self._server.stop()
            if self._real:
                self._lab().clean_up()
        if self._real and not quietly:
            remains = self._lab().remains()
            self._stage.check("nothing of the lab is left", not remains, "; ".join(remains) or "nothing", packets=False)

    def say_how_to_go_on(self) -> None:
        """Where the dashboard is, and how to end it all."""
        self._stage.title("It goes on running")
        token = json.loads((self._options.directory / "credentials.json").read_text(encoding="utf-8"))["adminToken"]
        self._stage.say(f"dashboard: {self._api.url}/ui/#token={token}")
        self._stage.say(f"command line: mano --url {self._api.url} chain list")
        self._stage.say("end it with: mano demo --cleanup")

    # The steps

    def _build_packages(self) -> dict[str, Path]:
        from vnf_descriptors import build

        samples = Path(str(files("vnf_descriptors"))) / "samples"
        archives = {}
        with self._stage.step("build the VNF packages and the NSD (SOL004)"):
            for name in (*VNF_SAMPLES, NSD_SAMPLE):
                archives[name] = self._options.directory / f"{name}.csar"
                build(samples / name, archives[name])
        return archives

    def _start_server(self) -> None:
        with self._stage.step("start mano serve"):
            self._server = server.start(self._options.directory, LAB, self._options.tier, self._options.listen)

    def _add_hosts(self) -> None:
        inventory = sample_inventory(self._options.hosts)
        self._hosts = [host["name"] for host in inventory["hosts"]]
        with self._stage.step(f"bring up {len(self._hosts)} NFVI hosts with their switches"):
            hosts = self._api.post("/mano/v1/hosts", inventory)
            for body in ({"name": SUBSCRIBERS, "host": self._hosts[0]}, {"name": INTERNET, "physnet": "dc1"}):
                self._api.post("/mano/v1/vims/local/attachments", body)
        self._stage.table(_realisations(hosts))
        if self._real:
            self._base_ports = look.bridge_ports(LAB, self._hosts)
            self._kept = look.namespaces(LAB)

    def _onboard(self, archives: Mapping[str, Path]) -> str:
        with self._stage.step("onboard three VNF packages and the NSD (SOL005)"):
            for name in VNF_SAMPLES:
                self._upload("/vnfpkgm/v2/vnf_packages", "package_content", archives[name])
            info = self._upload("/nsd/v2/ns_descriptors", "nsd_content", archives[NSD_SAMPLE])
        return str(info["nsdId"])

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

    def _instantiate(self, nsd_id: str) -> str:
        body = {"nsdId": nsd_id, "nsName": "gi-lan", "nsDescription": "subscribers to the internet"}
        ns = self._api.post("/nslcm/v2/ns_instances", body)
        saps = {
            SUBSCRIBERS: {"attachment": SUBSCRIBERS, "address": SUBSCRIBER_ADDRESS},
            INTERNET: {"attachment": INTERNET, "address": INTERNET_ADDRESS},
        }
        request = {"nsFlavourId": "simple", "additionalParamsForNs": {"catena": {"saps": saps}}}
        self._operate(f"/nslcm/v2/ns_instances/{ns['id']}/instantiate", request, "instantiate the network service")
        return str(ns["id"])

    def _operate(self, path: str, body: Mapping[str, Any], what: str) -> None:
        """Start an operation and follow it; afterwards its steps with their times."""
        last: dict[str, Any] = {}
        with self._stage.step(what):
            location = self._api.post(path, body)
            self._api.wait_for(location, OPERATION_TIMEOUT_S, last.update)
        self._stage.table(_step_rows(last))

    def _world(self, ns_id: str) -> DemoWorld:
        tail = secrets.token_hex(4)
        world = DemoWorld(
            api=self._api,
            lab=self._lab(),
            ns_id=ns_id,
            directory=self._options.directory,
            http_name=f"web-{tail}.example",
            tls_name=f"tls-{secrets.token_hex(4)}.example",
        )
        world.load()
        return world

    def _show_placements(self) -> None:
        self._stage.title("Placement")
        for placement in self._api.get("/mano/v1/placements"):
            for line in placement_lines(placement):
                self._stage.say(line)

    def _show_chains(self, world: DemoWorld) -> None:
        self._stage.title("Chains")
        for chain in world.chains.values():
            rules = ", ".join(classifier["text"] for classifier in chain["classifiers"])
            self._stage.say(f"{chain['name']}: {rules}")
            for path in chain["paths"]:
                self._stage.say("  " + path_line(path))

    def _check(self, world: DemoWorld) -> None:
        self._stage.title("Checks")
        if not self._real:
            self._run_checks(world, SIMULATED_CHECKS)
            return
        with self._stage.step("start the internet and the captures"):
            self._start_outside()
            capture = UnderlayCapture(world.lab.fabric, world.lab.uplinks(world.hosts), self._options.directory)
            capture.start()
            world.capture = capture
        try:
            self._run_checks(world, WHILE_CAPTURING)
        finally:
            capture.stop()
        self._run_checks(world, AFTERWARDS)
        self._show_counters(world)

    def _run_checks(self, world: DemoWorld, checks: Sequence[Check]) -> None:
        for check in checks:
            try:
                self._stage.check(check.name, True, check.run(world))
            except (CheckFailed, OSError) as error:
                self._stage.check(check.name, False, str(error) or type(error).__name__)

    def _show_counters(self, world: DemoWorld) -> None:
        self._stage.title("Packets per hop")
        for name in sorted(world.chains):
            for path in world.statistics(name)["paths"]:
                hops = " > ".join(f"{hop['sfName']}@{hop['host']} {hop['packets']}" for hop in path["hops"])
                self._stage.say(f"{name} {path['direction']} (SPI {path['spi']}): {hops} > end {path['endPackets']}")

    def _terminate(self, ns_id: str) -> None:
        self._stage.title("End")
        self._stop_outside()
        body = {"terminationTime": None}
        self._operate(f"/nslcm/v2/ns_instances/{ns_id}/terminate", body, "terminate the network service")
        self._api.delete(f"/nslcm/v2/ns_instances/{ns_id}")
        if self._real:
            database = self._options.directory / "catena.db"
            left = look.leftovers(LAB, database, self._kept, self._base_ports)
            evidence = "; ".join(left) or "no namespace, port, process or row"
            self._stage.check("the terminated service left nothing", not left, evidence, packets=False)

    def _start_outside(self) -> None:
        """The servers in the internet's namespace, as a process of their own."""
        directory = self._options.directory
        certificate = directory / "internet.pem"
        write_certificate(certificate)
        namespace = self._lab().attachment(INTERNET)
        command = ["ip", "netns", "exec", namespace, sys.executable, "-m", "mano.cli.demo.internet"]
        command += ["--address", INTERNET_ADDRESS.split("/")[0], "--certificate", str(certificate)]
        command += ["--log", str(directory / "requests.jsonl")]
        self._outside = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
        )
        assert self._outside.stdout is not None
        said = self._outside.stdout.readline()
        if said.strip() != b"ready":
            rest = said + self._outside.stdout.read(400)
            raise DemoProblem(f"the internet does not start: {rest.decode(errors='replace')}")

    def _stop_outside(self) -> None:
        if self._outside is None:
            return
        self._outside.terminate()
        self._outside.wait(OUTSIDE_DEADLINE_S)
        if self._outside.stdout is not None:
            self._outside.stdout.close()
        self._outside = None

    def _lab(self) -> Any:
        from mano.bootstrap import lab_view

        return lab_view(LAB, self._options.directory)


def sample_inventory(count: int) -> dict[str, Any]:
    """The sample's hosts; more than there are by repeating them under new names."""
    from mano.placement import document_from_text

    text = (Path(str(files("vnf_descriptors"))) / "samples" / "inventory" / "gi-lan.yaml").read_text(encoding="utf-8")
    inventory: dict[str, Any] = document_from_text(text, "Inventory")
    hosts = inventory["hosts"]
    if count < len(hosts):
        raise DemoProblem(f"the demo needs at least {len(hosts)} hosts")
    inventory["hosts"] = [*hosts, *({**hosts[n % len(hosts)], "name": f"h{n + 1}"} for n in range(len(hosts), count))]
    return inventory


def _realisations(hosts: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """What of the inventory is real on this machine: the same for all hosts of one VIM."""
    first = hosts[0]
    return [(name, how, first["notes"].get(name, "")) for name, how in sorted(first["realisations"].items())]


def _step_rows(operation: Mapping[str, Any]) -> list[tuple[str, ...]]:
    steps = operation["catena"]["steps"]
    return [(f"    {step['name']}", step["state"].lower(), _took(step["startedAt"], step["endedAt"])) for step in steps]


def _took(start: str, end: str | None) -> str:
    if end is None:
        return ""
    return f"{(datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds():.2f} s"


def placement_lines(placement: Mapping[str, Any]) -> Iterator[str]:
    """Where a VDU is, and why."""
    allocation = placement["allocation"]
    cells = "; ".join(
        f"node {cell['node']}: CPUs {','.join(map(str, cell['cpus']))}, "
        f"{cell['memoryMib']} MiB in pages of {cell['pageSizeKib']} KiB"
        for cell in allocation["cells"]
    )
    vfs = "".join(
        f", {name}: VF {','.join(map(str, interface['vfs']))} of {interface['pci']} (node {interface['node']})"
        for name, interface in allocation.get("interfaces", {}).items()
        if interface.get("vfs")
    )
    yield f"{placement['key']} on {placement['host']}: {cells}{vfs}"
    for line in placement["decision"]["why"]:
        yield f"    {line}"


def path_line(path: Mapping[str, Any]) -> str:
    """A path hop by hop: ``h1 > [255] firewall@h1 > ...``."""
    hops = " > ".join(f"[{path['spi']}/{hop['si']}] {hop['sfName']}@{hop['host']}" for hop in path["hops"])
    end = path.get("terminator", {}).get("sfName", path["egress"]["port"][:8])
    return (
        f"{path['direction']}: {path['ingress']['host']} > {hops} > "
        f"[{path['spi']}/{path['endSi']}] end at {end}@{path['egress']['host']}"
    )
