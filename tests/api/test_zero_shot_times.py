"""Histories with times that no model has read: what a warning or refusal advises works in the same request."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.application import Application
from tests.api.contract import problem_of
from tests.api.series import DAYS, VALUES

Record = dict[str, Any]
IRREGULAR = [f"{day}T{7 * row % 11:02d}:{13 * row % 60:02d}:00" for row, day in enumerate(DAYS)]
HOURS = [f"2024-10-{27 + hour // 24}T{hour % 24:02d}:00" for hour in range(60)]
"""With an hour that occurs twice in Berlin, at 02:00 of the first day."""
TWICE = [*HOURS[:3], *HOURS[2:59]]
ROUTES = {"/forecast": "history", "/backtest": "series"}


def ask(client: httpx.Client, path: str, series: Any, **body: Any) -> httpx.Response:
    return client.post(path, json={"model_id": "zero-shot", ROUTES[path]: series, **body})


@pytest.mark.parametrize("path", ROUTES)
def test_irregular_rows_are_combined(application: Application, path: str) -> None:
    series = {"values": VALUES, "timestamps": IRREGULAR}
    answer = ask(application.client, path, series)
    problem_of(answer, 422, "invalid-timestamps", contains='give resample, such as {"freq": "D", "how": "mean"}')
    answer = ask(application.client, path, series, resample={"freq": "D", "how": "mean"})
    assert answer.status_code == 200, answer.text
    times = answer.json()["forecasts"][0]["timestamps"]
    assert str(times[0] if path == "/forecast" else times[0][0]).startswith("2024-")


@pytest.mark.parametrize("path", ROUTES)
def test_local_times_are_read(application: Application, path: str) -> None:
    series = {"values": VALUES, "timestamps": TWICE}
    answer = ask(application.client, path, series)
    problem_of(answer, 422, "invalid-timestamps", contains="give time_zone .such as Europe/Berlin.")
    answer = ask(application.client, path, series, time_zone="Europe/Berlin")
    assert answer.status_code == 200, answer.text
    answer = ask(application.client, path, series, time_zone="Berlin")
    problem_of(answer, 422, "invalid-option", "#/time_zone", "did you mean 'Europe/Berlin'")
    answer = ask(application.client, path, VALUES, time_zone="Europe/Berlin")
    problem_of(answer, 422, "invalid-option", "#/time_zone", "needs timestamps")


@pytest.mark.parametrize(
    ("path", "filled"), [("/forecast", "interpolated"), ("/backtest", "filled with the value before")]
)
def test_a_warning_of_gaps_says_how_they_are_filled(application: Application, path: str, filled: str) -> None:
    kept = [row for row in range(len(DAYS)) if row not in (5, 6, 17)]
    series = {"values": [VALUES[row] for row in kept], "timestamps": [DAYS[row] for row in kept]}
    [warning] = ask(application.client, path, series).json()["warnings"]
    assert "3 of" in warning
    assert f"they are {filled}" in warning
    assert "option" not in warning


def test_items_of_other_calendars_have_a_season_each(application: Application) -> None:
    work = [day for row, day in enumerate(DAYS) if row % 7 < 5]
    items = [
        {"id": "all", "values": VALUES, "timestamps": DAYS},
        {"id": "work", "values": VALUES[: len(work)], "timestamps": work},
    ]
    answer = application.forecast(model_id="zero-shot", history={"items": items}, horizon=7)
    [warning] = answer["warnings"]
    assert "the season of each is that of its own" in warning
    assert "train" not in warning
    for one, item in zip(answer["forecasts"], items, strict=True):
        alone = {name: item[name] for name in ("values", "timestamps")}
        [expected] = application.forecast(model_id="zero-shot", history=alone, horizon=7)["forecasts"]
        assert one["mean"] == pytest.approx(expected["mean"], rel=1e-5)


def test_an_empty_history_is_told_what_it_takes(client: httpx.Client) -> None:
    problem_of(ask(client, "/forecast", []), 422, "invalid-series", "#/history", "zero-shot at least 3")


def test_items_of_other_frequencies_are_sent_one_by_one(client: httpx.Client) -> None:
    months = {"id": "b", "values": VALUES, "start": "2019-01", "freq": "MS"}
    answer = ask(client, "/forecast", {"items": [{"id": "a", "values": VALUES, "timestamps": DAYS}, months]})
    problem_of(answer, 422, "invalid-series", "#/history/items/1", "send those of one frequency at a time")


@pytest.mark.parametrize("option", [{"time_zone": "UTC"}, {"resample": {"freq": "D", "how": "mean"}}])
@pytest.mark.parametrize("path", ROUTES)
def test_a_trained_model_reads_as_it_was_trained(client: httpx.Client, path: str, option: Record) -> None:
    answer = client.post(path, json={"model_id": "x", ROUTES[path]: VALUES, **option})
    problem_of(answer, 422, "invalid-request", contains="is an option of zero-shot: a trained model has its own")
