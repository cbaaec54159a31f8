"""Forecasts of intermittent demand: Croston (1972), unbiased (Syntetos 2001), and Teunter, Syntetos & Babai (2011)."""

from __future__ import annotations

from typing import Any

from service.forecasting.compilation import part

Array = Any


@part
def intermittent_forecasts(
    values: Array, origins: Array, by_interval: bool, size_alpha: float, rate_alpha: float, out: Array
) -> None:
    """Write a constant forecast from each origin of (T,) into (origin, horizon): a smoothed size times a smoothed rate.

    by_interval: the rate is 1 / interval, which changes with each demand (Croston); otherwise the probability of a
    demand, which also falls with each 0. Smoothing starts as a mean: the first weights are 1, 1/2, 1/3, ... until they
    reach alpha, so that an alpha of 0 is the mean of all values so far.
    """
    row, demands, last = -1, 0, -1
    size, interval, probability = 0.0, 0.0, 0.0
    for n in range(len(origins)):
        if origins[n] < row:
            row, demands, last = -1, 0, -1
            size, interval, probability = 0.0, 0.0, 0.0
        while row < origins[n]:
            row += 1
            occurred = 0.0
            if values[row] != 0:
                occurred = 1.0
                demands += 1
                size += max(size_alpha, 1 / demands) * (values[row] - size)
                interval += max(rate_alpha, 1 / demands) * (row - last - interval)
                last = row
            probability += max(rate_alpha, 1 / (row + 1)) * (occurred - probability)
        forecast = size * probability
        if by_interval and demands > 0:
            forecast = size * (1 - 0.5 * rate_alpha) / (interval - 0.5 * rate_alpha)
        for step in range(out.shape[1]):
            out[n, step] = forecast
