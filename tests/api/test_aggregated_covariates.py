"""Future covariates of a model that aggregates rows: as it was trained with, or one for each of its steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from service.forecasting.series.resampling import step_of_times
from tests.api.application import Application
from tests.api.contract import problem_of
from tests.factories import warm_months

Record = dict[str, Any]

_, TEMP, Y = warm_months()
TRAINED = 48
WARM = [10, 20, 30]
RIGHT = [140, 180, 220]
OPTIONS: Record = {"candidates": ["naive", "drift"], "transform": "none", "season_length": 1}
# The step of the model, that of the rows, and the first row: steps are complete.
STEPS = {"MS": ("D", "2020-01-01"), "ME": ("D", "2020-01-01"), "W": ("D", "2024-01-01"), "D": ("6h", "2024-01-01")}


def raw_rows(freq: str) -> pd.DataFrame:
    """Return rows whose means of each step are ``TEMP`` and ``Y``; the last values of temp are ``WARM``."""
    finer, start = STEPS[freq]
    times = pd.date_range(start, periods=31 * 60, freq=finer)
    counts = pd.Series(1, times).resample(freq).count().to_numpy()[: len(TEMP)]
    around = np.concatenate([np.arange(count) - (count - 1) / 2 for count in counts])
    step = np.repeat(np.arange(len(TEMP)), counts)
    temp, y = (np.array(column, dtype=float)[step] for column in (TEMP, Y))
    return pd.DataFrame({"ds": times[: len(step)], "step": step, "temp": temp + around, "y": y})


def timed(frame: pd.DataFrame, column: str = "temp") -> Record:
    return {"timestamps": [str(one) for one in frame["ds"]], "columns": {column: frame[column].tolist()}}


@pytest.mark.parametrize("freq", STEPS)
def test_rows_are_aggregated_as_those_of_the_training(application: Application, freq: str) -> None:
    frame = raw_rows(freq)
    known = frame[frame["step"] < TRAINED]
    series = {"timestamps": [str(one) for one in known["ds"]], "columns": {n: known[n].tolist() for n in ("temp", "y")}}
    resample = {"freq": freq, "how": "mean"}
    model = application.train({**series, "future_covariates": ["temp"]}, resample=resample, **OPTIONS)
    assert model["future_covariates"], "the model uses temp"
    ahead = frame[frame["step"] >= TRAINED]
    asked = {"model_id": model["model_id"], "horizon": 3}
    labels = application.forecast(**asked, future_covariates={"temp": WARM})["forecasts"][0]["timestamps"]
    for future in (
        timed(frame),
        timed(ahead),
        timed(ahead.sample(frac=1, random_state=0)),
        {"timestamps": labels, "columns": {"temp": WARM}},
        {"temp": WARM},
    ):
        answer = application.forecast(**asked, future_covariates=future)
        assert not any("of its rows" in warning for warning in answer["warnings"])
        [found] = answer["forecasts"]
        assert found["mean"] == pytest.approx(RIGHT, abs=2)
    short = timed(ahead[ahead["step"] < TRAINED + 2])
    refused = application.client.post("/forecast", json={**asked, "future_covariates": short})
    problem_of(refused, 422, "missing-values", "#/future_covariates/timestamps", "there is no row for")


@pytest.mark.parametrize("horizon", [1, 2, 3])
def test_a_step_with_some_of_its_rows_is_named(application: Application, horizon: int) -> None:
    frame = raw_rows("W")
    end = int(np.argmax(frame["step"] == TRAINED)) + 3  # a Wednesday
    known = frame[:end]
    series = {"timestamps": [str(one) for one in known["ds"]], "columns": {n: known[n].tolist() for n in ("temp", "y")}}
    resample = {"freq": "W", "how": "mean"}
    model = application.train({**series, "future_covariates": ["temp"]}, resample=resample, **OPTIONS)
    asked = {"model_id": model["model_id"], "horizon": horizon}

    def warnings(rows: pd.DataFrame) -> list[str]:
        said = application.forecast(**asked, future_covariates=timed(rows))["warnings"]
        return [warning for warning in said if "of its rows" in warning]

    [warning] = warnings(frame[end:])
    assert "step '2024-12-08 00:00:00' has only 4 of its rows" in warning
    assert warnings(frame[end - 3 :]) == warnings(frame) == []
    if horizon == 3:
        last = end - 3 + 7 * horizon - 2
        assert ["has only 5 of its rows" in warning for warning in warnings(frame[:last])] == [True]


@pytest.mark.parametrize(
    ("alias", "labels", "before", "times", "steps"),
    [
        (
            "D",
            ["2024-01-02", "2024-01-03"],
            "2024-01-01",
            ["2024-01-01T23", "2024-01-02T00", "2024-01-02T23"],
            [-1, 0, 0],
        ),
        (
            "W-SUN",
            ["2024-01-07", "2024-01-14"],
            "2023-12-31",
            ["2023-12-31", "2024-01-01", "2024-01-07", "2024-01-08"],
            [-1, 0, 0, -1],
        ),
        (
            "ME",
            ["2024-01-31", "2024-02-29"],
            "2023-12-31",
            ["2023-12-31T23", "2024-01-01", "2024-01-31T23"],
            [-1, 0, 0],
        ),
        (
            "MS",
            ["2024-01-01", "2024-02-01", "2024-03-01"],
            "2023-12-01",
            ["2024-01-01", "2024-02-29", "2024-03-01"],
            [0, 1, -1],
        ),
    ],
)
def test_the_step_of_a_time(alias: str, labels: list[str], before: str, times: list[str], steps: list[int]) -> None:
    found = step_of_times(
        np.array(times, "datetime64[ns]"), np.array(labels, "datetime64[ns]"), np.datetime64(before, "ns"), alias
    )
    assert found.tolist() == steps
