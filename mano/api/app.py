"""The application: layers, routers, error handling. Everything it needs comes as arguments."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mano.api import dashboard_files, metrics, openapi_page, status, tokens
from mano.api.alarms import AlarmResources
from mano.api.api_versions import (
    NSD,
    NSFM,
    NSLCM,
    NSPM,
    ROOTS,
    VNFFM,
    VNFIND,
    VNFLCM,
    VNFPKGM,
    VNFPKGM_1,
    VNFPM,
    VRQAN,
    ApiRoot,
    VersionNegotiation,
    roots_of,
)
from mano.api.auth import Authentication
from mano.api.boundary import Boundary
from mano.api.config import ApiConfig
from mano.api.metrics import HttpMetrics, StateCollector
from mano.api.native import (
    auto_scaling,
    chains,
    evacuation,
    events,
    hosts,
    or_vnfm,
    placements,
    quotas,
    usage,
    vnfm_notifications,
)
from mano.api.older_api import OlderApi
from mano.api.openapi_document import complete
from mano.api.performance import PerformanceResources
from mano.api.problem_details import error_from_http, error_from_validation
from mano.api.resource_routes import new_router
from mano.api.services import Alarms, Performance, Services, Subscriptions
from mano.api.sfc_neutron import router as sfc_neutron
from mano.api.sfc_neutron.errors import error_response
from mano.api.sol002 import vnffm
from mano.api.sol003 import granting, vnfind, vnflcm
from mano.api.sol005 import nfvici, nsd, nslcm, vnfpkgm, vnfsnapshotpkgm
from mano.api.subscriptions import SubscriptionResources
from mano.api.uploads import UploadThreads
from mano.api.version_resources import VersionResources
from mano.domain.alarm import AlarmLevel
from mano.domain.subscription import Interface

DESCRIPTION = "ETSI NFV MANO (SOL003, SOL005) and service function chaining (RFC 7665, RFC 8300)."


class Application(FastAPI):
    """FastAPI with our OpenAPI document, made once and when it is first asked for."""

    def openapi(self) -> dict[str, Any]:
        """The document of every resource."""
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi())
        return self.openapi_schema


def create_app(services: Services, config: ApiConfig) -> FastAPI:
    """The ASGI application over the use cases.

    Whoever stops the server sets ``app.state.stopping`` first: streams without an end then come to theirs.
    ``app.state.dashboard_token()`` is a token for the dashboard's page, empty where none is needed.
    """
    registry = CollectorRegistry()
    app = Application(
        title="Catena", version=version("catena-mano"), description=DESCRIPTION, docs_url=None, redoc_url=None
    )
    app.state.services = services
    app.state.config = config
    app.state.registry = registry
    _add_layers(app, config, registry)
    _add_error_handlers(app)
    app.state.stopping = threading.Event()
    app.state.dashboard_token = lambda: tokens.dashboard_token(config.credentials) if config.credentials else ""
    _add_routers(app, services, app.state.stopping)
    registry.register(StateCollector(services))
    return app


def _add_layers(app: FastAPI, config: ApiConfig, registry: CollectorRegistry) -> None:
    """The last one added is the outermost."""
    app.add_middleware(OlderApi)
    app.add_middleware(VersionNegotiation, lenient=config.lenient_version)
    app.add_middleware(Authentication, config=config)
    app.add_middleware(Boundary, metrics=HttpMetrics(registry))


def _add_error_handlers(app: FastAPI) -> None:
    async def of_framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return error_response(request.url.path, error_from_http(error.status_code, error.headers))

    async def of_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return error_response(request.url.path, error_from_validation(error.errors()))

    app.add_exception_handler(HTTPException, of_framework)
    app.add_exception_handler(RequestValidationError, of_validation)


def _add_routers(app: FastAPI, services: Services, stopping: threading.Event) -> None:
    for name in dict.fromkeys(root.name for root in ROOTS.values()):
        app.include_router(VersionResources(roots_of(name)).router())
    for router in _routers_of(services, stopping):
        app.include_router(router)
    for router in (status.router, metrics.router, tokens.router, openapi_page.router, dashboard_files.router):
        app.include_router(router)


def _routers_of(services: Services, stopping: threading.Event) -> Iterator[APIRouter]:
    """The interfaces that this server's role has."""
    uploads = UploadThreads()
    if services.catalogue is not None:
        for root in (VNFPKGM, VNFPKGM_1):
            yield vnfpkgm.router(services.catalogue, services.package_sources, services.open_unit, uploads, root)
        yield nsd.router(services.catalogue, services.open_unit, uploads)
    if services.snapshot_packages is not None:
        yield vnfsnapshotpkgm.router(services.snapshot_packages, services.open_unit, uploads)
    if services.ns_lifecycle is not None:
        yield nslcm.router(services.ns_lifecycle, services.open_unit, services.vnf_snapshots)
    if services.vnf_lifecycle is not None:
        yield vnflcm.router(services.vnf_lifecycle, services.vnf_snapshots, services.open_unit, services.new_id)
    if services.nfvi is not None:
        yield hosts.router(services.nfvi)
    if services.auto_scaler is not None:
        yield auto_scaling.router(services.auto_scaler)
    if services.evacuation is not None:
        yield evacuation.router(services.evacuation)
    if services.placing is not None:
        yield placements.router(services.placing)
    if services.forwarding_graphs is not None:
        yield chains.router(services.forwarding_graphs, services.chains)
    if services.alarms is not None:
        yield from _alarms(services, services.alarms)
    if services.performance is not None:
        yield from _performance(services, services.performance)
    if services.indicators is not None:
        yield vnfind.router(services.indicators, services.open_unit)
    if services.quotas is not None:
        yield quotas.router(services.quotas)
    if services.metering is not None:
        yield usage.router(services.metering)
    if services.subscriptions is not None:
        yield from _subscriptions(services, services.subscriptions)
    if services.granting is not None:
        yield granting.router(services.granting, services.open_unit)
        if services.vnf_records is not None:
            yield or_vnfm.nfvo_router(services.granting, services.vnf_records)
    if services.vnfm_notices is not None:
        yield vnfm_notifications.router(services.vnfm_notices)
    if services.vnf_lifecycle is not None:
        yield or_vnfm.vnfm_router(services.open_unit)
    if services.logical_networks is not None or services.port_chaining is not None:
        yield sfc_neutron.router(services.logical_networks, services.port_chaining)
    yield events.router(services.open_unit, services.signal, stopping.is_set)


