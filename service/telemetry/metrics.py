"""What all processes of the service measure of themselves, and how it is read (Prometheus' text format 0.0.4)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import NoReturn

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
    start_http_server,
)

from service import __version__

logger = logging.getLogger(__name__)

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
OUTCOMES = ("succeeded", "failed", "died", "stopped")
"""How an attempt at a training ends: with a model, an error of its own (failed), its process (died), or because it was
cancelled, deleted or taken over, or its trainer stopped (stopped)."""

_TRAINING_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


def new_registry() -> CollectorRegistry:
    """Return a registry with what any process has: memory, CPU, file descriptors, garbage collections, the version."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    Info("forecast_build", "Version of the service.", registry=registry).info({"version": __version__})
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """Return all that a registry holds now, as text."""
    return generate_latest(registry)


class TrainingSeconds:
    """How long attempts at trainings take; threads may share it.

    queues: those whose outcomes are told from the start, as nothing yet, so that their rates are right.
    """

    def __init__(self, registry: CollectorRegistry, queues: Iterable[str]) -> None:
        self._seconds = Histogram(
            "forecast_training_duration_seconds",
            "Attempts at trainings, from the claim of the job to its end, by outcome.",
            ("queue", "outcome"),
            buckets=_TRAINING_SECONDS,
            registry=registry,
        )
        for queue in queues:
            for outcome in OUTCOMES:
                self._seconds.labels(queue, outcome)

    def observe(self, queue: str, outcome: str, seconds: float) -> None:
        """Count one attempt that ended."""
        if outcome in OUTCOMES:
            self._seconds.labels(queue, outcome).observe(seconds)


def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> None:
    """Answer GET /metrics from now on, in threads of this process. Raises OSError where the address cannot be taken."""
    server, _ = start_http_server(port, host, registry)
    logger.info("metrics are at http://%s:%d/metrics", f"[{host}]" if ":" in host else host, server.server_port)


_EVERY_SECONDS = 0.25


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class LoopLag:
    """Measures four times a second."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Histogram(
            "forecast_event_loop_lag_seconds",
            "How much later than it wanted the event loop woke up.",
            buckets=_SECONDS,
            registry=registry,
        )

    async def watch(self) -> NoReturn:
        """Measure the loop that runs this, until it is cancelled."""
        while True:
            wanted = time.monotonic() + _EVERY_SECONDS
            await asyncio.sleep(_EVERY_SECONDS)
            self._lag.observe(max(0.0, time.monotonic() - wanted))
