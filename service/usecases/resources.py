"""The resources that the use cases share; wired once, in app.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from prometheus_client import Counter

from service.forecasting.config.options import Cell
from service.queue.tickets import CPU, GPU, TrainingQueue
from service.storage.files.store import ModelStore
from service.storage.registry.registry import Registry
from service.telemetry.metrics import new_registry, training_observer
from service.usecases.job_watch import JobWatch
from service.usecases.limits import Limits
from service.usecases.model_cache import ForecasterCache
from service.usecases.model_series import SeriesReader
from service.usecases.serving_engine import ServingEngine

if TYPE_CHECKING:
    from service.forecasting.forecaster.forecaster import Forecaster


_NO_NETWORK, _PRIOR = "none", "zero-shot"


class Measurements:
    """Counts forecasts and trainings; thread-safe. registry: the Prometheus registry to expose."""

    def __init__(self) -> None:
        self.registry = new_registry()
        self.trained = training_observer(self.registry, (CPU, GPU))
        """Records a training attempt made by this server's own worker."""
        meaning = (
            "Forecasts answered, by the cell of the model's network; none: a model of simple methods alone; "
            "zero-shot: the prior."
        )
        forecasts = Counter("forecast_forecasts", meaning, ("cell",), registry=self.registry)
        # Looked up once, and exported as zero from the start.
        self._forecasts = {cell: forecasts.labels(cell) for cell in (*get_args(Cell), _NO_NETWORK, _PRIOR)}

        meaning = "Failures of the GPU, at its start or at a forecast, which the CPU made."
        self._gpu_failures = Counter("forecast_gpu_failures", meaning, registry=self.registry)

    def gpu_failed(self) -> None:
        """Count one failure of the GPU."""
        self._gpu_failures.inc()

    def count_forecast(self, forecaster: Forecaster | None) -> None:
        """Count one forecast made by a model; None: by the prior alone."""
        if forecaster is None:
            cell = _PRIOR
        else:
            cell = forecaster.specification.network.cell if forecaster.networks else _NO_NETWORK
        self._forecasts[cell].inc()


@dataclass(frozen=True)
class Resources:
    """The store holds immutable files, the registry mutable state, the queue the pending and running trainings."""

    store: ModelStore
    registry: Registry
    queue: TrainingQueue
    forecasters: ForecasterCache
    engine: ServingEngine
    limits: Limits
    watch: JobWatch
    measured: Measurements
    series: SeriesReader
