"""The composition root: the only place that builds adapters and hands them to the use cases."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from mano.adapters.clock import SystemClock, random_id
from mano.adapters.credentials_file import load_or_create
from mano.adapters.dbos_engine import DbosEngine
from mano.adapters.descriptor_reader import LibraryReader
from mano.adapters.fetcher import BackgroundThreads, WebFetcher
from mano.adapters.health import Checks
from mano.adapters.lcm_coordination import ns_operations, vnf_operations
from mano.adapters.or_vnfm_http import PeerClient
from mano.adapters.or_vnfm_http.management import HttpManagement
from mano.adapters.rounds import chain_counters, chain_latency, count, declared_indicators, observers, scaler_of
from mano.adapters.script_sandbox.sandbox import ScriptSandbox
from mano.adapters.snapshot_archive import ZipSnapshotArchives
from mano.adapters.store import PackageDirectory, SqlStore, make_engines, upgrade
from mano.adapters.watching import Round, Watch
from mano.adapters.web_client import WebClient
from mano.adapters.webhooks import Dispatcher, WebPostman
from mano.api.config import ApiConfig
from mano.api.services import Services
from mano.assurance.alarms import Alarms
from mano.assurance.capacity import Capacity, CapacityWatch
from mano.assurance.fan_out import follow_up
from mano.assurance.indicators import Indicators
from mano.assurance.measuring import Measuring
from mano.assurance.metering import Metering
from mano.assurance.performance import Performance
from mano.assurance.readings import Readings
from mano.assurance.subscriptions import Subscriptions
from mano.bootstrap.offline import back_up as back_up
from mano.bootstrap.offline import lab_view as lab_view
from mano.bootstrap.offline import restore as restore
from mano.bootstrap.peers import nfvo_of, vnfm_of
from mano.bootstrap.placement_engine import PlacementEngine
from mano.bootstrap.server import Catena as Catena
from mano.bootstrap.server import Engine as Engine
from mano.errors import NotFound
from mano.nfvo.catalogue import Catalogue
from mano.nfvo.chain_counts import CountHistory
from mano.nfvo.chain_following import ChainFollowing
from mano.nfvo.chain_stories import ChangeChain
from mano.nfvo.chains import Chains
from mano.nfvo.evacuating import Evacuation
from mano.nfvo.forwarding_graphs import ForwardingGraphs
from mano.nfvo.granting import Granting
from mano.nfvo.growth import Growth
from mano.nfvo.keeping import Keeper
from mano.nfvo.leftovers import Leftovers
from mano.nfvo.logical_networks import LogicalNetworks
from mano.nfvo.management import ManagementPorts
from mano.nfvo.nested_services import NestedServices
from mano.nfvo.nfvi import Nfvi
from mano.nfvo.ns_change_stories import ChangeNs
from mano.nfvo.ns_lifecycle import NsLifecycle
from mano.nfvo.ns_stories import InstantiateNs, TerminateNs
from mano.nfvo.ns_world import NsWorld
from mano.nfvo.package_sources import PackageSources
from mano.nfvo.placing import Placing
from mano.nfvo.port_chaining import PortChaining
from mano.nfvo.quotas import Quotas
from mano.nfvo.reserving import Reserving
from mano.nfvo.service_chains import ServiceChains
from mano.nfvo.snapshot_packages import SnapshotPackages
from mano.nfvo.vnf_managers import VnfRecords
from mano.ports.management import ManagementNetworks, ManagementWay
from mano.ports.metering import Meter
from mano.ports.service_paths import ServicePaths
from mano.ports.vim import VimDriver
from mano.ports.workflows import Story
from mano.settings import AuthMode, Role, Settings, Tier
from mano.vnfm.auto_healing import AutoHealing
from mano.vnfm.management import Management
from mano.vnfm.operations import change_stories
from mano.vnfm.package_actions import PackageActions
from mano.vnfm.snapshots import VnfSnapshots
from mano.vnfm.stories import InstantiateVnf, TerminateVnf
from mano.vnfm.vnf_lifecycle import VnfLifecycle
from mano.vnfm.world import VnfmWorld

if TYPE_CHECKING:
    from mano.bootstrap.offline import LabView as LabView

DATABASE_FILE = "catena.db"
SERVER_ID_FILE = "server-id"
PACKAGES_DIRECTORY = "packages"
LOCAL_VIM = "local"
PERFORMANCE_S = 1.0
"""How often it is looked whether a PM job is due: their periods are whole seconds."""

FORGET_S = 3600.0
"""How often it is looked for what nobody needs to know any more."""
DASHBOARD = Path(__file__).parent.parent / "dashboard" / "dist"


def build(
    settings: Settings,
    *,
    vims: Mapping[str, VimDriver] | None = None,
    paths: ServicePaths | None = None,
    engine: Callable[[SqlStore], Engine] | None = None,
) -> Catena:
    """Build a server from its settings: open and migrate the database, make the VIM drivers, wire the use cases.

    ``vims``, ``paths`` and ``engine`` replace what the tier would give. Nothing runs before :meth:`Catena.start`.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = _store(settings)
    tier = settings.tier or best_tier()
    if vims is None:
        vims, paths = _drivers(settings, tier)
    return _wire(
        settings,
        tier,
        store,
        vims,
        paths or _simulated_paths(),
        engine(store) if engine else DbosEngine(store, SystemClock(), server_id=server_id(settings.data_dir)),
    )


