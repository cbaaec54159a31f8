"""create_app(settings): the only place where things are wired."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import NoReturn

from fastapi import FastAPI
from fastapi_swagger import patch_fastapi

from service import __version__
from service.api import documents, problems
from service.api.direct_routes import Application
from service.api.request_id import RequestIdMiddleware
from service.api.routes import forecasts, health, jobs, models, training
from service.api.server import Server, bind
from service.errors import ServiceError
from service.jobs.devices import training_devices
from service.jobs.executor_id import ExecutorIdTaken
from service.jobs.local_trainer import LocalTrainer
from service.jobs.queue import TrainingQueue
from service.jobs.queue_database import queue_url
from service.jobs.remote_trainers import RemoteTrainers
from service.jobs.trainer_log import log_to_stderr
from service.kernel_cache import warm_forecasts_once
from service.settings import Settings
from service.storage.database import utc_now
from service.storage.folder import read_folder_url
from service.storage.postgres import SILENCE_OPTIONS
from service.storage.registry import Registry
from service.trainer_app import open_store, run_trainer, start_trainer
from service.usecases.forecaster_cache import ForecasterCache
from service.usecases.job_ends import JobEnds
from service.usecases.job_watch import JobWatch
from service.usecases.limits import Limits
from service.usecases.reconcile import ForeignDatabase, Reconciliation, reconcile
from service.usecases.resources import Resources

logger = logging.getLogger(__name__)

_DESCRIPTION = """\
Send a series, get back a model trained on it, ask it for forecasts.

1. `POST /train` with a series: the answer has a `model_id`, and says how good the model is beside a forecast that costs
   nothing.
2. `POST /forecast` with that ID and a horizon.
"""


def create_app(settings: Settings, devices: Sequence[str] | None = None) -> FastAPI:
    """Wire the service. Opens store and database when the application starts, closes them when it stops.

    devices: torch's names of those to train on; None: those that the setting allows and the machine has.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        resources = _open(settings, training_devices(settings.device) if devices is None else devices)
        app.state.resources = resources
        app.state.warm = threading.Event()
        threading.Thread(target=_warm_up, args=(app.state.warm,), name="warm-up", daemon=True).start()
        resources.queue.start()
        try:
            yield
        finally:
            resources.queue.stop()
            resources.registry.close()

    app = Application(
        title="Forecast service",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.max_body_bytes = settings.max_body_bytes
    # Set by a server that is told to stop.
    app.state.stopping = False
    app.add_middleware(RequestIdMiddleware)
    app.include_routers([routes.router for routes in (training, forecasts, models, jobs, health)])
    patch_fastapi(app)
    problems.install(app)
    documents.install(app)
    return app


class UnusableSetting(Exception):
    """A setting that the service cannot start with: its name, and why."""


def run(settings: Settings) -> None:
    """Serve until told to stop. Raises UnusableSetting."""
    with _blaming("FORECAST_HOST and FORECAST_PORT"):
        # Before the store is touched: a second server by mistake must not take the first one's jobs.
        sockets = bind(settings.host, settings.port)
    try:
        with _blaming("FORECAST_DEVICE"):
            devices = training_devices(settings.device)
        _preflight(settings)
        with suppress(KeyboardInterrupt):
            Server(create_app(settings, devices), settings.log_level, settings.drain_seconds).run(sockets)
    finally:
        for one in sockets:
            one.close()


def train(settings: Settings) -> NoReturn:
    """Train what servers accept until told to stop; then end the process. Raises UnusableSetting."""
    log_to_stderr(settings.log_level.upper())
    with _blaming("FORECAST_DEVICE"):
        devices = training_devices(settings.device)
    if not devices and not settings.trainings_at_once(in_server=False):
        raise UnusableSetting("FORECAST_TRAINING_PROCESSES: a trainer without a GPU needs at least 1, got 0")
    _preflight(settings)
    # Store and tables were just looked at; what is left is the queue, and who else is there.
    with _blaming("FORECAST_DATABASE_URL"):
        try:
            run_trainer(settings, devices)
        except ExecutorIdTaken as error:
            raise UnusableSetting(f"FORECAST_EXECUTOR_ID: {error}") from error


def reconcile_stored(settings: Settings, apply: bool, delete_orphans: bool) -> Reconciliation:
    """Compare store and database, see `reconcile`. Raises UnusableSetting, Unavailable."""
    with _blaming("FORECAST_STORE_URL"):
        if not settings.store_url.startswith("s3://") and not (folder := read_folder_url(settings.store_url)).is_dir():
            raise UnusableSetting(f"FORECAST_STORE_URL: there is no folder {folder}")
        store = open_store(settings)
    with _blaming("FORECAST_DATABASE_URL"):
        registry = Registry.open(settings.registry_url)
    try:
        return reconcile(registry, store, apply, delete_orphans, utc_now())
    except ForeignDatabase as error:
        raise UnusableSetting(f"FORECAST_DATABASE_URL: {error}") from error
    finally:
        registry.close()


def _preflight(settings: Settings) -> None:
    """Open and check store and database once. Raises UnusableSetting."""
    with _blaming("FORECAST_STORE_URL"):
        store = open_store(settings)
        store.remove_leftovers()
        store.check_writable()
    with _blaming("FORECAST_DATABASE_URL"):
        registry = Registry.open(settings.registry_url)
        try:
            registry.check()
        finally:
            registry.close()


@contextmanager
def _blaming(setting: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError, ServiceError) as error:
        raise UnusableSetting(f"{setting}: {error}") from error


def _open(settings: Settings, devices: Sequence[str]) -> Resources:
    store = open_store(settings)
    store.remove_leftovers()
    registry = Registry.open(settings.registry_url)
    ends = JobEnds()
    queue = _queue(settings, devices, ends)
    forecasters = ForecasterCache(store, settings.cache_bytes)
    return Resources(store, registry, queue, forecasters, _limits(settings), ends, JobWatch(registry, ends))


def _queue(settings: Settings, devices: Sequence[str], ends: JobEnds) -> TrainingQueue:
    processes = settings.trainings_at_once(in_server=True)
    if processes or (devices and not settings.is_cluster):
        if devices:
            logger.info("%s trainings run on %s", "all" if settings.device == "cuda" else "large", ", ".join(devices))
        start = partial(start_trainer, settings, tuple(devices), processes)
        return LocalTrainer(start, ends.told, settings.log_level.upper())
    logger.info("this server trains nothing itself: trainings wait for a trainer (python -m service trainer)")
    return RemoteTrainers(queue_url(settings.registry_url, SILENCE_OPTIONS))


def _limits(settings: Settings) -> Limits:
    return Limits(**{name: getattr(settings, name) for name in Limits.__dataclass_fields__})


def _warm_up(done: threading.Event) -> None:
    """Import what the first forecast needs and make its kernels ready, so that no request waits for it."""
    import service.forecasting.evaluation
    import service.forecasting.forecaster_state  # noqa: F401

    warm_forecasts_once()
    done.set()
