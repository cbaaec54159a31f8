"""POST /forecast and POST /backtest."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.api.application import DirectRoute
from service.api.input.body import SMALL_BODY, parse_json, read_json_body
from service.api.input.items import SentSeries
from service.api.input.query import check_model_in_query
from service.api.input.series_input import Advice, ReadPanel, read_future_covariates, read_panel, refuse_values_ahead
from service.api.output.openapi import MODEL_PARAMETERS, json_body, problems
from service.api.output.responses import backtest_answer, forecast_answer, json_response
from service.api.request_context import forget_body, in_turn, load_of, lookups_of, resources_of, tenant_of
from service.api.schemas.forecasting import AskedModel, BacktestAnswer, BacktestRequest, ForecastAnswer, ForecastRequest
from service.api.schemas.series import ItemsSeries, ValuesSeries
from service.errors import Path
from service.forecasting.intervals.forecast import Bands
from service.forecasting.intervals.sample_paths import Draw
from service.forecasting.prior.zero_shot import ZERO_SHOT
from service.forecasting.series.local_time import check_time_zone
from service.forecasting.series.row_placement import Reading
from service.usecases.backtest import backtest_model
from service.usecases.forecast import LoadedModel, load_model, make_forecast, takes_microseconds
from service.usecases.limits import Limits
from service.usecases.resources import Resources
from service.usecases.zero_shot import backtest_zero_shot, forecast_zero_shot

# Zero-shot forecasts within these limits take less than a millisecond: a thread costs more than it saves.
_AT_ONCE_VALUES, _AT_ONCE_STEPS = 1000, 100
_CALENDARS = "the season of each is that of its own, unless season_length is given"
_OF_FORECASTS = Advice("they are interpolated", _CALENDARS)
_OF_BACKTESTS = Advice("they are filled with the value before them", _CALENDARS)

router = APIRouter(tags=["forecasting"], route_class=DirectRoute)


@router.post(
    "/forecast",
    summary="Forecast from a model",
    openapi_extra=json_body(ForecastRequest) | MODEL_PARAMETERS,
    responses={200: {"model": ForecastAnswer}, **problems(400, 404, 409, 413, 415, 422)},
)
async def forecast(request: Request) -> Response:
    """Forecast `horizon` steps from the end of the model's own series, or of a `history` in the request.

    Horizon 1 is the one-step forecast; any horizon up to the server's limit works, whatever the model was
    trained for. `num_samples` adds sample paths, from which any quantity over several steps can be estimated: the
    sum of a path is a sample of the sum over the horizon.
    """
    body = await read_json_body(request)
    if len(body) > SMALL_BODY:
        answer = await in_turn(request, read_and_forecast, request, body)
        forget_body(request)
        return answer
    asked = parse_json(ForecastRequest, body)
    check_model_in_query(request, asked)
    resources, tenant = resources_of(request), tenant_of(request)
    if asked.model_id == ZERO_SHOT:
        if _is_one_of_known_season(asked):
            return _forecast_zero_shot(resources, asked)
        return await in_turn(request, _forecast_zero_shot, resources, asked)
    model = await lookups_of(request).find(tenant, asked.model_id, asked.name)
    if asked.num_samples is None and takes_microseconds(model, asked.horizon, _items_asked(asked)):
        return _forecast(resources, tenant, asked, model)
    return await in_turn(request, _forecast, resources, tenant, asked, model)


def read_and_forecast(request: Request, body: bytes) -> Response:
    """Answer a forecast request in a thread. Raises ServiceError."""
    asked = parse_json(ForecastRequest, body)
    check_model_in_query(request, asked)
    if asked.model_id == ZERO_SHOT:
        return _forecast_zero_shot(resources_of(request), asked)
    return _forecast(resources_of(request), tenant_of(request), asked, None)


def _is_one_of_known_season(asked: ForecastRequest) -> bool:
    """Return whether a zero-shot forecast is of one short series and its season is known."""
    history = asked.history
    if asked.num_samples is not None or (asked.horizon or 1) > _AT_ONCE_STEPS:
        return False
    if asked.resample is not None or asked.time_zone is not None:
        return False
    if isinstance(history, list):
        return asked.season_length is not None and len(history) <= _AT_ONCE_VALUES
    if not isinstance(history, ValuesSeries) or len(history.values) > _AT_ONCE_VALUES:
        return False
    return asked.season_length is not None or history.freq is not None


def _items_asked(asked: ForecastRequest) -> int | None:
    if isinstance(asked.history, ItemsSeries):
        return len(asked.history.items)
    if asked.history is not None:
        return 1
    return None if asked.items is None else len(asked.items)


def _forecast(resources: Resources, tenant: str, asked: ForecastRequest, model: LoadedModel | None) -> Response:
    bands = Bands.from_quantiles(asked.quantiles) if asked.quantiles else Bands(asked.levels)
    model = model or load_model(resources, tenant, asked.model_id, asked.name)
    limits = resources.limits
    history = _read_rows(limits, asked.history, ("history",), model) if asked.history is not None else None
    panel = history.panel if history else None
    future = read_future_covariates(asked)
    draw = Draw(asked.num_samples, asked.seed) if asked.num_samples else None
    answer = make_forecast(limits, model, asked.horizon, bands, panel, asked.items, future, draw)
    resources.measured.count_forecast(model.forecaster)
    body = forecast_answer(answer)
    if history:
        body["warnings"] = [*history.warnings, *body["warnings"]]
    return json_response(body)


def _forecast_zero_shot(resources: Resources, asked: ForecastRequest) -> Response:
    assert asked.history is not None  # noqa: S101 - the schema requires it
    bands = Bands.from_quantiles(asked.quantiles) if asked.quantiles else Bands(asked.levels)
    read = _read_new(resources.limits, asked, asked.history, ("history",), _OF_FORECASTS)
    draw = Draw(asked.num_samples, asked.seed) if asked.num_samples else None
    answer = forecast_zero_shot(resources.limits, read.panel, asked.horizon, bands, asked.season_length, draw)
    resources.measured.count_forecast(None)
    body = forecast_answer(answer)
    body["warnings"] = [*read.warnings, *body["warnings"]]
    return json_response(body)


def _read_new(limits: Limits, asked: AskedModel, series: SentSeries, path: Path, advice: Advice) -> ReadPanel:
    """Read a series that no model has seen, as a training would. Raises InvalidSeries if it is too large."""
    if asked.time_zone is not None:
        check_time_zone(asked.time_zone, ("time_zone",))
    reading = Reading(asked.time_zone, asked.resample)
    read = read_panel(series, path, choose_targets=True, reading=reading, limits=limits, advice=advice)
    limits.check_panel(read.panel, path)
    return read


def _read_rows(limits: Limits, series: SentSeries, path: Path, model: LoadedModel) -> ReadPanel:
    """Read a series as the rows of a model were read. Raises InvalidSeries if it is too large."""
    reading, targets = model.forecaster.reading, model.forecaster.targets
    read = read_panel(series, path, reading=reading, model_targets=targets, limits=limits)
    limits.check_panel(read.panel, path)
    return read


@router.post(
    "/backtest",
    summary="Forecast every point of a series from the points before it",
    openapi_extra=json_body(BacktestRequest) | MODEL_PARAMETERS,
    responses={200: {"model": BacktestAnswer}, **problems(400, 404, 409, 413, 415, 422)},
)
async def backtest(request: Request) -> Response:
    """Return rolling forecasts of a series with fixed weights: horizon 1 and stride 1 give predicted against actual."""
    load_of(request).check_room()
    answer = await in_turn(request, _backtest, request, await read_json_body(request))
    forget_body(request)
    return answer


def _backtest(request: Request, sent: bytes) -> Response:
    asked = parse_json(BacktestRequest, sent)
    check_model_in_query(request, asked)
    resources, tenant = resources_of(request), tenant_of(request)
    refuse_values_ahead(asked.series, ("series",))
    limits, bands = resources.limits, Bands(asked.levels)
    limits.check_horizon(asked.horizon)
    rolling = asked.horizon, asked.stride, asked.start, bands
    if asked.model_id == ZERO_SHOT:
        read = _read_new(limits, asked, asked.series, ("series",), _OF_BACKTESTS)
        answer = backtest_zero_shot(limits, read.panel, *rolling, asked.season_length)
    else:
        model = load_model(resources, tenant, asked.model_id, asked.name)
        read = _read_rows(limits, asked.series, ("series",), model)
        answer = backtest_model(limits, model, read.panel, *rolling)
    body = backtest_answer(answer, asked.horizon, asked.stride)
    body["warnings"] = [*read.warnings, *body["warnings"]]
    return json_response(body)
