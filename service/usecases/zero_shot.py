"""Forecasts without a training: the prior forecasts a submitted series at once."""

from __future__ import annotations

from collections.abc import Sequence

from service.forecasting.intervals.forecast import Bands
from service.forecasting.intervals.sample_paths import Draw
from service.forecasting.preprocessing.missing import open_end_warnings
from service.forecasting.prior.recipe import Seasonality
from service.forecasting.prior.zero_shot import ZERO_SHOT, ZeroShot
from service.forecasting.series.series import Panel
from service.usecases.forecast import ForecastAnswer
from service.usecases.limits import Limits


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
        *_far_ahead(zero_shot.seasonality, horizon),
    )
    return ForecastAnswer(ZERO_SHOT, horizon, zero_shot.point, forecasts, warnings)


def _unused(history: Panel) -> Sequence[str]:
    names = (*history.covariates, *history.future_covariates)
    if not names:
        return ()
    return (f"zero-shot forecasts use no covariates: {', '.join(names)} is not used; train a model to use it",)


def _far_ahead(seasonality: Seasonality, horizon: int) -> Sequence[str]:
    most = seasonality.most_ahead
    if horizon <= most:
        return ()
    return (f"beyond {most} steps ahead, zero-shot forecasts repeat the last season with wider intervals",)
