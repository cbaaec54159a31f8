"""The resources that the use cases share; wired once, in app.py."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.queue.tickets import CPU, GPU, AttemptEnd, TrainingQueue
from service.storage.files.store import ModelStore
from service.storage.registry.registry import Registry
from service.telemetry.metrics import TrainingSeconds, new_registry
from service.usecases.job_notifications import JobEnds, JobWatch
from service.usecases.limits import Limits
from service.usecases.model_cache import ForecasterCache

if TYPE_CHECKING:
    from service.forecasting.forecaster.forecaster import Forecaster


_NO_NETWORK = "none"


_CELLS = ("rnn", "lstm", "gru", _NO_NETWORK)


class Measurements:
    """Counts forecasts and trainings; thread-safe. registry: the Prometheus registry to expose."""

    def __init__(self) -> None:
        self.registry = new_registry()
        self._training_seconds = TrainingSeconds(self.registry, (CPU, GPU))
        # Prometheus' own counters would add several times as much time to a forecast.
        self._lock = threading.Lock()
        self._forecasts = dict.fromkeys(_CELLS, 0)

    def count_forecast(self, forecaster: Forecaster) -> None:
        """Count one forecast made by a model."""
        cell = forecaster.specification.network.cell if forecaster.networks else _NO_NETWORK
        with self._lock:
            self._forecasts[cell] += 1

    def forecasts(self) -> dict[str, int]:
        """Return the number of forecasts by the cell of the model's network; "none": simple methods only."""
        with self._lock:
            return self._forecasts.copy()

    def trained(self, end: AttemptEnd) -> None:
        """Record a training attempt made by this server's own worker."""
        self._training_seconds.observe(*end)


@dataclass(frozen=True)
class Resources:
    """The store holds immutable files, the registry mutable state, the queue the pending and running trainings."""

    store: ModelStore
    registry: Registry
    queue: TrainingQueue
    forecasters: ForecasterCache
    limits: Limits
    ends: JobEnds
    watch: JobWatch
    measured: Measurements
