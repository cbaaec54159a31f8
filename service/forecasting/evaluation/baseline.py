"""Baselines: the naive forecasts that a model is compared with, and which of them fits a series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.forecasting.config.options import BaselineMethod
from service.forecasting.evaluation.rolling import Evaluated, RollingForecasts, compared, mean_known
from service.forecasting.methods.catalogue import METHODS, fit_method
from service.forecasting.methods.method import long_season_of
from service.forecasting.preprocessing.missing import fill
from service.forecasting.series.series import FloatArray, IntArray

_WORDS: dict[BaselineMethod, str] = {
    "naive": "repeating the last value",
    "seasonal_naive": "repeating the last season",
    "long_seasonal_naive": "repeating the last week",
    "drift": "continuing the line through the first and the last value",
    "mean": "the mean of the past",
}
# The first letters of a frequency of single steps, its season, and what repeating that is called.
_SEASONS = {
    ("M", 12): "repeating last year",
    ("Q", 4): "repeating last year",
    ("W", 52): "repeating last year",
    ("D", 7): "repeating last week",
    ("B", 5): "repeating last week",
    ("h", 24): "repeating the last day",
}


def baseline_words(method: BaselineMethod, season_length: int, freq: str | None) -> str:
    """Return what a baseline does, in words that fit after "better than"; freq: the frequency of the series."""
    if method != "seasonal_naive":
        return _WORDS[method]
    if season_length == 1:
        return _WORDS["naive"]
    return _SEASONS.get(((freq or " ")[0], season_length), _WORDS[method])


def best_baseline(evaluated: Sequence[Evaluated], horizon: int, season_length: int) -> BaselineMethod:
    """Return the baseline with the smallest mean absolute error, in the error scale of each item.

    Where none has errors, or several have equal ones: the last season, or the last value where there is no season.
    """
    methods: list[BaselineMethod] = ["seasonal_naive"] if season_length > 1 else []
    shortest = min((int(one.origins[0]) + 1 for one in evaluated if len(one.origins)), default=0)
    week = evaluated[0].specification.long_season_length or long_season_of(season_length)
    if season_length < week <= shortest:
        methods.append("long_seasonal_naive")
    methods += ["naive", "drift", "mean"]
    losses = [_loss(roll_baseline(method, evaluated, horizon, season_length)) for method in methods]
    return methods[int(np.argmin(losses))]


def _loss(rolled: Sequence[RollingForecasts]) -> float:
    """Return the mean over items of the mean over steps ahead: the last origins know the first steps only."""
    steps = [mean_known(np.abs(one.clipped_errors).mean(axis=2).T) for one in rolled]
    means = [float(np.nanmean(one)) for one in steps if not np.isnan(one).all()]
    return float(np.mean(means)) if means and np.isfinite(means).all() else np.inf


def roll_baseline(
    method: BaselineMethod, evaluated: Sequence[Evaluated], horizon: int, season_length: int
) -> list[RollingForecasts]:
    """Forecast every item from all its origins by a baseline."""
    rolled = []
    for one in evaluated:
        target_count = len(one.item.error_scale)
        values = one.filled.forward_filled[:, :target_count]
        if one.item.effects is not None:  # a baseline ignores them
            values = fill(one.series.values[:, :target_count], one.specification.missing).forward_filled
        values = one.transform.apply(values)
        week = one.specification.long_season_length
        rolled.append(compared(one, baseline_forecasts(method, values, one.origins, horizon, season_length, week)))
    return rolled


def baseline_forecasts(
    method: BaselineMethod,
    values: FloatArray,
    origins: IntArray,
    horizon: int,
    season_length: int,
    long_season: int | None = None,
) -> FloatArray:
    """Forecast (time, target) without gaps from each origin: (origin, horizon, target)."""
    fitted = [fit_method(method, column, season_length, long_season) for column in values.T]
    rule = METHODS[method]
    columns = [
        rule.forecast(parameters, column, origins, horizon, season_length)
        for parameters, column in zip(fitted, values.T, strict=True)
    ]
    return np.stack(columns, axis=-1)
