"""The effects of future covariates on a target, as a regression around everything else.

transformed value = (x - centre) @ beta + residual; all forecasting methods and networks see only the residual. Under a
logarithm the transformed values are logs, so that effects are factors of the target's own values.

They are fitted without attributing trend or season to them, by generalised least squares: both sides are filtered by
the autoregression of the residual (Cochrane & Orcutt 1949), then their mean over each phase of the season and their
linear trend are removed, which is equivalent to seasonal dummies and a trend among the columns (Frisch & Waugh 1933).
The first round uses differences instead of the autoregression, so that it is valid for nonstationary series. The last
round ends in ridge regression: one for all items together, and one for each item on the residual, so that an item with
little information has the effects of the others.

Dimensions: N rows, F future covariates, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from service.forecasting.preprocessing.missing import fill
from service.forecasting.preprocessing.ridge_regression import ridge_weights
from service.forecasting.preprocessing.scaling import absolute_changes, usual_change
from service.forecasting.preprocessing.transforms import Transform
from service.forecasting.series.series import FloatArray, Series

BoolArray = NDArray[np.bool_]

# exp of a larger value is not a plausible factor.
_LARGEST_LOG = 200.0
# Candidate penalties, per row: with columns of variance 1, from almost none to almost no effect.
_PENALTIES = np.logspace(-5, 3, 33)
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
class Effects:
    """The effects of one item.

    beta: (F, T), transformed values per unit of each column; centre: (F,), column values at which the effect is zero;
    scale: (T,), the scale in which items have effects in common.
    """

    beta: FloatArray
    centre: FloatArray
    scale: FloatArray

    def of(self, ahead: FloatArray, transform: Transform) -> FloatArray:
        """Return the effects (..., T) on transformed values for columns (..., F); NaN has no effect."""
        moved = ahead - self.centre
        effects = np.where(np.isnan(moved), 0.0, moved) @ self.beta
        return np.asarray(effects.clip(-_LARGEST_LOG, _LARGEST_LOG) if transform.log else effects)


def without_effects(series: Series, effects: Effects | None, transform: Transform) -> Series:
    """Return the residual of a series, without its future covariates; missing values remain missing."""
    if series.ahead is None:
        return series
    if effects is None:
        return replace(series, ahead=None)
    values, effect = series.values.copy(), effects.of(series.ahead, transform)
    targets = effect.shape[1]
    # Not computed from transformed values, because their exp is clipped.
    values[:, :targets] = values[:, :targets] / np.exp(effect) if transform.log else values[:, :targets] - effect
    return replace(series, values=values, ahead=None)


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
        return Sums(*map(add, vars(self).values(), vars(other).values()))

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
        crossed = self.crossed[moving] / deviation
        beta[moving] = (
            ridge_weights(standard, crossed, self.squares, self.freedom, _PENALTIES * self.freedom) / deviation
        )
        return beta


@dataclass(frozen=True, eq=False)
class PanelEffects:
    """The effects of all items. common: (F, T), in each item's scale; also used for items not seen in training."""

    items: tuple[Effects, ...]
    common: FloatArray


def fit_effects(panel: Sequence[Series], targets: int, transform: Transform, season_length: int) -> PanelEffects:
    """Fit on all rows of each series; every series must have future covariates."""
    recent = [series.tail(_MOST_ROWS) for series in panel]
    columns = [series.ahead for series in recent if series.ahead is not None]
    # The last rows alone may all be missing.
    filled = (fill(series.values[:, :targets], "interpolate").interpolated[-_MOST_ROWS:] for series in panel)
    values = [transform.apply(one) for one in filled]
    scales = np.array([effect_scale(one, season_length, transform) for one in values])  # (item, T)
    betas = np.zeros((len(recent), columns[0].shape[1], targets))
    common = np.zeros(betas.shape[1:])
    for target in range(targets):
        sums = [
            _sums(one[:, target] / scale, ahead, ~np.isnan(series.values[:, target]), season_length)
            for series, ahead, one, scale in zip(recent, columns, values, scales[:, target], strict=True)
        ]
        common[:, target] = reduce(add, sums).solve()
        own = np.array([one.after(common[:, target]).solve() for one in sums]) if len(sums) > 1 else 0.0
        betas[:, :, target] = (common[:, target] + own) * scales[:, [target]]
    centres = [ahead.mean(axis=0) for ahead in columns]
    return PanelEffects(tuple(map(Effects, betas, centres, scales)), common)


