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
from service.storage.registry.inventory import QueueFigures
from service.usecases.context import Resources

_NO_TRAINER = "no trainer is alive: trainings are accepted and wait until one is; forecasts are served"


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
    trainers = len(resources.registry.living_executors())
    return Readiness(trainers, _warnings(resources, trainers))


def training_warnings(resources: Resources) -> tuple[str, ...]:
    """Return the reasons why an accepted training may wait; empty if there are none. Raises Unavailable."""
    return _warnings(resources, len(resources.registry.living_executors()))


def own_trainer_warning(resources: Resources) -> str | None:
    """Return why this server's own worker does not run; None if it runs or starts, or the server has no worker."""
    failure = resources.queue.failure()
    return failure and f"this server's trainer does not run: {failure}; it is started again, and the log says more"


def _warnings(resources: Resources, trainers: int) -> tuple[str, ...]:
    own = own_trainer_warning(resources)
    return (*([own] if own else []), *([] if trainers else [_NO_TRAINER]))


_LOOK_SECONDS = 5.0


@dataclass(frozen=True)
class _State:
    """The result of one query of the database; queues and trainers are None if the query failed."""

    queues: dict[str, QueueFigures] | None
    trainers: int | None
    ready: bool


class ServiceFigures(Collector):
    """A Prometheus collector that queries the database at most once in five seconds, however often it is scraped.

    may_serve: returns whether the server itself is neither starting nor stopping.
    """

    def __init__(self, resources: Resources, may_serve: Callable[[], bool]) -> None:
        self._resources = resources
        self._may_serve = may_serve
        self._lock = threading.Lock()
        self._state: _State | None = None
        self._looked_at = 0.0

    def describe(self) -> Iterator[Metric]:
        """Return no metrics: describing them would need a query of the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; those of queues and workers are omitted while the database does not answer."""
        state = self._now()
        ready = float(state.ready and self._may_serve())
        yield _gauge("forecast_ready", "1 where this server does its work, as /readyz says; else 0.", ready)
        if state.trainers is not None:
            yield _gauge("forecast_trainers_alive", "Trainers that have been heard of in time.", state.trainers)
        if state.queues is not None:
            yield from _queue_metrics(state.queues)
        yield from self._cache_metrics()
        forecasts = CounterMetricFamily(
            "forecast_forecasts",
            "Forecasts answered, by the cell of the model's network; none: a model of simple methods alone.",
            labels=["cell"],
        )
        for cell, number in self._resources.measured.forecasts().items():
            forecasts.add_metric([cell], number)
        yield forecasts

    def _now(self) -> _State:
        # Under the lock: concurrent scrapes wait for the query of the first one.
        with self._lock:
            if self._state is None or time.monotonic() - self._looked_at >= _LOOK_SECONDS:
                self._state = self._look()
                self._looked_at = time.monotonic()
            return self._state

    def _look(self) -> _State:
        registry = self._resources.registry
        try:
            queues = registry.queue_figures()
            trainers = len(registry.living_executors())
        except Unavailable:
            return _State(None, None, False)
        try:
            check_readiness(self._resources)
        except Unavailable:
            return _State(queues, trainers, False)
        return _State(queues, trainers, True)

    def _cache_metrics(self) -> Iterator[Metric]:
        cache = self._resources.forecasters.figures()
        yield _counter("forecast_model_cache_hits", "Models that were loaded when they were asked for.", cache.hits)
        yield _counter("forecast_model_cache_misses", "Models that had to be read from the store.", cache.misses)
        yield _gauge("forecast_model_cache_models", "Models that are loaded.", cache.models)
        yield _gauge("forecast_model_cache_bytes", "Memory of the loaded models, about.", cache.bytes)
        yield _gauge("forecast_model_cache_limit_bytes", "FORECAST_CACHE_BYTES.", cache.max_bytes)


def _queue_metrics(queues: dict[str, QueueFigures]) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("forecast_jobs_waiting", "Jobs that wait, of all servers.", labels=["queue"])
    running = GaugeMetricFamily("forecast_jobs_running", "Jobs that run, of all trainers.", labels=["queue"])
    age = GaugeMetricFamily(
        "forecast_oldest_waiting_job_age_seconds",
        "Seconds since the oldest job that waits was accepted; 0 where none waits.",
        labels=["queue"],
    )
    now = utc_now()
    for name in (CPU, GPU):
        figures = queues.get(name, QueueFigures())
        waiting.add_metric([name], figures.waiting)
        running.add_metric([name], figures.running)
        oldest = figures.oldest
        age.add_metric([name], max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
    yield from (waiting, running, age)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(name, meaning, value=value)
