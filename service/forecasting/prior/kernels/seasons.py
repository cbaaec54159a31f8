"""Seasonal patterns of synthetic series: a profile of one season, and its evolution over a series.

Legend: m season length, L long season length (0: there is none).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.forecasting.compilation import part
from service.forecasting.prior.kernels.draws import below, chance, log_normal, sign, standardise, uniform

Array = Any

_MOST_HARMONICS = 6
_DAYS = 7
_SHORT_DAY = 20


@part
def seasonal_profile(profile: Array) -> None:
    """Fill (m,) with one season of mean 0 and variance 1: one shape, or two of different weight."""
    m = len(profile)
    shape = np.empty(m)
    profile[:] = 0.0
    weight = 1.0
    for _ in range(1 if chance(0.5) else 2):
        u = np.random.random()
        if u < 0.4:
            _harmonics(shape)
        elif u < 0.6:
            _independent(shape)
        elif u < 0.72:
            _peaks(shape)
        elif u < 0.88:
            _day(shape)
        else:
            _block(shape)
        standardise(shape)
        profile += weight * shape
        weight = uniform(0.1, 0.8)
    standardise(profile)


@part
def _harmonics(shape: Array) -> None:
    """A few harmonics whose amplitudes fall with a power of the frequency."""
    m = len(shape)
    shape[:] = 0.0
    count, power = 1 + below(min(max(m // 2, 1), _MOST_HARMONICS)), uniform(0, 2)
    for k in range(1, count + 1):
        amplitude, phase = np.random.normal() / k**power, uniform(0, 2 * math.pi)
        for i in range(m):
            shape[i] += amplitude * math.cos(2 * math.pi * k * i / m + phase)


@part
def _independent(shape: Array) -> None:
    """Each phase on its own."""
    for i in range(len(shape)):
        shape[i] = np.random.normal()


@part
def _peaks(shape: Array) -> None:
    """One or two phases that stand out, as a month of sales."""
    m = len(shape)
    for i in range(m):
        shape[i] = 0.15 * np.random.normal()
    for _ in range(1 + below(2)):
        shape[below(m)] += sign(0.65) * uniform(1, 3)


@part
def _day(shape: Array) -> None:
    """A smooth rise to a plateau and a fall, half of the time with a second, short peak."""
    m = len(shape)
    centre, width, steepness = uniform(0, m), uniform(0.15, 0.45) * m, uniform(0.5, 3)
    for i in range(m):
        away = abs(i - centre)
        away = min(away, m - away)
        shape[i] = 1 / (1 + math.exp((away - width) * steepness * 8 / m))
    if chance(0.5):
        centre, height = uniform(0, m), uniform(-1, 1)
        for i in range(m):
            away = abs(i - centre)
            away = min(away, m - away)
            shape[i] += height * math.exp(-0.5 * (away / (0.08 * m + 0.5)) ** 2)


@part
def _block(shape: Array) -> None:
    """Two levels, as opening hours or a summer season."""
    m = len(shape)
    length, first = 1 + below(max(m // 2, 1)), below(m)
    for i in range(m):
        shape[i] = 0.1 * np.random.normal()
    for i in range(length):
        shape[(i + first) % m] += 1.0


@part
def seasonal_amplitude(m: int) -> float:
    """Draw the standard deviation of the season, in those of the noise; 0: there is none."""
    if m == 1 or chance(0.06 if m >= _SHORT_DAY and m != 52 else (0.15 if m <= 12 else 0.35)):
        return 0.0
    if m == 52:
        return log_normal(-0.9, 1.0)
    return log_normal(1.3, 0.9) if m >= _SHORT_DAY else log_normal(-0.1, 1.1)


@part
def add_season(m: int, long: int, amplitude: float, out: Array) -> None:
    """Add a season to (time,): its profile may drift, grow, or change into another one; days may have a week on top.

    Of the days of a long season, each has its own level and amplitude; two of them may have a profile of their own, as
    weekends do.
    """
    if amplitude == 0:
        return
    n = len(out)
    profile, other = np.empty(m), np.empty(m)
    seasonal_profile(profile)
    seasonal_profile(other)
    drift = log_normal(-3.2, 0.8) if chance(0.4) else 0.0
    growth = uniform(-0.5, 1.2) if chance(0.3) else 0.0
    change = uniform(0, 0.6) if chance(0.12) else 0.0
    days = max(long // m, 1)
    day_effects, day_amplitude, day_level, weekend = np.zeros(days), 0.0, 0.0, 0.0
    if days > 1 and chance(0.8):
        for day in range(days):
            day_effects[day] = 0.15 * np.random.normal()
        effect = uniform(0.3, 1.5) * sign(0.25)
        day_effects[days - 2] += effect
        day_effects[days - 1] += effect * uniform(0.6, 1.4)
        day_amplitude, day_level = uniform(0, 0.5), log_normal(-1.0, 0.8)
        weekend = uniform(0.1, 0.9) if chance(0.4) else 0.0
    first, first_day = below(m), below(days)
    for t in range(n):
        phase, day, share = (t + first) % m, ((t + first) // m + first_day) % days, change * t / n
        if day >= days - 2 and weekend > share:
            share = weekend
        season = (1 - share) * profile[phase] + share * other[phase]
        effect = day_effects[day]
        out[t] += amplitude * ((1 + growth * t / n) * season * (1 + day_amplitude * effect) + day_level * effect)
        if drift > 0:
            profile[phase] += drift * np.random.normal()