def effect_scale(values: FloatArray, season_length: int, transform: Transform) -> FloatArray:
    """Return the scales (T,) in which items have effects in common.

    1 under a logarithm, where effects are factors; else the median change of each item, on which promotions in some
    rows have little influence.
    """
    if transform.log:
        return np.ones(values.shape[1])
    changes = absolute_changes(values, season_length)
    median = np.median(changes, axis=0) if len(changes) else np.zeros(values.shape[1])
    mean = usual_change(values, season_length)
    return np.where(median > _SMALL_SHARE * mean, median, mean)


def _sums(values: FloatArray, ahead: FloatArray, observed: BoolArray, season_length: int) -> Sums:
    """Return the sums for one item and target (N,), after removing its autoregression, season and trend."""
    sums = Sums(np.zeros((ahead.shape[1],) * 2), np.zeros(ahead.shape[1]), 0.0, 0.0)
    if len(values) < _FEWEST_ROWS:
        return sums
    season = season_length if len(values) >= _FEWEST_SEASONS * season_length else 1
    both = np.concatenate([values[:, None], ahead], axis=1)
    weights = _DIFFERENCE
    for left in range(_ROUNDS, 0, -1):
        filtered = sum(weight * both[len(weights) - 1 - lag : len(both) - lag] for lag, weight in enumerate(weights))
        seen = np.asarray(np.lib.stride_tricks.sliding_window_view(observed, len(weights)).all(axis=1))
        regular, estimated = _without_regular_part(np.asarray(filtered), seen, season)
        sums = Sums.of(regular[:, 1:], regular[:, 0], float(len(regular) - estimated))
        if left > 1:
            weights = _autoregression(values - ahead @ sums.solve(), season)
    return sums


def _without_regular_part(rows: FloatArray, seen: BoolArray, season: int) -> tuple[FloatArray, int]:
    """Return the observed rows of (N, column) without season and trend, and the number of estimated parameters."""
    phase = (np.arange(len(rows)) % season)[seen]
    trend = np.arange(len(rows), dtype=float)[seen]
    with_trend = _without_phases(np.concatenate([rows[seen], trend[:, None]], axis=1), phase, season)
    detrended, line = with_trend[:, :-1], with_trend[:, -1]
    slope = line @ detrended / max(float(line @ line), 1e-300)
    left = detrended - line[:, None] * slope
    constant = np.abs(left).max(axis=0, initial=0) <= _ROUNDING * np.abs(rows).max(axis=0, initial=0)
    return np.where(constant, 0.0, left), season + 1


def _without_phases(rows: FloatArray, phase: NDArray[np.int64], season: int) -> FloatArray:
    counts = np.maximum(np.bincount(phase, minlength=season), 1)
    means = np.stack([np.bincount(phase, column, season) / counts for column in rows.T], axis=1)
    return np.asarray(rows - means[phase])


def _autoregression(residual: FloatArray, season: int) -> FloatArray:
    """Return the filter (lag,), 1 at lag 0, that reduces (N,) to white noise."""
    everything = np.ones(len(residual), np.bool_)
    regular = _without_regular_part(residual[:, None], everything, season)[0][:, 0]
    lagged = np.stack([regular[_LAGS - lag : len(regular) - lag] for lag in range(_LAGS + 1)], axis=1)
    earlier = lagged[:, 1:]
    floor = 1e-9 * max(float(regular @ regular), 1e-300)
    weights = np.linalg.solve(earlier.T @ earlier + floor * np.eye(_LAGS), earlier.T @ lagged[:, 0])
    return np.concatenate([[1.0], -weights])
