"""The engine of this server's forecasts, as FORECAST_ENGINE and FORECAST_DEVICE choose it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.forecasting.networks.engine import EngineName, ForecastEngine
    from service.forecasting.networks.engine_choice import EngineSetting


class ServingEngine:
    """Makes the engine once, in the thread that asks first: that imports numba, or torch, which takes seconds.

    gpu: torch's name of the GPU, or None to forecast on the CPU only. only_gpu, on_failure: see `forecast_engine`.
    """

    def __init__(self, setting: EngineSetting, gpu: str | None, only_gpu: bool, on_failure: Callable[[], None]) -> None:
        self._arguments = setting, gpu, only_gpu, on_failure
        self._lock = threading.Lock()
        self._engine: ForecastEngine | None = None

    def get(self) -> ForecastEngine:
        """Return the engine."""
        with self._lock:
            if self._engine is None:
                from service.forecasting.networks.engine_choice import forecast_engine

                self._engine = forecast_engine(*self._arguments)
            return self._engine

    @property
    def engines(self) -> tuple[tuple[EngineName, str], ...]:
        """The engines that make forecasts now, each with its device; none while the server starts."""
        return () if self._engine is None else self._engine.engines

    @property
    def failure(self) -> str | None:
        """The reason for the last failure of the GPU; None without a failure or a GPU."""
        return None if self._engine is None else self._engine.failure
