"""Calibrate the error scale of each item of a panel: how much larger its errors are than its recent changes suggest.

An item's errors, relative to those of all items at the same steps, are shrunk towards these while they come from few
independent origins. The scaled errors of all items are then pooled. Each one is scaled by the item's other errors only,
those of origins that do not overlap with its own: scaled by itself, it would make intervals too narrow.

Dimensions: I items, O origins of one item, H horizon, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.forecasting.config.specification import PriorSpecification
from service.forecasting.evaluation.rolling import Evaluated, RollingForecasts, independent_origins
from service.forecasting.intervals.conformal import ConformalErrors
from service.forecasting.intervals.error_prior import ErrorPrior, prior_of_changes, prior_of_widths
from service.forecasting.intervals.parametric import outlier_bound, robust_mean
from service.forecasting.preprocessing.subsampling import evenly_spaced
from service.forecasting.preprocessing.transforms import SMALLEST_SHARE
from service.forecasting.prior.quantile_functions import mean_deviation
from service.forecasting.prior.recipe import Seasonality
from service.forecasting.prior.weights import load_prior
from service.forecasting.series.series import FloatArray, IntArray

# An item's own errors count as much as those of all items when it has this many independent origins; fewer where items
# differ so much that one origin says more about an item than all the others do.
_ITEM_ORIGINS = 2.0
# Variance of the logarithm of an item's mean error from one independent origin.
_ONE_ORIGIN = 0.3
_LEAST, _MOST = 1e-3, 1e3
# The most items of a panel whose changes are measured.
_PRIOR_ITEMS = 100


@dataclass(frozen=True)
class Calibration:
    """What intervals are made of.

    errors: of all items, each in its item's error scale as calibrated on the item's other errors. factors: (I, T), the
    error factors of items.
    """

    errors: ConformalErrors
    factors: FloatArray

    def rescaled(self, rolled: Sequence[RollingForecasts]) -> list[RollingForecasts]:
        """Return later forecasts of the same items with errors in their calibrated scale."""
        return [_rescaled(one, factor) for one, factor in zip(rolled, self.factors, strict=True)]


def calibrate(*parts: Sequence[RollingForecasts]) -> Calibration:
    """Calibrate on rolling forecasts of the same items, in parts that follow one another."""
    errors = [np.concatenate([one.errors for one in item]) for item in zip(*parts, strict=True)]
    horizon, targets = errors[0].shape[1:]
    prior = _prior([one.evaluated for one in parts[-1]], horizon)
    if len(errors) == 1:
        return Calibration(ConformalErrors(errors[0], prior), np.ones((1, targets)))
    pooled = np.concatenate([one.errors for part in parts for one in part])
    usual = robust_mean(np.sort(np.abs(pooled), axis=0))
    usual = np.where(usual > 0, usual, 1.0)
    origins = [np.concatenate([one.evaluated.origins for one in item]) for item in zip(*parts, strict=True)]
    own = [_OwnErrors.of(np.abs(one) / usual, rows) for one, rows in zip(errors, origins, strict=True)]
    needed = _needed(own)
    scaled = [one / errors_of.others.shrunk(needed)[:, None] for one, errors_of in zip(errors, own, strict=True)]
    factors = np.array([one.total.shrunk(needed) for one in own])
    return Calibration(ConformalErrors(np.concatenate(scaled), prior), factors)


def _prior(evaluated: Sequence[Evaluated], horizon: int) -> ErrorPrior:
    """Return what is expected of errors: by the pre-trained network where it is used, else by the series' changes."""
    chosen = [evaluated[row] for row in evenly_spaced(len(evaluated), _PRIOR_ITEMS)]
    if chosen[0].specification.prior is not None:
        return prior_of_widths(np.array([_expected(one, chosen[0].specification.prior, horizon) for one in chosen]))
    items = [
        (one.transform.apply(one.filled.interpolated[:, : len(one.item.error_scale)]), one.item.error_scale)
        for one in chosen
    ]
    return prior_of_changes(items, chosen[0].specification.season_length, horizon)


