"""The main job in order: packages, hosts, network service, traffic, checks, and nothing left at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mano.cli.demo import full, look, outside, remains, report, server
from mano.cli.demo.captures import UnderlayCapture
from mano.cli.demo.checks import AFTERWARDS, WHILE_CAPTURING, Check, outcome
from mano.cli.demo.errors import DemoProblem
from mano.cli.demo.options import Options
from mano.cli.demo.service import Follow, GiLan, build_packages, sample_inventory
from mano.cli.demo.simulated import SIMULATED_CHECKS
from mano.cli.demo.stage import Stage
from mano.cli.demo.world import INTERNET, INTERNET_ADDRESS, SUBSCRIBERS, DemoWorld

if TYPE_CHECKING:
    from mano.bootstrap import LabView

SERVER_ADDRESS = INTERNET_ADDRESS.split("/")[0]
DATABASE = "catena.db"


def run(options: Options, stage: Stage) -> bool:
    """The whole demo; True when every check held. Leaves nothing running unless all of it held and is to be kept."""
    story = Story(options, stage)
    try:
        story.tell()
        if options.keep and stage.all_held:
            story.go_on()
            return stage.summary()
    except DemoProblem as problem:
        stage.check("the demo reaches its end", False, str(problem), packets=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        stage.check("the demo reaches its end", False, _reason(error), packets=False)
    story.tear_down()
    return stage.summary()


class Story:
    """The steps with what they made so far."""

    def __init__(self, options: Options, stage: Stage) -> None:
        self._options = options
        self._stage = stage
        self._server: server.ServerProcess | None = None
        self._internet: outside.OutsideProcess | None = None
        self._before = look.Before()

    def tell(self) -> None:
        """Everything up to the last check; the service is terminated unless it is to be kept."""
        self._stage.title(f"Catena demo, tier {self._options.tier}")
        service, nsd_id = self._prepare()
        ns_id = service.create(nsd_id)
        with self._followed("instantiate the network service") as follow:
            service.instantiate(ns_id, follow)
        world = DemoWorld(self._api, self._lab(), ns_id, self._options.directory)
        world.load()
        self._show(world)
        self._stage.title("Checks")
        if self._options.is_real:
            self._check(world)
        else:
            self._run_checks(world, SIMULATED_CHECKS)
        if self._options.full and self._options.is_real:
            full.tell(self._stage, world, SERVER_ADDRESS)
        elif self._options.full:
            full.tell_simulated(self._stage, world)
        if not self._options.keep:
            self._terminate(service, ns_id)

    def tear_down(self) -> None:
        """Stop what runs and remove the lab, whatever happened before."""
        with self._stage.step("stop the server, remove the lab" if self._options.is_real else "stop the server"):
            self._stop_internet()
            if self._server is not None:
                self._server.stop()
            if self._options.is_real:
                self._lab().clean_up()
        if self._options.is_real:
            left = look.remains(self._options.lab)
            self._stage.check("nothing of the lab is left", not left, "; ".join(left) or "nothing", packets=False)

    def go_on(self) -> None:
        """Leave it running, with a subscriber who surfs on; say where the dashboard is and how to end it all."""
        assert self._server is not None
        options, stage = self._options, self._stage
        if options.is_real:
            outside.subscriber(self._lab().attachment(SUBSCRIBERS), SERVER_ADDRESS, options.directory).start()
        remains.keep_note(options.directory, self._api.url, self._server.process.pid)
        stage.title("It goes on running")
        stage.say(f"dashboard: {self._server.dashboard()}")
        stage.say(f"command line: mano chain list --url {self._api.url} --data-dir {options.directory}")
        if options.is_real:
            stage.say("traffic: a subscriber asks the web server about once a second, through both chains")
        stage.say(f"end it with: {remains.cleanup_command(options.lab)}")

    # The steps

    def _prepare(self) -> tuple[GiLan, str]:
        """Packages, server, hosts, catalogue: (the service's client, the NSD's identifier)."""
        stage, options = self._stage, self._options
        with stage.step("build the VNF packages and the NSD (SOL004)"):
            archives = build_packages(options.directory)
        with stage.step("start mano serve"):
            self._server = server.start(options.directory, options.lab, options.tier, options.listen)
        service = GiLan(self._api)
        inventory = sample_inventory(options.hosts)
        kind = "" if options.is_real else "simulated "
        with stage.step(f"bring up {options.hosts} {kind}NFVI hosts with their switches"):
            hosts = service.add_hosts(inventory)
        stage.table(report.realisation_rows(hosts))
        if options.is_real:
            self._before = look.Before.of(options.lab, [host["name"] for host in hosts])
        with stage.step("onboard three VNF packages and the NSD (SOL005)"):
            nsd_id = service.onboard(archives)
        return service, nsd_id

    def _show(self, world: DemoWorld) -> None:
        stage = self._stage
        stage.title("Placement")
        for placement in self._api.get("/mano/v1/placements"):
            for line in report.placement_lines(placement):
                stage.say(line)
        stage.title("Chains")
        for chain in world.chains.values():
            rules = ", ".join(classifier["text"] for classifier in chain["classifiers"])
            stage.say(f"{chain['name']}: {rules}")
            for path in chain["paths"]:
                stage.say("  " + report.path_line(path))

    def _check(self, world: DemoWorld) -> None:
        """The checks with real packets, and what was counted at each hop."""
        directory = self._options.directory
        with self._stage.step("start the internet and the captures"):
            self._internet = outside.internet(world.lab.attachment(INTERNET), SERVER_ADDRESS, directory)
            self._internet.start()
            capture = UnderlayCapture(world.lab.fabric, world.lab.uplinks(world.hosts), directory / "underlay.pcap")
            capture.start()
            world.capture = capture
        try:
            self._run_checks(world, WHILE_CAPTURING)
        finally:
            capture.stop()
        self._run_checks(world, AFTERWARDS)
        self._stage.title("Packets per hop")
        for name in sorted(world.chains):
            for path in world.statistics(name)["paths"]:
                self._stage.say(report.counter_line(name, path))

    def _run_checks(self, world: DemoWorld, checks: Sequence[Check]) -> None:
        for check in checks:
            held, evidence = outcome(check, world)
            self._stage.check(check.name, held, evidence)

    def _terminate(self, service: GiLan, ns_id: str) -> None:
        self._stage.title("End")
        self._stop_internet()
        with self._followed("terminate the network service") as follow:
            service.terminate(ns_id, follow)
        database = self._options.directory / DATABASE
        if self._options.is_real:
            left = look.leftovers(self._options.lab, database, self._before)
            nothing = "no namespace, interface, port, process, control group or row"
        else:
            left, nothing = list(look.rows(database)), "no row of it in the database"
        self._stage.check("the terminated service left nothing", not left, "; ".join(left) or nothing, packets=False)

    @contextmanager
    def _followed(self, what: str) -> Iterator[Follow]:
        """A step that is an operation: shows what it is at, and afterwards its steps with their times."""
        last: dict[str, Any] = {}
        with self._stage.step(what) as tell:

            def follow(operation: Mapping[str, Any]) -> None:
                last.update(operation)
                tell(report.current_steps(operation))

            yield follow
        self._stage.table(report.step_rows(last))

    def _stop_internet(self) -> None:
        if self._internet is not None:
            self._internet.stop()

    @property
    def _api(self) -> server.Api:
        assert self._server is not None
        return self._server.api

    def _lab(self) -> LabView:
        from mano.bootstrap import lab_view

        return lab_view(self._options.lab, self._options.directory)


def _reason(error: OSError) -> str:
    """What the system refused, and where."""
    return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
