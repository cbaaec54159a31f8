"""The client's arguments are those of the service."""

from __future__ import annotations

from service.api.schemas.forecasting import BacktestRequest, ForecastRequest
from service.api.schemas.training import TrainRequest
from service.client.requests import BacktestArguments, DataArguments, ForecastArguments, TrainArguments

OF_DATA = set(DataArguments.__annotations__)
OF_MODEL = {"model_id", "name"}


def test_every_option_of_a_training_is_an_argument() -> None:
    own = set(TrainArguments.__annotations__) - OF_DATA - {"static", "separator", "decimal", "thousands"}
    assert own == set(TrainRequest.model_fields) - {"series", "future_covariates"}


def test_every_option_of_a_forecast_is_an_argument() -> None:
    own = set(ForecastArguments.__annotations__) - (OF_DATA - {"future_covariates"})
    assert own == set(ForecastRequest.model_fields) - OF_MODEL - {"horizon"}


def test_every_option_of_a_backtest_is_an_argument() -> None:
    own = set(BacktestArguments.__annotations__) - OF_DATA
    assert own | {"start"} == set(BacktestRequest.model_fields) - OF_MODEL - {"series"}