def _expected(one: Evaluated, told: PriorSpecification, horizon: int) -> FloatArray:
    """Return the mean absolute errors (H, T), in error scales, that the network expects after the series."""
    seasonality = Seasonality(told.season_length, told.long_season_length)
    found = []
    for values in one.filled.interpolated[:, : len(one.item.error_scale)].T:
        known = np.ascontiguousarray(values)
        rows = np.zeros(1, np.int64), np.array([len(known) - 1])
        quantiles = load_prior(told.version).quantiles(known, *rows, seasonality, horizon)[0]
        if one.transform.log:
            quantiles = np.maximum(quantiles, SMALLEST_SHARE * known.min())
        found.append(mean_deviation(one.transform.apply(quantiles)))
    return np.array(found).T / one.item.error_scale


@dataclass(frozen=True)
class _RelativeErrors:
    """Mean absolute errors, (T,) or (O, T), relative to the usual error of their steps; from how many origins."""

    means: FloatArray
    independent: FloatArray

    @classmethod
    def of(cls, sums: FloatArray, counts: FloatArray, independent: FloatArray) -> _RelativeErrors:
        """Divide sums by counts; 1 where the count is 0."""
        means = np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)
        return cls(np.clip(means, _LEAST, _MOST), np.where(counts > 0, independent, 0.0))

    def shrunk(self, needed: FloatArray) -> FloatArray:
        """Return means shrunk towards 1, by half where there are as many independent origins as needed."""
        return np.asarray(self.means ** (self.independent / (self.independent + needed)))


@dataclass(frozen=True)
class _OwnErrors:
    """One item's errors: all of them, and for each origin those of origins that do not overlap with it."""

    total: _RelativeErrors
    others: _RelativeErrors

    @classmethod
    def of(cls, sizes: FloatArray, origins: IntArray) -> _OwnErrors:
        """Sum up sizes (O, H, T), absolute errors relative to the usual error; origins: (O,), ascending."""
        horizon, targets = sizes.shape[1:]
        capped = np.minimum(sizes, outlier_bound(np.sort(sizes.reshape(-1, targets), axis=0))) if len(sizes) else sizes
        sums, counts = np.nansum(capped, axis=1), (~np.isnan(capped)).sum(axis=1).astype(float)
        known = counts > 0
        independent = np.minimum(known.sum(axis=0), independent_origins(origins, horizon))
        first, last = np.searchsorted(origins, [origins - horizon + 1, origins + horizon])

        def far(numbers: FloatArray) -> FloatArray:
            """Sum over the origins that are at least a horizon away; numbers: (O, T)."""
            running = np.concatenate([np.zeros((1, targets)), numbers.cumsum(axis=0)])
            return np.asarray(running[-1] - (running[last] - running[first]))

        share = far(known.astype(float)) / np.maximum(known.sum(axis=0), 1)
        total = _RelativeErrors.of(sums.sum(axis=0), counts.sum(axis=0), independent)
        return cls(total, _RelativeErrors.of(far(sums), far(counts), share * independent))


def _needed(own: Sequence[_OwnErrors]) -> FloatArray:
    """Return (T,), how many independent origins weigh as much as all items: the more, the less items differ."""
    logs, independent = np.log([one.total.means for one in own]), np.array([one.total.independent for one in own])
    chance = (_ONE_ORIGIN / np.maximum(independent, 1.0)).mean(axis=0)
    return np.asarray(np.minimum(_ONE_ORIGIN / np.maximum(logs.var(axis=0) - chance, 1e-9), _ITEM_ORIGINS))


def _rescaled(one: RollingForecasts, factor: FloatArray) -> RollingForecasts:
    item = one.evaluated.item.with_error_factor(factor)
    return replace(one, evaluated=replace(one.evaluated, item=item), errors=one.errors / factor)
