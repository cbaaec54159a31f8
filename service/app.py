"""create_app(settings): the only place where the parts of the server are wired together."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from socket import socket

from fastapi import Depends, FastAPI
from fastapi_swagger import patch_fastapi
from starlette.middleware import Middleware

from service import __version__
from service.api.application import Application
from service.api.input.query import refuse_repeated
from service.api.output import openapi, problems
from service.api.output.problems import ProblemResponses
from service.api.request_context import RequestId
from service.api.request_metrics import RequestMetrics
from service.api.routes import (
    batches,
    forecasts,
    jobs,
    models,
    monitoring,
    names,
    observations,
    operations,
    page,
    retraining,
    tables,
    training,
)
from service.api.routes.operations import ReadinessProbe
from service.api.security.admission import Load, LoadLimit
from service.api.security.authentication import Authentication
from service.api.security.permissions import Permission
from service.api.security.rate_limit import RateLimit
from service.api.security.trusted_hosts import TrustedHosts
from service.api.server import Server, bind
from service.kernel_cache import warm_fits_once, warm_forecasts_once
from service.keys import SHORT_KEY, Keys, read_key_file
from service.queue.database import queue_url
from service.queue.local_worker import LocalWorker
from service.queue.remote_workers import RemoteWorkers
from service.queue.tickets import TrainingQueue
from service.settings import Settings, UnusableSetting, blaming
from service.storage.files.folder import read_folder_url
from service.storage.registry.database import utc_now
from service.storage.registry.postgres import SILENCE_OPTIONS
from service.storage.registry.registry import Registry
from service.telemetry.logs import configure_logging
from service.telemetry.metrics import new_lag, watch_lag
from service.telemetry.traces import Spans
from service.usecases.job_watch import JobWatch
from service.usecases.limits import Limits
from service.usecases.maintenance.monitoring_watch import MonitoringWatch
from service.usecases.maintenance.name_watch import NameWatch
from service.usecases.model_cache import ForecasterCache
from service.usecases.model_lookups import ModelLookups
from service.usecases.model_series import SeriesReader
from service.usecases.resources import Measurements, Resources
from service.usecases.service_metrics import ServiceMetrics
from service.usecases.serving_engine import ServingEngine
from service.usecases.storage_repair import Reconciliation, reconcile
from service.webhooks.delivery import WebhookDelivery, count_deliveries
from service.webhooks.targets import WebhookTarget, read_webhooks
from service.worker.devices import check_engine, usable_gpus
from service.worker_app import open_store, preflight, run_local_worker

logger = logging.getLogger(__name__)

_DESCRIPTION = """\
Send a series, get a model trained on it, and request forecasts from it.