def _subscriptions(services: Services, subscriptions: Subscriptions) -> Iterator[APIRouter]:
    """The subscription resources of every interface that this server's role has."""
    served: list[tuple[ApiRoot, Interface]] = []
    if services.catalogue is not None:
        served += [(NSD, Interface.NSD), (VNFPKGM, Interface.VNFPKGM), (VNFPKGM_1, Interface.VNFPKGM)]
    if services.ns_lifecycle is not None:
        served += [(NSLCM, Interface.NSLCM), (NSFM, Interface.NSFM), (VRQAN, Interface.VRQAN)]
    if services.vnf_lifecycle is not None:
        served += [(VNFLCM, Interface.VNFLCM), (VNFFM, Interface.VNFFM), (VNFIND, Interface.VNFIND)]
    for root, interface in served:
        router = new_router(root.prefix, root.name)
        SubscriptionResources(subscriptions, services.open_unit, root, interface).add_routes(router)
        yield router


def _alarms(services: Services, alarms: Alarms) -> Iterator[APIRouter]:
    """The alarm resources of the levels that this server's role has, and those of all."""
    served: list[tuple[str, str, AlarmLevel | None]] = [(hosts.PREFIX, "native", None)]
    if services.ns_lifecycle is not None:
        served.append((NSFM.prefix, NSFM.name, AlarmLevel.NS))
    if services.vnf_lifecycle is not None:
        served.append((VNFFM.prefix, VNFFM.name, AlarmLevel.VNF))
    for prefix, tag, level in served:
        router = new_router(prefix, tag)
        AlarmResources(alarms, services.open_unit, prefix, level).add_routes(router)
        yield router
    if services.vnf_lifecycle is not None:
        yield vnffm.router(alarms)


def _performance(services: Services, performance: Performance) -> Iterator[APIRouter]:
    """Performance management of the blocks that this server's role has, and capacity where there is an NFVO."""
    served: list[tuple[ApiRoot, Interface]] = []
    if services.ns_lifecycle is not None:
        served.append((NSPM, Interface.NSPM))
    if services.vnf_lifecycle is not None:
        served.append((VNFPM, Interface.VNFPM))
    for root, interface in served:
        router = new_router(root.prefix, root.name)
        PerformanceResources(performance, services.open_unit, root, interface).add_routes(router)
        yield router
    if services.capacity is not None:
        yield nfvici.router(services.capacity, performance, services.open_unit)
