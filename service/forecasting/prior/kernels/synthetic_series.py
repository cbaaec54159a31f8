"""Synthetic series: a mixture of families, and what happens to real series: breaks, outliers, growth, zeros, rounding.

The working space is that of the network: logarithms of a positive series, or its values.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.forecasting.compilation import part
from service.forecasting.prior.kernels.draws import below, chance, log_normal, sign, uniform
from service.forecasting.prior.kernels.families import (
    exponential_smoothing,
    gaussian_process,
    random_walk,
    seasonal_arima,
    structural,
)

Array = Any

_QUARTERS = 4


@part
def synthetic_series(m: int, long: int, years: bool, out: Array) -> None:
    """Fill (time,) with a series of season length m, and long season length or 0, in the working space."""
    _series_of_a_family(m, long, years, out)
    if chance(0.2):
        _turn(out)
    if chance(0.05):
        _join(m, long, years, out)
    if chance(0.12):
        deviation = out.std()
        for _ in range(1 + below(3)):
            out[below(len(out))] += sign(0.5) * deviation * uniform(1, 4)
    u = np.random.random()
    if u < 0.3:
        _as_logarithms(out)
    elif u < 0.42:
        _multiplicative(out)
    elif u < 0.45:
        _intermittent(out)
    if (u < 0.3 or u >= 0.45) and chance(0.06):
        unit = uniform(0.1, 1.0) * 0.5 * (out.std() + 1e-9)
        for t in range(len(out)):
            out[t] = math.floor(out[t] / unit + 0.5) * unit


@part
def _series_of_a_family(m: int, long: int, years: bool, out: Array) -> None:
    walks, processes = 0.07, 0.14
    if years:
        walks, processes = 0.25, 0.04
    elif m == 1 or m == _QUARTERS:
        walks, processes = 0.14, 0.08
    u = np.random.random()
    if u < walks:
        random_walk(m, long, years, out)
        return
    if u < walks + processes:
        gaussian_process(m, long, out)
        return
    u = (u - walks - processes) / (1 - walks - processes)
    if u < 0.42 and long == 0:
        exponential_smoothing(m, years, out)
    elif u < 0.84:
        structural(m, long, years, out)
    else:
        seasonal_arima(m, long, years, out)


@part
def _turn(out: Array) -> None:
    """Growth slows, stops or turns, once or twice."""
    n = len(out)
    middle, spread, products, mean = (n - 1) / 2, 0.0, 0.0, out.mean()
    for t in range(n):
        spread += (t - middle) ** 2
        products += (t - middle) * (out[t] - mean)
    rise = products / spread
    for _ in range(1 + below(2)):
        begin, change = below(n), -rise * uniform(0.3, 1.4) * sign(0.8)
        for t in range(begin, n):
            out[t] += change * (t - begin)
        rise += 0.5 * change


@part
def _join(m: int, long: int, years: bool, out: Array) -> None:
    """Replace the beginning by that of another series."""
    n = len(out)
    other = np.empty(n)
    _series_of_a_family(m, long, years, other)
    end = int(uniform(0.05, 0.55) * n)
    offset = out[end] - other[end] + 2 * np.random.normal()
    for t in range(end):
        out[t] = other[t] + offset


@part
def _as_logarithms(out: Array) -> None:
    """Take an additive, positive series to logarithms, as the network reads it."""
    mean, low = out.mean(), out.min()
    level = (mean - low) * (1.05 + log_normal(-0.5, 1.5)) + 1e-9
    for t in range(len(out)):
        out[t] = 10 * math.log(max((out[t] - mean) / level + 1, 0.02))


@part
def _multiplicative(out: Array) -> None:
    """Take a series of logarithms to values, as the network reads series that come close to 0."""
    share, first = uniform(0.2, 1.0) / (out.std() + 1e-9), out[0]
    for t in range(len(out)):
        out[t] = 10 * math.exp(min(max(share * (out[t] - first), -4.0), 4.0))


@part
def _intermittent(out: Array) -> None:
    """Most values are 0."""
    zeros, share, level, first = uniform(0.1, 0.8), 0.5 / (out.std() + 1e-9), uniform(0, 0.2), out[0]
    for t in range(len(out)):
        size = 10 * math.exp(min(max(share * (out[t] - first) + level, -3.0), 3.0))
        out[t] = 0.0 if chance(zeros) else size
