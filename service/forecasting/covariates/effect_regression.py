"""Fit the effects of future covariates, without attributing trend or season to them.

Generalised least squares: both sides are filtered by the autoregression of the residual (Cochrane & Orcutt 1949), then
their mean over each phase of the season and their linear trend are removed, which is equivalent to seasonal dummies and
a trend among the columns (Frisch & Waugh 1933). The first round uses differences instead of the autoregression, so that
it is valid for nonstationary series. The last round ends in ridge regression: one for all items together, and one for
each item on the residual, so that an item with little information has the effects of the others.

Dimensions: N rows, F columns, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from service.forecasting.covariates.effects import Effects
from service.forecasting.preprocessing.missing import fill
from service.forecasting.preprocessing.scaling import usual_change
from service.forecasting.preprocessing.transforms import Transform
from service.forecasting.series.series import FloatArray, Series

# Candidate penalties, per row: with columns of variance 1, from almost none to almost no effect.
_PENALTIES = np.logspace(-5, 3, 33)


@dataclass(frozen=True, eq=False)
class Sums:
    """The sums for a regression of a target on columns: (F, F) of the columns, and (F,) of the columns and the target.

    squares: sum of squares of the target; freedom: rows, minus the number of parameters estimated before.
    """

    columns: FloatArray
    crossed: FloatArray
    squares: float
    freedom: float

    @classmethod
    def of(cls, columns: FloatArray, target: FloatArray, freedom: float) -> Sums:
        """Return the sums over rows (N, F) and (N,)."""
        return cls(columns.T @ columns, columns.T @ target, float(target @ target), freedom)

    def __add__(self, other: Sums) -> Sums:
        """Return the sums over the rows of both."""
        return Sums(
            self.columns + other.columns,
            self.crossed + other.crossed,
            self.squares + other.squares,
            self.freedom + other.freedom,
        )

    def after(self, beta: FloatArray) -> Sums:
        """Return the sums for the residual of the target after ``beta`` (F,)."""
        explained = self.columns @ beta
        squares = self.squares - 2 * float(beta @ self.crossed) + float(beta @ explained)
        return Sums(self.columns, self.crossed - explained, max(squares, 0.0), self.freedom)

    def solve(self) -> FloatArray:
        """Return beta (F,), 0 for constant columns."""
        deviation = np.sqrt(np.diagonal(self.columns) / max(self.freedom, 1.0))
        moving = deviation > 0
        beta = np.zeros(len(self.crossed))
        if self.freedom < 1 or not moving.any() or not np.isfinite([*self.crossed, self.squares]).all():
            return beta
        deviation = deviation[moving]
        standard = self.columns[np.ix_(moving, moving)] / np.outer(deviation, deviation)
        values, vectors = np.linalg.eigh(standard)
        values = values.clip(0)
        turned = vectors.T @ (self.crossed[moving] / deviation)
        beta[moving] = vectors @ (turned / (values + self._penalty(values, turned))) / deviation
        return beta

    def _penalty(self, values: FloatArray, turned: FloatArray) -> float:
        penalties = _PENALTIES[:, None] * self.freedom
        shrunk = 1 / (values + penalties)
        errors = self.squares - 2 * (turned**2 * shrunk).sum(axis=1) + (values * (turned * shrunk) ** 2).sum(axis=1)
        left = self.freedom - (values * shrunk).sum(axis=1)
        scores = np.where(left > 0, errors.clip(0) / np.maximum(left, 1e-9) ** 2, np.inf)
        return float(penalties[np.argmin(scores), 0])


BoolArray = NDArray[np.bool_]

_LAGS = 4
_ROUNDS = 3
# Effects drift; older rows add little information, and cost time.
_MOST_ROWS = 5000
_FEWEST_ROWS = 3 * _LAGS
_FEWEST_SEASONS = 3
# A series that is constant most of the time has a median change near zero; then the mean change is used.
_SMALL_SHARE = 1e-3
# A remainder of a column below this fraction is rounding error.
_ROUNDING = 1e-9
_DIFFERENCE = np.array([1.0, -1.0])


@dataclass(frozen=True, eq=False)
class PanelEffects:
    """The effects of all items. common: (F, T), in each item's unit; also used for items not seen in training."""

    items: tuple[Effects, ...]
    common: FloatArray