def server_id(data_dir: Path) -> str:
    """This server's name among those of its database: made once, kept in its data directory."""
    path = data_dir / SERVER_ID_FILE
    if not path.exists():
        path.write_text(random_id() + "\n", encoding="ascii")
    return path.read_text(encoding="ascii").strip()


def best_tier() -> Tier:
    """The best tier of this machine: root with namespaces and Open vSwitch, else the simulated one."""
    from shutil import which

    programs = ("ip", "ovs-vswitchd", "ovsdb-server", "ovs-ofctl", "ovs-appctl", "nft")
    return Tier.ROOT if os.geteuid() == 0 and all(which(program) for program in programs) else Tier.SIMULATED


def _store(settings: Settings) -> SqlStore:
    url = settings.database or f"sqlite:///{settings.data_dir / DATABASE_FILE}"
    engines = make_engines(url)
    upgrade(engines)
    return SqlStore(engines)


def _drivers(settings: Settings, tier: Tier) -> tuple[Mapping[str, VimDriver], ServicePaths | None]:
    records = settings.vim_dir or settings.data_dir
    if tier is Tier.SIMULATED:
        from mano.adapters.vim_simulated import SimulatedVim

        return {LOCAL_VIM: SimulatedVim(records)}, None
    from mano.adapters.sfc_paths import OvsServicePaths
    from mano.adapters.vim_local import LocalVim

    vim = LocalVim(records, lab=settings.lab, bfd_interval_ms=settings.bfd_interval_ms)
    return {LOCAL_VIM: vim}, OvsServicePaths(vim.switch_of, revive=vim.revive)


