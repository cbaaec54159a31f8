"""Classical decomposition: the average profile of a season around a centred moving average.

Legend: T values, S season_length. Index p of a profile belongs to the rows t with t % S == p.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.compilation import compiled, inlined

Array = Any

_SMALLEST_INDEX = 0.01


@compiled
def seasonal_indices(values: Array, season_length: int, multiplicative: bool, indices: Array) -> None:
    """Write the profile of (T,) into (S,): factors of mean 1 where multiplicative, else terms of mean 0.

    With two seasons or more: means around the centred moving average (as R's ``decompose``). With one: each phase
    relative to the line through the values. With less than a season: no profile.
    """
    time = len(values)
    neutral = 1.0 if multiplicative else 0.0
    for p in range(season_length):
        indices[p] = neutral
    if season_length < 2 or time < season_length:
        return
    sums = np.zeros(season_length)
    counts = np.zeros(season_length)
    if time >= 2 * season_length:
        _add_around_average(values, season_length, multiplicative, sums, counts)
    else:
        _add_around_line(values, season_length, multiplicative, sums, counts)
    total, known = 0.0, 0.0
    for p in range(season_length):
        if counts[p] > 0:
            indices[p] = sums[p] / counts[p]
            total += indices[p]
            known += 1.0
    if known < season_length:
        for p in range(season_length):
            if counts[p] == 0:
                indices[p] = total / known
        total *= season_length / known
    mean = total / season_length
    for p in range(season_length):
        if multiplicative:
            indices[p] = max(indices[p] / max(mean, 1e-12), _SMALLEST_INDEX)
        else:
            indices[p] -= mean


@inlined
def _add_around_average(values: Array, season_length: int, multiplicative: bool, sums: Array, counts: Array) -> None:
    """Add each value's ratio to, or distance from, the moving average over one season around it."""
    time = len(values)
    half = season_length // 2
    even = season_length % 2 == 0
    window = 0.0
    for t in range(2 * half + 1):
        window += values[t] if t < time else 0.0
    for t in range(half, time - half):
        average = window
        if even:
            average -= 0.5 * (values[t - half] + values[t + half])
        average /= season_length
        p = t % season_length
        if multiplicative:
            sums[p] += values[t] / max(average, 1e-12)
        else:
            sums[p] += values[t] - average
        counts[p] += 1.0
        if t + half + 1 < time:
            window += values[t + half + 1] - values[t - half]


@inlined
def _add_around_line(values: Array, season_length: int, multiplicative: bool, sums: Array, counts: Array) -> None:
    """Add each value's ratio to, or distance from, the line through one season and the repeated phases."""
    time = len(values)
    mean = 0.0
    for t in range(season_length):
        mean += values[t] / season_length
    slope = 0.0
    for t in range(season_length, time):
        slope += values[t] - values[t - season_length]
    slope /= (time - season_length + 3) * season_length  # three more rows: a slope seen once is uncertain
    for t in range(time):
        line = mean + slope * (t - 0.5 * (season_length - 1))
        p = t % season_length
        if multiplicative:
            sums[p] += values[t] / max(line, 1e-12)
        else:
            sums[p] += values[t] - line
        counts[p] += 1.0
