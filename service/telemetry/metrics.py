"""Metrics common to all processes, and the server that exposes those of a worker (Prometheus text format 0.0.4)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from itertools import product
from typing import NoReturn

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

from service import __version__

logger = logging.getLogger(__name__)

OUTCOMES = ("succeeded", "failed", "died", "stopped")
"""How a training attempt ends: with a model (succeeded), with an error (failed), with the death of its process (died),
or because it was cancelled, deleted or taken over, or its worker stopped (stopped)."""

_TRAINING_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


def new_registry() -> CollectorRegistry:
    """Return a registry with the process metrics: memory, CPU, file descriptors, garbage collections, version."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    Info("forecast_build", "Version of the service.", registry=registry).info({"version": __version__})
    return registry


def training_observer(registry: CollectorRegistry, queues: Iterable[str]) -> Callable[[tuple[str, str, float]], None]:
    """Return a thread-safe function that records the queue, outcome and seconds of a training attempt.

    queues: queues whose outcomes are exported as zero from the start, so that their rates are correct.
    """
    seconds = Histogram(
        "forecast_training_duration_seconds",
        "Duration of training attempts, from the claim of the job to its end, by outcome.",
        ("queue", "outcome"),
        buckets=_TRAINING_SECONDS,
        registry=registry,
    )
    for queue, outcome in product(queues, OUTCOMES):
        seconds.labels(queue, outcome)

    def observe(end: tuple[str, str, float]) -> None:
        queue, outcome, duration = end
        if outcome in OUTCOMES:
            seconds.labels(queue, outcome).observe(duration)

    return observe


def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> None:
    """Serve GET /metrics in threads of this process. Raises OSError if the address cannot be bound."""
    server, _ = start_http_server(port, host, registry)
    logger.info("metrics are at http://%s:%d/metrics", f"[{host}]" if ":" in host else host, server.server_port)


_EVERY_SECONDS = 0.25
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


def new_lag(registry: CollectorRegistry) -> Histogram:
    """Return the histogram for `watch_lag`."""
    meaning = "How late the event loop woke up from a sleep."
    return Histogram("forecast_event_loop_lag_seconds", meaning, buckets=_SECONDS, registry=registry)


async def watch_lag(lag: Histogram) -> NoReturn:
    """Measure the lag of the running event loop four times a second, until cancelled."""
    while True:
        wanted = time.monotonic() + _EVERY_SECONDS
        await asyncio.sleep(_EVERY_SECONDS)
        lag.observe(max(0.0, time.monotonic() - wanted))
