"""Metrics that are read on each scrape: queues, workers, readiness and the model cache."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.errors import Unavailable
from service.queue.tickets import CPU, GPU
from service.storage.registry.database import utc_now
from service.storage.registry.jobs import QueueMetrics
from service.storage.registry.maintenance.monitoring import Found, MonitoringStatus
from service.usecases.resources import Resources

_NO_WORKER = "no worker is alive: trainings are accepted and wait for one; forecasts are served"


@dataclass(frozen=True)
class Readiness:
    """The state of a service that is ready.

    trainers: number of live workers, including those of other servers; warnings: problems that do not affect readiness.
    """

    trainers: int
    warnings: tuple[str, ...]


def check_readiness(resources: Resources) -> Readiness:
    """Raise Unavailable, with the reason, if the database or the store does not answer or cannot be written.

    Without a worker the service is still ready: accepted trainings are not lost, and forecasts are served.
    """
    resources.registry.check()
    resources.store.check_writable()
    return worker_state(resources)


def worker_state(resources: Resources) -> Readiness:
    """Return the number of live workers, and the reasons why an accepted training may wait. Raises Unavailable."""
    trainers = len(resources.registry.leases.live_workers())
    own = own_worker_warning(resources)
    none = None if trainers else _NO_WORKER
    return Readiness(trainers, tuple(filter(None, (own, none, resources.engine.failure))))


def own_worker_warning(resources: Resources) -> str | None:
    """Return why this server's own worker does not run; None if it runs or starts, or the server has no worker."""
    failure = resources.queue.failure()
    return failure and f"this server's worker does not run: {failure}; it is being restarted, and the log has details"


_PROBE_SECONDS = 5.0
# Each has a label of its own, and Prometheus keeps a time series for every label.
_SHOWN_DRIFTING = 20


@dataclass(frozen=True)
class _State:
    """The result of one query of the database; queues, trainers and monitored are None if the query failed.

    monitored: number of models by status; drifting: those that began to drift last.
    """

    queues: dict[str, QueueMetrics] | None = None
    trainers: int | None = None
    monitored: dict[str, int] | None = None
    drifting: Sequence[Found] = ()
    ready: bool = False


class ServiceMetrics(Collector):
    """A Prometheus collector that queries the database at most once in five seconds, however often it is scraped.

    may_serve: returns whether the server itself is neither starting nor stopping.
    """

    def __init__(self, resources: Resources, may_serve: Callable[[], bool]) -> None:
        self._resources = resources
        self._may_serve = may_serve
        self._lock = threading.Lock()
        self._state = _State()
        self._probed_at = -_PROBE_SECONDS

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; those of queues and workers are omitted while the database does not answer."""
        state = self._now()
        ready = float(state.ready and self._may_serve())
        yield GaugeMetricFamily("forecast_ready", "1 while /readyz answers 200, else 0.", ready)
        if state.trainers is not None:
            yield GaugeMetricFamily("forecast_trainers_alive", "Workers that are alive.", state.trainers)
        if state.queues is not None:
            yield from _queue_metrics(state.queues)
        if state.monitored is not None:
            yield from _monitoring_metrics(state.monitored, state.drifting)
        meaning = "1 for each engine that makes the forecasts of this server, with its device."
        engines = GaugeMetricFamily("forecast_engine_info", meaning, labels=["engine", "device"])
        for place in self._resources.engine.engines:
            engines.add_metric(place, 1)
        yield engines
        cache = self._resources.forecasters.metrics()
        yield CounterMetricFamily("forecast_model_cache_hits", "Requests for a model that was loaded.", cache.hits)
        meaning = "Requests for a model that had to be read from the store."
        yield CounterMetricFamily("forecast_model_cache_misses", meaning, cache.misses)
        yield GaugeMetricFamily("forecast_model_cache_models", "Loaded models.", cache.models)
        yield GaugeMetricFamily("forecast_model_cache_bytes", "Approximate memory of loaded models.", cache.bytes)
        yield GaugeMetricFamily("forecast_model_cache_limit_bytes", "FORECAST_CACHE_BYTES.", cache.max_bytes)

    def _now(self) -> _State:
        # Under the lock: concurrent scrapes wait for the query of the first one.
        with self._lock:
            if time.monotonic() - self._probed_at >= _PROBE_SECONDS:
                self._state = self._probe()
                self._probed_at = time.monotonic()
            return self._state

    def _probe(self) -> _State:
        registry = self._resources.registry
        state = _State()
        try:
            state = replace(state, queues=registry.jobs.queue_metrics())
            state = replace(state, trainers=len(registry.leases.live_workers()))
            drifting = registry.monitoring.latest("drifting", _SHOWN_DRIFTING)
            state = replace(state, monitored=registry.monitoring.counts(), drifting=drifting)
            check_readiness(self._resources)
        except Unavailable:
            return state
        return replace(state, ready=True)


def _monitoring_metrics(monitored: Mapping[str, int], drifting: Sequence[Found]) -> Iterator[Metric]:
    meaning = "Models whose forecasts were compared with observed values, by the status that was found last."
    models = GaugeMetricFamily("forecast_monitored_models", meaning, labels=["status"])
    for status in get_args(MonitoringStatus):
        models.add_metric([status], monitored.get(status, 0))
    meaning = f"Seconds since a model began to drift, for the {_SHOWN_DRIFTING} that did last."
    since = GaugeMetricFamily("forecast_drifting_model_since_seconds", meaning, labels=["model_id"])
    now = utc_now()
    for one in drifting:
        since.add_metric([one.model_id], max(0.0, (now - one.changed_at).total_seconds()))
    yield from (models, since)


def _queue_metrics(queues: dict[str, QueueMetrics]) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("forecast_jobs_waiting", "Waiting jobs, of all servers.", labels=["queue"])
    running = GaugeMetricFamily("forecast_jobs_running", "Running jobs, on all workers.", labels=["queue"])
    meaning = "Seconds since the oldest waiting job was accepted; 0 if there is none."
    age = GaugeMetricFamily("forecast_oldest_waiting_job_age_seconds", meaning, labels=["queue"])
    now = utc_now()
    for name in (CPU, GPU):
        found = queues.get(name, QueueMetrics())
        waiting.add_metric([name], found.waiting)
        running.add_metric([name], found.running)
        age.add_metric([name], max(0.0, (now - (found.oldest or now)).total_seconds()))
    yield from (waiting, running, age)
