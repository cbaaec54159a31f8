"""Families of synthetic series, each a well-known process with random parameters, in units of its noise.

Each fills (time,). Legend: m season length, L long season length (0: none), years: whether rows are years, whose series
trend more and turn less.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.forecasting.compilation import part
from service.forecasting.prior.kernels.draws import below, chance, log_normal, shock, shock_kind, sign, uniform
from service.forecasting.prior.kernels.seasons import add_season, seasonal_amplitude, seasonal_profile

Array = Any

_BURN_IN = 60


@part
def slope(years: bool) -> float:
    """Draw a change from one step to the next."""
    return sign(0.78) * log_normal(-1.3, 1.0) if years else sign(0.64) * log_normal(-1.9, 1.1)


@part
def exponential_smoothing(m: int, years: bool, out: Array) -> None:
    """Innovations state space models: level, damped trend and additive season (Hyndman et al. 2008)."""
    u = np.random.random()
    alpha = uniform(0, 0.12) if u < 0.15 else (uniform(0, 1) if u < 0.8 else uniform(0.8, 1.1))
    trend, beta, damping, drift = 0.0, 0.0, 1.0, 0.0
    if chance(0.7):
        trend = slope(years)
        beta = alpha * uniform(0, 0.3) if chance(0.3 if years else 0.6) else 0.0
        damping = 1.0 if chance(0.25) else uniform(0.75, 0.99)
        if damping < 1 and chance(0.5):
            drift = trend * (1 - damping)
    amplitude, season = seasonal_amplitude(m), np.zeros(m)
    if amplitude > 0:
        seasonal_profile(season)
        season *= amplitude
    gamma = (1 - min(alpha, 1.0)) * uniform(0, 0.4) if chance(0.5) and amplitude > 0 else 0.0
    kind, seasonal_variance = shock_kind(), uniform(0, 0.5) if chance(0.2) else 0.0
    level = 0.0
    for t in range(len(out)):
        phase = t % m
        error = shock(kind) * (1 + seasonal_variance * math.sin(2 * math.pi * phase / m))
        out[t] = level + damping * trend + season[phase] + error
        level += damping * trend + alpha * error
        trend = damping * trend + drift + beta * error
        season[phase] += gamma * error


@part
def structural(m: int, long: int, years: bool, out: Array) -> None:
    """Sums of independent components: trends, breaks, a cycle, autocorrelated noise, seasons (Harvey 1989)."""
    out[:] = 0.0
    if chance(0.4):
        _line(slope(years), out)
    if chance(0.55):
        _random_walk(log_normal(-0.6, 0.8), 0.0, out)
    if chance(0.12 if years else (0.22 if m == 1 else 0.35)):
        _smooth_trend(log_normal(-3.0, 1.0) / math.sqrt(max(m, 2) / 4), out)
    if chance(0.12 if years else 0.25):
        _broken_line(years, out)
    if chance(0.15):
        for _ in range(1 + below(2)):
            out[below(len(out)) :] += sign(0.5) * log_normal(1.0, 0.7)
    if chance(0.15):
        _saturation(out)
    if chance(0.4 if m == 1 else 0.2):
        _cycle(uniform(4, 14) if m == 1 else uniform(1.5, 6) * m, out)
    _autocorrelated_noise(out)
    add_season(m, long, seasonal_amplitude(m), out)


@part
def _line(rise: float, out: Array) -> None:
    for t in range(len(out)):
        out[t] += rise * t


@part
def _random_walk(deviation: float, drift: float, out: Array) -> None:
    level = 0.0
    for t in range(len(out)):
        level += deviation * np.random.normal() + drift
        out[t] += level


@part
def _smooth_trend(deviation: float, out: Array) -> None:
    """An integrated random walk, whose slope may return to 0."""
    level, rise, damping = 0.0, 0.0, 1.0 if chance(0.4) else uniform(0.9, 0.995)
    for t in range(len(out)):
        rise = damping * rise + deviation * np.random.normal()
        level += rise
        out[t] += level


@part
def _broken_line(years: bool, out: Array) -> None:
    """A line whose slope changes a few times, sometimes to 0."""
    level, rise, breaks = 0.0, slope(years), uniform(0.5, 3) / len(out)
    for t in range(len(out)):
        if chance(breaks):
            rise = slope(years) if chance(0.7) else 0.0
        level += rise
        out[t] += level


@part
def _saturation(out: Array) -> None:
    """A logistic curve, as the sales of a new product."""
    n = len(out)
    centre, width, height = uniform(-0.2, 0.9) * n, uniform(0.05, 0.4) * n, sign(0.65) * log_normal(2.0, 0.9)
    for t in range(n):
        out[t] += height / (1 + math.exp(-(t - centre) / width))


@part
def _cycle(period: float, out: Array) -> None:
    """A stochastic cycle (Harvey 1989, section 2.3.3)."""
    damping, deviation = uniform(0.85, 1.0), log_normal(-0.3, 0.8)
    cosine, sine = math.cos(2 * math.pi / period) * damping, math.sin(2 * math.pi / period) * damping
    spread = deviation * math.sqrt(max(1 - damping * damping, 0.0))
    x, y = deviation * np.random.normal(), deviation * np.random.normal()
    for t in range(len(out)):
        x, y = (
            cosine * x + sine * y + spread * np.random.normal(),
            cosine * y - sine * x + spread * np.random.normal(),
        )
        out[t] += x


@part
def _autocorrelated_noise(out: Array) -> None:
    """An autoregression of first order, sometimes with volatility that clusters (Bollerslev 1986)."""
    kind, phi = shock_kind(), 0.0 if chance(0.5) else uniform(-0.4, 0.97)
    clusters, size = chance(0.12), 1.0 if chance(0.85) else 0.1
    x, volatility, spread = 0.0, 1.0, math.sqrt(1 - phi * phi)
    for t in range(len(out)):
        error = shock(kind)
        if clusters:
            volatility = min(math.sqrt(0.1 + 0.15 * (volatility * error) ** 2 + 0.75 * volatility**2), 5.0)
        x = phi * x + spread * error * volatility
        out[t] += size * x


@part
def gaussian_process(m: int, long: int, out: Array) -> None:
    """Sums and products of draws from Gaussian processes (kernel composition, as in Ansari et al. 2024)."""
    n = len(out)
    draw = np.empty(n)
    _process(m, draw)
    out[:] = draw * log_normal(0.5, 0.5)
    for _ in range(1 + below(3)):
        _process(m, draw)
        if chance(0.75):
            out += log_normal(0.3, 0.7) * draw
        else:
            out *= 1 + 0.5 * draw
    if m > 1 and chance(0.5):
        add_season(m, long, 0.7 * seasonal_amplitude(m), out)
    noise = log_normal(-1.2, 1.0)
    for t in range(n):
        out[t] += noise * np.random.normal()


@part
def _process(m: int, out: Array) -> None:
    n, u = len(out), np.random.random()
    if u < 0.3:
        _smooth_function(log_normal(2.8, 1.0), chance(0.4), out)
    elif u < 0.55 and m > 1:
        profile = np.empty(m)
        seasonal_profile(profile)
        for t in range(n):
            out[t] = profile[t % m]
        if chance(0.3):
            envelope = np.empty(n)
            _smooth_function(uniform(1.5, 6) * m, False, envelope)
            out *= 1 + 0.4 * envelope
    elif u < 0.65:
        period, phase = uniform(3, 40) if chance(0.6) else m * uniform(2, 10), uniform(0, 2 * math.pi)
        for t in range(n):
            out[t] = math.sqrt(2.0) * math.cos(2 * math.pi * t / period + phase)
    elif u < 0.8:
        rise = sign(0.62) * log_normal(0.0, 0.7) * math.sqrt(3.0)
        for t in range(n):
            out[t] = rise * (2 * t / n - 1)
    elif u < 0.9:
        x, deviation = 0.0, uniform(0.05, 0.6)
        for t in range(n):
            x = x * (1 - 0.5 * deviation**2) + deviation * np.random.normal()
            out[t] = x
    else:
        for t in range(n):
            out[t] = np.random.normal()


@part
def _smooth_function(length_scale: float, heavy: bool, out: Array) -> None:
    """A Gaussian process by random Fourier features (Rahimi & Recht 2007): of the RBF kernel, or a rougher one."""
    features = 24
    out[:] = 0.0
    for _ in range(features):
        frequency = np.random.normal() / length_scale
        if heavy:
            frequency /= math.sqrt(np.random.normal() ** 2 + 0.05)
        phase = uniform(0, 2 * math.pi)
        for t in range(len(out)):
            out[t] += math.sqrt(2 / features) * math.cos(frequency * t + phase)


@part
def seasonal_arima(m: int, long: int, years: bool, out: Array) -> None:
    """ARIMA with a seasonal moving average and seasonal differences (Box & Jenkins 1970)."""
    n = len(out)
    count, kind = n + _BURN_IN + m + 2, shock_kind()
    errors, x = np.empty(count), np.zeros(count)
    for t in range(count):
        errors[t] = shock(kind)
    # By partial autocorrelations, so that it is stationary.
    first, second = uniform(-0.6, 0.95), uniform(-0.5, 0.5) if chance(0.5) else 0.0
    phi1, phi2 = first * (1 - second), second
    theta = uniform(-0.3, 0.9) if chance(0.7) else 0.0
    if chance(0.35):
        phi1, phi2 = 0.0, 0.0
    seasonal_theta = uniform(0.2, 0.95) if m > 1 and chance(0.8) else 0.0
    seasonal_difference = m > 1 and chance(0.55)
    if not seasonal_difference:
        seasonal_theta = 0.0
    for t in range(m + 2, count):
        x[t] = phi1 * x[t - 1] + phi2 * x[t - 2] + errors[t] - theta * errors[t - 1]
        x[t] -= seasonal_theta * (errors[t - m] - theta * errors[t - m - 1])
    x = x[count - n :].copy()
    u = np.random.random()
    order = 0 if u < 0.25 else (1 if u < (0.98 if years or m <= 4 else 0.92) else 2)
    drift = 0.7 * slope(years) if chance(0.55) else 0.0
    if seasonal_difference and chance(0.7):
        # The season is integrated; the level is another random walk.
        profile, amplitude = np.empty(m), seasonal_amplitude(m)
        seasonal_profile(profile)
        for t in range(n):
            x[t] = amplitude * profile[t] if t < m else x[t - m] + x[t]
        out[:] = x
        _random_walk(uniform(0.2, 1.0) if order == 1 and chance(0.5) else 0.0, drift, out)
        return
    if order == 2:
        x *= 0.15
    for k in range(order):
        total = 0.0
        for t in range(n):
            total += x[t] + (drift if k == order - 1 else 0.0)
            x[t] = total
    out[:] = x
    add_season(m, long, seasonal_amplitude(m) * math.exp(uniform(-0.5, 1)), out)


@part
def random_walk(m: int, long: int, years: bool, out: Array) -> None:
    """A random walk with drift, perhaps observed with noise, and a season."""
    level, drift, kind = 0.0, 0.8 * slope(years) if chance(0.6) else 0.0, shock_kind()
    noise = log_normal(-1.2, 1.0) if chance(0.5) else 0.0
    for t in range(len(out)):
        level += shock(kind) + drift
        out[t] = level + noise * np.random.normal()
    add_season(m, long, seasonal_amplitude(m), out)
