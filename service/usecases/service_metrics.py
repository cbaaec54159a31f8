"""Metrics that are read on each scrape: queues, workers, readiness and the model cache."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.errors import Unavailable
from service.queue.tickets import CPU, GPU
from service.storage.registry.database import utc_now
from service.storage.registry.jobs import QueueMetrics
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


@dataclass(frozen=True)
class _State:
    """The result of one query of the database; queues and trainers are None if the query failed."""

    queues: dict[str, QueueMetrics] | None = None
    trainers: int | None = None
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
        queues = trainers = None
        try:
            queues = registry.jobs.queue_metrics()
            trainers = len(registry.leases.live_workers())
            check_readiness(self._resources)
        except Unavailable:
            return _State(queues, trainers)
        return _State(queues, trainers, ready=True)


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
