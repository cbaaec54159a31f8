"""The models for load tests: a network alone, and the results of trainings without options on typical series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from benchmarks.server import ForecastApi
from service.forecasting.series.series import FloatArray

HORIZON = 30
LENGTH = 2000


def _noisy_sine() -> FloatArray:
    return np.sin(np.arange(LENGTH) / 10) + np.random.default_rng(0).normal(0, 0.1, LENGTH)


def _seasonal() -> FloatArray:
    """An hourly positive series with a daily season proportional to a wandering level."""
    numbers, hours = np.random.default_rng(0), np.arange(LENGTH)
    level = 100 * np.exp(0.01 * numbers.normal(size=LENGTH).cumsum())
    return np.asarray(level * (1 + 0.3 * np.sin(2 * np.pi * hours / 24) + numbers.normal(0, 0.03, LENGTH)))


def _walk() -> FloatArray:
    return 100 + np.random.default_rng(0).normal(size=LENGTH).cumsum()


def _delayed() -> FloatArray:
    """Mackey and Glass's delay equation (1977), a smooth chaos that is not a sum of lags."""
    values = np.full(LENGTH + 300, 1.2)
    for t in range(17, len(values) - 1):
        values[t + 1] = values[t] + 0.2 * values[t - 17] / (1 + values[t - 17] ** 10) - 0.1 * values[t]
    return values[300:]


@dataclass(frozen=True)
class ServedModel:
    """A series, the options of its training, and the required fraction of the no-op's requests per second by length."""

    series: Callable[[], FloatArray]
    goals: dict[int, float]
    options: dict[str, Any] = field(default_factory=dict)

    def trained(self, url: str) -> str:
        """Train the model; return its ID."""
        with httpx.Client(base_url=url, timeout=600) as client:
            request = {"series": self.series().tolist(), "horizon": HORIZON, **self.options}
            model_id: str = ForecastApi(client).train(request)["model_id"]
            return model_id

    def history(self, length: int) -> list[float]:
        """Return the last values of the series."""
        values: list[float] = self.series()[LENGTH - length :].round(6).tolist()
        return values


_DEFAULT = {0: 0.7, 200: 0.7, 2000: 0.7}

MODELS = {
    "network": ServedModel(
        _noisy_sine,
        {0: 0.9, 200: 0.85, 2000: 0.5},
        {"context_length": 30, "network": {"cell": "gru", "hidden_size": 32, "num_layers": 1}},
    ),
    "default-seasonal": ServedModel(_seasonal, _DEFAULT),
    "default-walk": ServedModel(_walk, _DEFAULT),
    "default-delayed": ServedModel(_delayed, _DEFAULT),
}
"""A GRU of 32 with context 30, and trainings without options except the horizon."""
