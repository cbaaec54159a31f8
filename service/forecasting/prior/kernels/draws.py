"""Random numbers that the families of synthetic series draw; `seed_series` seeds the generator of compiled code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.forecasting.compilation import inlined, part

Array = Any

GAUSSIAN, STUDENT, CONTAMINATED = range(3)
_DEGREES_OF_FREEDOM = 4.0
_OUTLIERS, _OUTLIER_SIZE = 0.03, 5.0


@inlined
def chance(probability: float) -> bool:
    """Return True with this probability."""
    return np.random.random() < probability


@inlined
def uniform(low: float, high: float) -> float:
    """Draw from the uniform distribution."""
    return low + (high - low) * np.random.random()


@inlined
def log_normal(mean: float, deviation: float) -> float:
    """Draw a positive number whose logarithm has this mean and standard deviation."""
    return math.exp(mean + deviation * np.random.normal())


@inlined
def sign(positive: float) -> float:
    """Return 1 with the probability ``positive``, else -1."""
    return 1.0 if np.random.random() < positive else -1.0


@inlined
def below(count: int) -> int:
    """Draw an integer from 0 to count - 1."""
    return int(np.random.random() * count)


@inlined
def shock_kind() -> int:
    """Draw the distribution of a series' shocks."""
    u = np.random.random()
    return GAUSSIAN if u < 0.6 else (STUDENT if u < 0.85 else CONTAMINATED)


@part
def shock(kind: int) -> float:
    """Draw a shock of about unit variance: normal, Student's t with 4 degrees of freedom, or normal with outliers."""
    if kind == STUDENT:
        return np.random.standard_t(_DEGREES_OF_FREEDOM) * math.sqrt(1 - 2 / _DEGREES_OF_FREEDOM)
    value = np.random.normal()
    if kind == CONTAMINATED and np.random.random() < _OUTLIERS:
        value *= _OUTLIER_SIZE
    return value


@part
def standardise(values: Array) -> None:
    """Give values the mean 0 and the variance 1; constant ones become 0."""
    values -= values.mean()
    deviation = values.std()
    if deviation > 1e-9:
        values /= deviation