1. `POST /train` with a series: the response has a `model_id`, and the model's errors next to those of a naive forecast.
2. `POST /forecast` with that ID and a horizon.
"""


def create_app(settings: Settings, devices: Sequence[str] | None = None, keys: Keys | None = None) -> FastAPI:
    """Create the application, which opens store and database on startup and closes them on shutdown.

    devices: torch's names of the GPUs to use; None: those that the settings allow and the machine has.
    keys: API keys; None: those of the settings. Raises ValueError and OSError if their file cannot be used.
    """
    measured = Measurements()
    lag = new_lag(measured.registry)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        gpus = usable_gpus(settings.engine, settings.device) if devices is None else devices
        resources = _open(settings, gpus, measured)
        app.state.resources = resources
        app.state.readiness = ReadinessProbe(resources)
        app.state.lookups = ModelLookups(resources, load.work)
        app.state.warm = threading.Event()
        warm_up = partial(_warm_up, resources.engine, app.state.warm)
        threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
        metrics = ServiceMetrics(resources, lambda: app.state.warm.is_set() and not app.state.stopping)
        measured.registry.register(metrics)
        name_watch = NameWatch(resources.registry.names, resources.forecasters)
        resources.queue.start()
        running = [watch_lag(lag), name_watch.run()]
        if webhooks:
            running.append(WebhookDelivery(resources.registry.webhook_messages, webhooks, deliveries).run())
        if settings.monitoring:
            running.append(MonitoringWatch(resources, webhooks).run())
        watching = [asyncio.create_task(one) for one in running]
        try:
            yield
        finally:
            for one in watching:
                one.cancel()
            measured.registry.unregister(metrics)
            resources.queue.stop()
            resources.registry.close()
            if spans is not None:
                spans.stop()

    keys = open_keys(settings) if keys is None else keys
    webhooks = open_webhooks(settings)
    deliveries = count_deliveries(measured.registry)
    load = Load(settings.max_requests, settings.cores, settings.max_waiting_requests, settings.max_bodies_bytes)
    measured.registry.register(load)
    for tenant in keys.tenants_of_short_keys():
        logger.warning("tenant %s has a key of fewer than %d characters, which can be guessed", tenant, SHORT_KEY)
    with blaming("OpenTelemetry"):
        spans = Spans.export(settings.trace_exporters, "server")
    app = Application(
        # Each request passes these, from the first to the last.
        [
            Middleware(RequestMetrics, measured.registry, spans),
            Middleware(RequestId),
            Middleware(ProblemResponses),
            Middleware(LoadLimit, load),
            *([] if keys else [Middleware(TrustedHosts, settings.allowed_hosts or ())]),
            Middleware(Authentication, keys),
            Middleware(Permission),
            Middleware(RateLimit, settings.max_requests_per_second),
        ],
        title="Forecast service",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        # Newer versions of FastAPI have their own telemetry, which would export clients' data in exception messages.
        dependencies=[Depends(refuse_repeated)],
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.max_body_bytes = settings.max_body_bytes
    # Set by the server when it is stopped.
    app.state.stopping = False
    app.state.load = load
    of_models = (models, names, observations, monitoring, retraining)
    routers = (training, tables, forecasts, batches, *of_models, jobs, operations, page)
    app.include_routers([routes.router for routes in routers])
    # Overrides the package's defaults: a browser must not store a key for its next user.
    parameters = {"tryItOutEnabled": True, "filter": True, "displayRequestDuration": True}
    patch_fastapi(app, redirect_from_root_to_docs=False, swagger_ui_parameters=parameters)
    problems.install(app)
    openapi.install(app)
    return app


def run(settings: Settings) -> None:
    """Serve until stopped. Raises UnusableSetting."""
    configure_logging(settings.log_level, settings.log_format)
    with blaming("FORECAST_API_KEYS_FILE"):
        keys = open_keys(settings)
    with blaming("FORECAST_HOST and FORECAST_PORT"):
        # Before the store is opened: a second server started by mistake must not take over the first one's jobs.
        sockets = bind(settings.host, settings.port)
    try:
        if not (keys or settings.allow_no_keys):
            _require_loopback(sockets)
        with blaming("FORECAST_ENGINE"):
            check_engine(settings.engine)
        with blaming("FORECAST_DEVICE"):
            devices = usable_gpus(settings.engine, settings.device)
        preflight(settings)
        with suppress(KeyboardInterrupt):
            app = create_app(settings, devices, keys)
            server = Server(app, settings.log_level, settings.drain_seconds)
            app.state.load.accepted = server.accepted
            server.run(sockets)
    finally:
        for one in sockets:
            one.close()


def open_keys(settings: Settings) -> Keys:
    """Return the keys in the settings and in the key file. Raises ValueError, OSError."""
    grants = list(settings.api_keys or ())
    if settings.api_keys_file is not None:
        known = {one.digest for one in grants}
        for one in read_key_file(Path(settings.api_keys_file)):
            if one.digest in known:
                raise ValueError(f"a key of tenant {one.tenant} is also in FORECAST_API_KEYS: remove one of the two")
            grants.append(one)
    return Keys(grants)


def open_webhooks(settings: Settings) -> Mapping[str, WebhookTarget]:
    """Return the webhooks of tenants in the file of the settings. Raises UnusableSetting."""
    if settings.webhooks_file is None:
        return {}
    with blaming("FORECAST_WEBHOOKS_FILE"):
        return read_webhooks(Path(settings.webhooks_file))


def _require_loopback(sockets: Sequence[socket]) -> None:
    """Raise UnusableSetting if other machines can reach the bound addresses of a server without keys."""
    for one in sockets:
        address = one.getsockname()[0]
        if not ip_address(address.partition("%")[0]).is_loopback:
            raise UnusableSetting(
                f"FORECAST_HOST: other machines can reach {address}, and there are no API keys: set FORECAST_API_KEYS "
                "or FORECAST_API_KEYS_FILE (python -m service keys create TENANT creates one), listen on 127.0.0.1, or "
                "set FORECAST_ALLOW_NO_KEYS=true if something else restricts the access"
            )


def reconcile_stored(settings: Settings, apply: bool, delete_orphans: bool) -> Reconciliation:
    """Compare store and database, see `reconcile`. Raises UnusableSetting, Unavailable."""
    with blaming("FORECAST_STORE_URL"):
        if not settings.store_url.startswith("s3://") and not (folder := read_folder_url(settings.store_url)).is_dir():
            raise UnusableSetting(f"FORECAST_STORE_URL: there is no folder {folder}")
        store = open_store(settings)
    with blaming("FORECAST_DATABASE_URL"):
        registry = Registry.open(settings.registry_url)
    with closing(registry):
        return reconcile(registry, store, apply, delete_orphans, utc_now())


def _open(settings: Settings, devices: Sequence[str], measured: Measurements) -> Resources:
    store = open_store(settings)
    store.remove_leftovers()
    registry = Registry.open(settings.registry_url)
    watch = JobWatch(registry.jobs)
    processes = settings.trainings_at_once(in_server=True)
    queue: TrainingQueue
    if processes or (devices and not settings.is_cluster):
        if devices:
            logger.info("%s trainings run on %s", "all" if settings.only_gpu else "large", ", ".join(devices))
        start = partial(run_local_worker, settings.without_keys(), tuple(devices), processes)
        queue = LocalWorker(start, watch.notify_finished, measured.trained)
    else:
        logger.info("this server does not train: trainings wait for a worker (python -m service trainer)")
        queue = RemoteWorkers(queue_url(settings.registry_url, SILENCE_OPTIONS))
    engine = ServingEngine(settings.engine, next(iter(devices), None), settings.only_gpu, measured.gpu_failed)
    forecasters = ForecasterCache(store, settings.cache_bytes, engine)
    limits = Limits(settings)
    series = SeriesReader(store, limits)
    return Resources(store, registry, queue, forecasters, engine, limits, watch, measured, series)


def _warm_up(engine: ServingEngine, done: threading.Event) -> None:
    """Import what the first forecast needs and prepare its kernels, so that no request waits for them; then the rest.

    done: set when forecasts are prepared.
    """
    import service.forecasting.evaluation.rolling
    import service.forecasting.forecaster.codec  # noqa: F401

    engine.get()
    warm_forecasts_once()
    done.set()
    warm_fits_once()