def fit_effects(panel: Sequence[Series], targets: int, transform: Transform, season_length: int) -> PanelEffects:
    """Fit on all rows of each series; every series must have future covariates."""
    recent = [series.tail(_MOST_ROWS) for series in panel]
    columns = [_columns(series) for series in recent]
    levels = [transform.apply(fill(one.values[:, :targets], "interpolate").interpolated) for one in recent]
    units = np.array([effect_unit(one, season_length, transform) for one in levels])  # (item, T)
    betas = np.zeros((len(recent), columns[0].shape[1], targets))
    common = np.zeros(betas.shape[1:])
    for target in range(targets):
        sums = [
            _sums(
                one[:, target] / unit[target], ahead, ~np.isnan(series.values[:, target]), _season(one, season_length)
            )
            for series, ahead, one, unit in zip(recent, columns, levels, units, strict=True)
        ]
        common[:, target] = reduce(add, sums).solve()
        for row, one_sum in enumerate(sums):
            alone = len(sums) == 1
            own = 0.0 if alone else one_sum.after(common[:, target]).solve()
            betas[row, :, target] = (common[:, target] + own) * units[row, target]
    items = tuple(
        Effects(beta, ahead.mean(axis=0), unit) for beta, ahead, unit in zip(betas, columns, units, strict=True)
    )
    return PanelEffects(items, common)


def effect_unit(levels: FloatArray, season_length: int, transform: Transform) -> FloatArray:
    """Return the units (T,) in which items have effects in common.

    1 under a logarithm, where effects are factors; else the median change of each item, on which promotions in some
    rows have little influence.
    """
    if transform.log:
        return np.ones(levels.shape[1])
    lag = season_length if len(levels) > season_length else 1
    changes = np.abs(levels[lag:] - levels[:-lag])
    median = np.median(changes, axis=0) if len(changes) else np.zeros(levels.shape[1])
    mean = usual_change(levels, season_length)
    return np.where(median > _SMALL_SHARE * mean, median, mean)


def _columns(series: Series) -> FloatArray:
    if series.ahead is None:
        raise ValueError("the series has no columns known ahead")
    return series.ahead


def _season(levels: FloatArray, season_length: int) -> int:
    return season_length if len(levels) >= _FEWEST_SEASONS * season_length else 1


def _sums(levels: FloatArray, ahead: FloatArray, observed: BoolArray, season: int) -> Sums:
    """Return the sums for one item and target (N,), after removing its autoregression, season and trend."""
    sums = Sums(np.zeros((ahead.shape[1],) * 2), np.zeros(ahead.shape[1]), 0.0, 0.0)
    if len(levels) < _FEWEST_ROWS:
        return sums
    both = np.concatenate([levels[:, None], ahead], axis=1)
    weights = _DIFFERENCE
    for left in range(_ROUNDS, 0, -1):
        filtered = sum(weight * both[len(weights) - 1 - lag : len(both) - lag] for lag, weight in enumerate(weights))
        seen = np.asarray(np.lib.stride_tricks.sliding_window_view(observed, len(weights)).all(axis=1))
        regular, estimated = _without_regular_part(np.asarray(filtered), seen, season)
        sums = Sums.of(regular[:, 1:], regular[:, 0], float(len(regular) - estimated))
        if left > 1:
            rest = levels - ahead @ sums.solve()
            weights = _autoregression(rest, season)
    return sums


def _without_regular_part(rows: FloatArray, seen: BoolArray, season: int) -> tuple[FloatArray, int]:
    """Return the observed rows of (N, column) without season and trend, and the number of estimated parameters."""
    phase = (np.arange(len(rows)) % season)[seen]
    trend = np.arange(len(rows), dtype=float)[seen]
    with_trend = _without_phases(np.concatenate([rows[seen], trend[:, None]], axis=1), phase, season)
    rest, line = with_trend[:, :-1], with_trend[:, -1]
    slope = line @ rest / max(float(line @ line), 1e-300)
    left = rest - line[:, None] * slope
    still = np.abs(left).max(axis=0, initial=0) <= _ROUNDING * np.abs(rows).max(axis=0, initial=0)
    return np.where(still, 0.0, left), season + 1


def _without_phases(rows: FloatArray, phase: NDArray[np.int64], season: int) -> FloatArray:
    counts = np.maximum(np.bincount(phase, minlength=season), 1)
    means = np.stack([np.bincount(phase, column, season) / counts for column in rows.T], axis=1)
    return np.asarray(rows - means[phase])


def _autoregression(rest: FloatArray, season: int) -> FloatArray:
    """Return the filter (lag,), 1 at lag 0, that reduces (N,) to white noise."""
    everything = np.ones(len(rest), np.bool_)
    regular = _without_regular_part(rest[:, None], everything, season)[0][:, 0]
    lagged = np.stack([regular[_LAGS - lag : len(regular) - lag] for lag in range(_LAGS + 1)], axis=1)
    earlier = lagged[:, 1:]
    floor = 1e-9 * max(float(regular @ regular), 1e-300)
    weights = np.linalg.solve(earlier.T @ earlier + floor * np.eye(_LAGS), earlier.T @ lagged[:, 0])
    return np.concatenate([[1.0], -weights])
