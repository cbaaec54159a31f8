"""Forecasts on a GPU, of large panels or of all; the CPU makes the others, and those that the GPU fails at."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from service.forecasting.networks.architecture import Network
from service.forecasting.networks.engine import Engine, EngineName, ForecastEngine, Predictor, Recipe, warm_up
from service.forecasting.series.series import FloatArray

logger = logging.getLogger(__name__)

# Multiplications of a rollout that is worth a GPU: a tenth of a second of one core. An estimate: no GPU was measured.
_WORTH_A_GPU = 1_000_000_000
_NEVER_AT_ONCE = _WORTH_A_GPU


class GpuForecasts:
    """Forecasts on a GPU, once torch has been imported in the background; see `engine.ForecastEngine`.

    A GPU whose memory is too small for one rollout is tried again with the next; after any other error, which usually
    leaves the GPU unusable by this process, or if it does not start, the CPU makes all forecasts.
    """

    def __init__(self, device: str, cpu: Engine, only_gpu: bool, on_failure: Callable[[], None]) -> None:
        self._device, self._cpu, self._on_failure = device, cpu, on_failure
        self._fewest = 0 if only_gpu else _WORTH_A_GPU
        self._gpu: Engine | None = None
        # A GPU computes one forecast after another, and the event loop must not wait for it.
        self.step_overhead = _NEVER_AT_ONCE if only_gpu else cpu.step_overhead
        self.failure: str | None = None
        threading.Thread(target=self._prepare, name="gpu", daemon=True).start()

    @property
    def engines(self) -> tuple[tuple[EngineName, str], ...]:
        """The engines that make the forecasts, each with its device."""
        return (*self._cpu.engines, *(() if self._gpu is None else self._gpu.engines))

    def predictor(self, members: Sequence[Network], recipe: Recipe) -> Predictor:
        """Return a predictor whose weights stay where it forecasts."""
        return _Predictor(self, self._cpu, members, recipe)

    def gpu_for(self, multiplications: int) -> Engine | None:
        """Return the engine of the GPU if it makes a forecast of this size."""
        return self._gpu if multiplications >= self._fewest else None

    def failed(self, error: Exception) -> None:
        """Note that the GPU has failed at a forecast, which the CPU makes instead."""
        instead = "the CPU made the forecast"
        if self._gpu is None or not isinstance(error, MemoryError):
            self._gpu = None
            instead = "the CPU forecasts until the server is restarted"
        first_line = str(error).partition("\n")[0]  # of torch, about a device: it has no data of a series in it
        self.failure = f"{self._device} failed, and {instead}: {first_line:.200}"
        logger.warning(self.failure)
        self._on_failure()

    def _prepare(self) -> None:
        """Import torch and start the GPU, which takes seconds, before a request needs it."""
        try:
            from service.forecasting.networks.torch_engine import TorchEngine

            engine = TorchEngine(self._device)
            warm_up(engine)
        except Exception as error:
            self.failed(error)
        else:
            self._gpu = engine


class _Predictor:
    def __init__(self, place: GpuForecasts, cpu: ForecastEngine, members: Sequence[Network], recipe: Recipe) -> None:
        self._place, self._cpu, self._members, self._recipe = place, cpu, members, recipe
        self._weights = sum(len(network.weights) for network in members)
        self._on_gpu: Predictor | None = None

    def predict(self, contexts: NDArray[np.float32], horizon: int) -> FloatArray:
        """Return the mean forecast of the networks; see `engine.Predictor`."""
        rows, context_length, _ = contexts.shape
        gpu = self._place.gpu_for(rows * (context_length + horizon) * self._weights)
        if gpu is not None:
            try:
                on_gpu = self._on_gpu = self._on_gpu or gpu.predictor(self._members, self._recipe)
                forecasts = on_gpu.predict(contexts, horizon)
                self._place.failure = None
                return forecasts
            except (MemoryError, RuntimeError) as error:  # torch's errors of a device are RuntimeErrors
                self._on_gpu = None
                self._place.failed(error)
        return self._on_cpu.predict(contexts, horizon)

    @cached_property
    def _on_cpu(self) -> Predictor:
        return self._cpu.predictor(self._members, self._recipe)
