"""The only place where the parts of a worker are wired together, as `app` is for a server."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sqlalchemy import make_url

from service.queue.database import queue_url
from service.queue.tickets import CPU, GPU, Measured
from service.settings import Settings, UnusableSetting, blaming
from service.storage.files.bucket import S3Access
from service.storage.files.store import ModelStore
from service.storage.registry.leases import LeaseHolder
from service.storage.registry.postgres import SILENCE_OPTIONS
from service.storage.registry.registry import Registry
from service.telemetry.logs import configure_logging
from service.telemetry.metrics import new_registry, serve_metrics, training_observer
from service.telemetry.traces import Spans
from service.worker.child_entry import train_in_child
from service.worker.devices import check_engine, usable_gpus
from service.worker.identity import WorkerIdTaken, locked_id, machine_id
from service.worker.job_recorder import JobRecorder
from service.worker.reproduction import Reproduction, reproduce
from service.worker.telemetry import AttemptTelemetry

if TYPE_CHECKING:
    from service.queue.local_worker import ServerConnection
    from service.worker.worker import Worker

logger = logging.getLogger(__name__)

# What each training would import if torch trains all networks.
_TORCH = ("service.forecasting.networks.torch_engine",)
# On one machine a lock shows at once whether a process is alive, and each renewal is a write to its disk.
_LEASE_SECONDS, _LEASE_SECONDS_ALONE = 5.0, 30.0
# How often a worker looks whether it is to stop.
_POLL_SECONDS = 0.2


def run_local_worker(settings: Settings, devices: Sequence[str], processes: int, server: ServerConnection) -> None:
    """Run a worker as `start_worker` starts it, in a subprocess of a server, until the server stops it."""
    configure_logging(settings.log_level, settings.log_format)
    exporters = settings.trace_exporters
    spans = Spans.export(exporters, "trainer") if exporters else None
    worker = start_worker(settings, devices, processes, server.notify_finished, server.measured, spans)
    server.serve(worker.submit, worker.cancel, worker.lost)
    worker.stop()
    if spans is not None:
        spans.stop()


def start_worker(
    settings: Settings,
    devices: Sequence[str],
    processes: int,
    notify_finished: Callable[[str], None],
    measured: Measured,
    spans: Spans | None,
) -> Worker:
    """Wire a worker and start it.

    devices: torch's names of the devices to train on; processes: concurrent trainings on the CPU; notify_finished,
    measured: called with each job and each attempt that has ended; spans: None for no traces.

    Raises Unavailable, WorkerIdTaken, OSError.
    """
    # Slow to import, and the server only refers to this function.
    from service.worker.training_process import PRELOADED
    from service.worker.worker import Worker

    store, registry = open_store(settings), Registry.open(settings.registry_url)
    alone = not settings.is_cluster
    holder = LeaseHolder(
        locked_id(_folder(settings)) if alone else settings.executor_id or machine_id(),
        [*([CPU] if processes else []), *([GPU] if devices else [])],
        _LEASE_SECONDS_ALONE if alone else _LEASE_SECONDS,
        sole=alone,
    )
    log = settings.log_level, settings.log_format
    train = partial(train_in_child, settings.store_url, access=_s3_access(settings), log=log)
    worker = Worker(
        registry,
        holder,
        JobRecorder(registry, store, holder, notify_finished),
        partial(train, engine=settings.engine),
        processes=processes,
        seconds_limit=settings.max_training_seconds,
        memory_bytes=settings.memory_of_one(processes),
        queue_url=queue_url(settings.registry_url, SILENCE_OPTIONS),
        retention=timedelta(days=settings.job_retention_days),
        on_devices=[partial(train, engine="torch", device=device) for device in devices],
        watch=AttemptTelemetry(registry, measured, spans),
        preloaded=(*PRELOADED, *_TORCH) if settings.engine == "torch" else PRELOADED,
    )
    worker.start()
    on_devices = f", and on {devices}" * bool(devices)
    logger.info("worker %s is ready: %d concurrent trainings%s", holder.id, processes, on_devices)
    return worker


def train(settings: Settings) -> NoReturn:
    """Train queued jobs until stopped, then exit the process. Raises UnusableSetting."""
    configure_logging(settings.log_level, settings.log_format)
    with blaming("FORECAST_ENGINE"):
        check_engine(settings.engine)
    with blaming("FORECAST_DEVICE"):
        devices = usable_gpus(settings.engine, settings.device)
    processes = settings.trainings_at_once(in_server=False)
    if not devices and not processes:
        raise UnusableSetting("FORECAST_TRAINING_PROCESSES: a worker without a GPU needs at least 1, got 0")
    preflight(settings)
    with blaming("OpenTelemetry"):
        spans = Spans.export(settings.trace_exporters, "trainer")
    measured = _metrics(settings)
    signals = catch_stop_signals()
    # Store and tables were checked above; errors left are of the queue or of another worker with the same ID.
    with blaming("FORECAST_DATABASE_URL"):
        try:
            worker = start_worker(settings, devices, processes, lambda _: None, measured, spans)
        except WorkerIdTaken as error:
            raise UnusableSetting(f"FORECAST_EXECUTOR_ID: {error}") from error
    while not signals and not worker.lost.wait(_POLL_SECONDS):
        pass
    worker.stop()
    if spans is not None:
        spans.stop()
    # A thread that still waits for a store must not keep a process alive that has no work left.
    logging.shutdown()
    os._exit(0 if signals else 1)


def catch_stop_signals() -> list[int]:
    """Return a list to which SIGTERM and SIGINT are appended from now on, as often as they arrive."""
    caught: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        # A handler runs in the main thread, between any two of its steps. It must not set an event: if the main thread
        # is just waiting for that, it may hold the event's lock, and neither would go on.
        signal.signal(number, lambda number, _: caught.append(number))
    return caught


def _metrics(settings: Settings) -> Measured:
    """Serve the metrics of a worker, if configured. Raises UnusableSetting."""
    if settings.metrics_port is None:
        return lambda _: None
    registry = new_registry()
    measured = training_observer(registry, (CPU, GPU))
    with blaming("FORECAST_HOST and FORECAST_METRICS_PORT"):
        serve_metrics(registry, settings.host, settings.metrics_port)
    return measured


def preflight(settings: Settings) -> None:
    """Open and check store and database once. Raises UnusableSetting."""
    with blaming("FORECAST_STORE_URL"):
        store = open_store(settings)
        store.remove_leftovers()
        store.check_writable()
    with blaming("FORECAST_DATABASE_URL"), closing(Registry.open(settings.registry_url)) as registry:
        registry.check()


def reproduce_stored(settings: Settings, model_id: str) -> Reproduction:
    """Train a stored model again, see `reproduce`. Raises UnusableSetting."""
    with blaming("FORECAST_STORE_URL"):
        store = open_store(settings)
    with blaming("FORECAST_DATABASE_URL"):
        registry = Registry.open(settings.registry_url)
    with closing(registry):
        return reproduce(registry, store, model_id)


def open_store(settings: Settings) -> ModelStore:
    """Open the store of the settings. Raises ValueError, Unavailable."""
    return ModelStore.open(settings.store_url, _s3_access(settings))


def _s3_access(settings: Settings) -> S3Access:
    secret, token = settings.s3_secret_access_key, settings.s3_session_token
    return S3Access(
        settings.s3_endpoint,
        settings.s3_region,
        settings.s3_access_key_id,
        secret.get_secret_value() if secret else None,
        token.get_secret_value() if token else None,
        settings.s3_allow_http,
    )


def _folder(settings: Settings) -> Path:
    return Path(make_url(settings.registry_url).database or "").parent
