"""Forecasts and backtests without a training: the prior forecasts a submitted series at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from service.errors import InvalidOption
from service.forecasting.intervals.forecast import Bands
from service.forecasting.intervals.sample_paths import Draw
from service.forecasting.preprocessing.missing import open_end_warnings
from service.forecasting.prior.recipe import Seasonality
from service.forecasting.prior.zero_shot import SHORTEST_HISTORY, ZERO_SHOT, ZeroShot, natural_season
from service.forecasting.series.series import IntArray, Panel
from service.usecases.backtest import BacktestAnswer, first_row
from service.usecases.forecast import ForecastAnswer
from service.usecases.limits import Limits

if TYPE_CHECKING:
    from service.forecasting.evaluation.rolling import Bounds

_FEW = 8
# About 10 seconds of one core.
_MOST_READ = 500_000_000


def forecast_zero_shot(
    limits: Limits,
    history: Panel,
    horizon: int | None,
    bands: Bands,
    season_length: int | None = None,
    draw: Draw | None = None,
) -> ForecastAnswer:
    """Forecast each target of a history with the prior.

    horizon, season_length: None: as a training would choose. draw: the sample paths to draw; None: no sample paths.
    Raises InvalidInput.
    """
    zero_shot = ZeroShot.of(history, season_length)
    horizon = horizon or zero_shot.usual_horizon()
    limits.check_horizon(horizon)
    per_step = 1 + len(bands.probabilities) + (draw.paths if draw else 0)
    limits.check_answer(len(zero_shot.firsts) * horizon * per_step)
    forecasts = zero_shot.forecast(horizon, bands, draw)
    warnings = (
        *open_end_warnings(history, range(len(history.targets))),
        *_unused(history),
        *_short(season_length, (zero_shot.stops - zero_shot.firsts).tolist(), "series"),
        *_far_ahead(zero_shot.used, horizon),
    )
    return ForecastAnswer(ZERO_SHOT, horizon, zero_shot.point, forecasts, warnings)


def backtest_zero_shot(
    limits: Limits,
    panel: Panel,
    horizon: int,
    stride: int,
    start: int | str | None,
    bands: Bands,
    season_length: int | None = None,
) -> BacktestAnswer:
    """Forecast each target ``horizon`` steps from every ``stride``-th point with the prior.

    start: row number or time of the first point to forecast; None: the first one with two seasons before it, or the
    middle of the series where that is earlier, or where neither its frequency nor ``season_length`` tells the season.
    No forecast depends on values after its origin: gaps are filled forward, and the season, what point forecasts are
    and the sizes of sporadic demand are those of the values before the start. Intervals are the quantiles of the prior
    as they are: those of a forecast are corrected by its errors of the past, which would have to be rolled from every
    origin again. Raises InvalidInput.
    """
    from service.forecasting.evaluation.baseline import baseline_words, roll_baseline
    from service.forecasting.evaluation.rolling import SCORED_LEVELS, score_within
    from service.forecasting.evaluation.rolling_prior import evaluated_by_prior, roll_prior, usual_baseline
    from service.forecasting.evaluation.skill_interval import skill_interval

    whole = ZeroShot.of(panel, season_length or 1, "forward_fill", ("series",))
    dropped = [len(sent) - len(one) for sent, one in zip(panel, whole.panel, strict=True)]
    season = season_length or natural_season(whole.panel)
    first = [
        first_row(one, rows, start, SHORTEST_HISTORY, _usual_start(len(one), season))
        for one, rows in zip(whole.panel, dropped, strict=True)
    ]
    origins = [
        np.arange(row - 1, len(one) - 1, stride, dtype=np.int64) for row, one in zip(first, whole.panel, strict=True)
    ]
    numbers = sum(map(len, origins)) * horizon * len(panel.targets)
    limits.check_answer(numbers * (3 + 2 * len(bands.levels)))

    heads = tuple(one.head(row) for row, one in zip(first, whole.panel, strict=True))
    known = ZeroShot.of(replace(whole.panel, series=heads), season_length, "forward_fill", ("series",))
    whole = replace(whole, seasonalities=known.seasonalities)
    context = max(one.context_length for one in _distinct(whole.seasonalities))
    _check_work(sum(map(len, origins)) * len(panel.targets), min(context, max(map(len, panel))))
    evaluated = [
        evaluated_by_prior(one, rows, whole, before)
        for one, rows, before in zip(whole.panel, origins, dropped, strict=True)
    ]
    levels = tuple(dict.fromkeys((*bands.levels, *SCORED_LEVELS)))
    rolled, intervals = roll_prior(whole, known, evaluated, horizon, levels)
    targets, season = panel.targets, known.seasonality.season_length
    method = usual_baseline(known, horizon)
    naive = roll_baseline(method, evaluated, horizon, season)
    times = evaluated[0].series.times
    return BacktestAnswer(
        ZERO_SHOT,
        known.point,
        targets,
        rolled,
        [_only(bands.levels, one) for one in intervals],
        score_within(targets, season, rolled, [_only(SCORED_LEVELS, one) for one in intervals], first),
        score_within(targets, season, naive, None, first),
        method,
        baseline_words(method, season, times.freq if times else None),
        skill_interval(rolled, naive),
        (
            *_unused(panel),
            *_short(season_length, (np.concatenate(origins) + 1).tolist(), "forecasts"),
            *_far_ahead(whole.used, horizon),
        ),
    )


def _check_work(origins: int, context: int) -> None:
    """Raise InvalidOption where so many forecasts read so many values that they would take many seconds."""
    if origins * context > _MOST_READ:
        found = f"{origins} forecasts that read up to {context} values each"
        detail = f"{found} are too many with a season this long; use a larger stride, a later start or a shorter season"
        raise InvalidOption.at(("stride",), detail)


def _only(levels: Iterable[float], intervals: Bounds) -> Bounds:
    return {level: intervals[level] for level in levels}


def _usual_start(length: int, season_length: int | None) -> int:
    middle = max(length // 2, SHORTEST_HISTORY)
    return middle if season_length is None else min(max(2 * season_length + 2, _FEW), middle)


def _unused(history: Panel) -> Sequence[str]:
    names = (*history.covariates, *history.future_covariates)
    if not names:
        return ()
    return (f"zero-shot forecasts use no covariates: {', '.join(names)} is not used; train a model to use it",)


def _short(season_length: int | None, known: Sequence[int], what: str) -> Sequence[str]:
    """Return a warning where some forecasts know less than two of the seasons that are asked for."""
    if season_length is None or season_length == 1:
        return ()
    needed = 2 * season_length
    short = [length for length in known if length < needed]
    if not short:
        return ()
    found = f"the history has {short[0]}" if len(known) == 1 else f"{len(short)} of {len(known)} {what} have fewer"
    unused = "it is not used" if len(known) == 1 else f"with up to {season_length} it is not used"
    effect = unused if min(short) <= season_length else "it is uncertain"
    return (f"season_length {season_length} needs {needed} values (two seasons), {found}: {effect}",)


def _distinct(seasonalities: IntArray) -> list[Seasonality]:
    return [Seasonality(*one) for one in np.unique(seasonalities, axis=0).tolist()]


def _far_ahead(seasonalities: IntArray, horizon: int) -> Sequence[str]:
    found = {one.most_ahead for one in _distinct(seasonalities)}
    if horizon <= min(found):
        return ()
    most = f"{min(found)}" if len(found) == 1 else f"{min(found)} to {max(found)}"
    return (f"beyond {most} steps ahead, zero-shot forecasts repeat the last season with wider intervals",)