def _wire(
    settings: Settings,
    tier: Tier,
    store: SqlStore,
    vims: Mapping[str, VimDriver],
    paths: ServicePaths,
    engine: Engine,
) -> Catena:
    clock, open_unit = SystemClock(), store.open_unit
    packages = PackageDirectory(settings.data_dir / PACKAGES_DIRECTORY)
    policy = settings.packages
    reader = LibraryReader(
        policy.trust, require_signature=policy.require_signature, allow_external=policy.allow_external
    )
    catalogue = Catalogue(open_unit, packages, reader, clock, random_id, settings.limits.archive)
    graphs = ForwardingGraphs(open_unit, paths, clock, server_id(settings.data_dir))
    reserving = Reserving(open_unit, PlacementEngine(), clock)
    following = ChainFollowing(open_unit, graphs, engine, clock)
    granting = Granting(open_unit, packages, reserving, graphs, clock, following)
    peer_web = WebClient(replace(settings.calls, loopback=True))
    credentials = load_or_create(settings.data_dir) if settings.auth is AuthMode.OAUTH2 else None
    nfvo, reporters = nfvo_of(settings.peers.nfvo, settings.own_url, peer_web, granting, store, packages, reader)
    foreign_nfvo = settings.peers.nfvo is not None and settings.peers.nfvo.foreign
    vnf_lifecycle = VnfLifecycle(open_unit, engine, nfvo, clock, random_id)
    records = VnfRecords(open_unit)
    vnfm, notices, subscribers = vnfm_of(settings, peer_web, open_unit, records, vnf_lifecycle, granting, credentials)
    counts = CountHistory()
    chains = ServiceChains(open_unit, graphs, paths, counts, catalogue.line_of)
    chain_changes = Chains(open_unit, graphs, engine, clock, random_id, settings.drain_s)
    logical_networks = LogicalNetworks(open_unit, vims, graphs, random_id)
    port_chaining = PortChaining(open_unit, graphs, chain_changes, clock, random_id)
    vnfm_world = VnfmWorld(open_unit, nfvo, _finder(vims), clock, random_id)
    nested = NestedServices(open_unit, engine, clock)
    ns_world = NsWorld(open_unit, vims, vnfm, graphs, reserving, nested, clock, random_id)
    ports = ManagementPorts(open_unit, logical_networks)
    ours = None if foreign_nfvo else settings.peers.nfvo
    networks = HttpManagement(PeerClient(peer_web, ours)) if ours else ports
    around = _package_actions(settings, vnfm_world, networks, vims, peer_web)
    archives = ZipSnapshotArchives()
    vnf_snapshots = VnfSnapshots(open_unit, vims, clock, random_id, packages, archives)
    asking = ns_operations(settings, peer_web, open_unit, clock)
    taken = None if settings.role is Role.NFVO else vnf_snapshots
    plain: list[Story] = [InstantiateVnf(vnfm_world), TerminateVnf(vnfm_world), *change_stories(vnfm_world)]
    of_vnfm: tuple[Story, ...] = tuple(around(story) for story in plain)
    of_nfvo: tuple[Story, ...] = (
        asking(InstantiateNs(ns_world)),
        asking(TerminateNs(ns_world)),
        *(asking(ChangeNs(ns_world, following, operation, taken)) for operation in ("SCALE", "HEAL", "UPDATE")),
        ChangeChain(open_unit, graphs, clock, random_id, settings.drain_s),
    )
    stories = {Role.ALL: of_vnfm + of_nfvo, Role.VNFM: of_vnfm, Role.NFVO: of_nfvo}[settings.role]
    for story in stories:
        engine.register(story)
    store.fan_out = follow_up
    web, background = WebClient(settings.calls), BackgroundThreads()
    alarms = Alarms(open_unit, clock)
    postman = WebPostman(web)
    meters = {name: vim for name, vim in vims.items() if isinstance(vim, Meter)}
    counters = partial(chain_counters, chains)
    measuring = Measuring(open_unit, meters, counters, partial(chain_latency, chains))
    performance = Performance(open_unit, measuring, postman, clock, random_id)
    capacity = Capacity(open_unit, vims)
    indicators = Indicators(open_unit, meters, clock, declared_indicators)
    metering = Metering(open_unit, counters, clock)
    auto_healing = AutoHealing(open_unit, _finder(vims), vnf_lifecycle, clock, random_id)
    ns_lifecycle = NsLifecycle(open_unit, engine, clock, random_id)
    readings = Readings(open_unit, meters, measuring, clock)
    scaler = scaler_of(settings.role, open_unit, clock, readings, nfvo, vnf_lifecycle, ns_lifecycle)
    by_itself = [Round("auto-scaling", settings.watch_s, scaler.look)]
    if settings.role is not Role.NFVO:
        by_itself.append(Round("auto-healing", settings.watch_s, auto_healing.look))
    has_nfvi = settings.role is not Role.VNFM or foreign_nfvo
    leftovers = Leftovers(open_unit, vims)
    quotas = Quotas(open_unit, clock, random_id)
    fetcher = WebFetcher(web)
    snapshot_packages = SnapshotPackages(
        open_unit,
        vims,
        packages,
        archives,
        catalogue.descriptor_files,
        background,
        fetcher,
        clock,
        random_id,
        settings.limits.archive,
    )
    sweep = partial(count, vnf_snapshots.sweep)
    watch = Watch(
        [
            *observers(settings, store, alarms, vims, graphs.standing_drift),
            Round("capacity", settings.watch_s, CapacityWatch(open_unit, capacity, performance, clock).look),
            Round("indicators", settings.watch_s, indicators.watch),
            *(by_itself if settings.watches else []),
            Round("chains' use", 12 * settings.watch_s, metering.read_chains),
            *([Round("leftovers", settings.watch_s, leftovers.look)] if has_nfvi else []),
            *([Round("quotas", settings.watch_s, quotas.look)] if settings.role is not Role.VNFM else []),
            *([Round("snapshots", FORGET_S, sweep)] if settings.role is not Role.NFVO else []),
            Round("old alarms", FORGET_S, lambda: count(alarms.forget_old)),
            Round("old usage", FORGET_S, lambda: count(metering.forget_old)),
        ],
        open_unit,
        owner=server_id(settings.data_dir),
        alone=store.engines.is_sqlite,
    )
    collecting = Watch(
        [Round("performance", PERFORMANCE_S, performance.collect, share=1)],
        open_unit,
        owner=server_id(settings.data_dir),
        alone=store.engines.is_sqlite,
        name="collect",
    )
    services = Services(
        open_unit=open_unit,
        signal=store.signal,
        health=Checks(store),
        new_id=random_id,
        catalogue=catalogue,
        ns_lifecycle=ns_lifecycle,
        vnf_lifecycle=vnf_lifecycle,
        vnf_snapshots=vnf_snapshots,
        quotas=quotas,
        nfvi=Nfvi(open_unit, vims, graphs, chains, clock, random_id, tier.value),
        placing=Placing(open_unit, vims, clock),
        evacuation=Evacuation(open_unit, Growth(open_unit, reserving)),
        forwarding_graphs=chains,
        chains=chain_changes,
        logical_networks=logical_networks,
        port_chaining=port_chaining,
        granting=granting,
        vnf_records=records if settings.peers.vnfms else None,
        vnfm_notices=notices,
        subscriptions=Subscriptions(open_unit, postman, clock, random_id),
        alarms=alarms,
        performance=performance,
        capacity=capacity,
        indicators=indicators,
        auto_scaler=scaler,
        metering=metering,
        package_sources=PackageSources(catalogue, open_unit, fetcher, background, settings.limits.archive),
        snapshot_packages=snapshot_packages,
    )
    dispatcher = Dispatcher(store, web, owner=server_id(settings.data_dir))
    keeper = Keeper(open_unit, graphs, paths, clock, random_id, counts)
    kept = (keeper,) if settings.watches else ()
    told = (*([notices] if notices else ()), *subscribers, *reporters)
    recoveries = {
        "chains": chain_changes.recover,
        "ports": logical_networks.recover,
        "port chains": port_chaining.recover,
        "snapshot packages": snapshot_packages.recover,
    }
    config = ApiConfig(
        auth=settings.auth,
        credentials=credentials,
        lenient_version=settings.lenient_version,
        limits=settings.limits,
        dashboard_dir=DASHBOARD if DASHBOARD.is_dir() else None,
    )
    return Catena(
        settings,
        services.of_role(settings.role, owns_nfvi=foreign_nfvo),
        config,
        engine,
        store,
        catalogue,
        graphs,
        beside=(dispatcher.start, watch.start, collecting.start, *(each.start for each in (*kept, *told))),
        ends=(
            *(each.stop for each in (*told, *kept)),
            collecting.stop,
            watch.stop,
            dispatcher.stop,
            background.stop,
            web.close,
            peer_web.close,
        ),
        rebuilt=alarms.rebuilt,
        recoveries=recoveries,
    )


def _package_actions(
    settings: Settings, world: VnfmWorld, networks: ManagementNetworks, vims: Mapping[str, VimDriver], web: WebClient
) -> Callable[[Story], Story]:
    """What packages and coordinators add to the VNFM's operations."""
    ways = {name: vim.management() for name, vim in vims.items() if isinstance(vim, ManagementWay)}
    hidden = tuple(path for path in (settings.data_dir, settings.vim_dir) if path is not None)
    management = Management(networks, ways.get)
    package = PackageActions(world, management, ScriptSandbox(hidden), token_urlsafe)
    asking = vnf_operations(settings, web, world, management)
    return lambda story: asking(package.around(story))


def _finder(vims: Mapping[str, VimDriver]) -> Callable[[str], VimDriver]:
    def find(vim_id: str) -> VimDriver:
        if vim_id not in vims:
            raise NotFound(f"there is no VIM '{vim_id}'", hint=f"there are: {', '.join(sorted(vims))}")
        return vims[vim_id]

    return find


def _simulated_paths() -> ServicePaths:
    from mano.adapters.sfc_paths_simulated import SimulatedServicePaths

    return SimulatedServicePaths()
